import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { types } from 'node:util';
import { cacheDirectory } from '../cache.ts';
import { type ErrorCode, TorchvaeError } from '../errors.ts';
import { packageVersion } from '../package.ts';
import { binaryFolders } from './binaries.ts';
import { findNvidiaDriver, hidesGpus } from './driver.ts';
import { glibcVersion, isRecentGlibc, NEEDED_GLIBC } from './libc.ts';
import { findLibtorch, type Libtorch } from './libtorch.ts';
import type { Addon, EngineInfo } from './native.ts';

/** The open engine of this process, and what it was opened from. */
export interface LoadedEngine {
  addon: Addon;
  info: EngineInfo;
  libtorch: Libtorch;
}

/** What to open. */
export interface LoadOptions {
  /** Folder of libtorch; found by `findLibtorch` if not given. Only the first call of a process can choose. */
  libtorch?: string;
  /**
   * `cuda` and `auto` (default) open libtorch's CUDA half where an NVIDIA driver is. `any` does too, but goes on without it where it
   * cannot be opened. `cpu` leaves it closed, after which this process cannot use CUDA: libtorch looks for its CUDA half once.
   */
  device?: 'any' | 'auto' | 'cpu' | 'cuda';
}

let loaded: LoadedEngine | undefined;

/**
 * Opens the addon, libtorch and the engine, once for the process.
 *
 * @throws TorchvaeError ERR_ADDON when the addon or the engine is missing or of another version, ERR_LIBTORCH when
 * libtorch is
 */
export function loadEngine(options: LoadOptions = {}): LoadedEngine {
  if (loaded) return sameLibtorch(loaded, options.libtorch);
  const folders = binaryFolders();
  const addon = loadAddon(folders);
  const engines = findEngines(folders);
  const { device = 'auto' } = options;
  const libtorch = findLibtorch({
    ...(options.libtorch !== undefined && { root: options.libtorch }),
    build: device === 'any' ? 'auto' : device,
    minors: [...engines.keys()],
  });
  const { engine, cudaPart } = enginePaths(engines, libtorch.minor);
  const openWithoutCuda = (reason: string): EngineInfo => {
    const info = callAddon(() => addon.open({ libtorch: libtorch.cpuLibraries, engine }));
    return { ...info, cuda: { ...info.cuda, reason } };
  };
  const openWithCuda = () => {
    const libraries = [...libtorch.cpuLibraries, ...libtorch.cudaLibraries];
    return callAddon(() =>
      addon.open({ libtorch: libraries, engine, cudaPart, programs: join(cacheDirectory(), 'kernels') }),
    );
  };
  const reason = whyNoCuda(libtorch, cudaPart, device);
  let info: EngineInfo;
  try {
    info = reason === undefined ? openWithCuda() : openWithoutCuda(reason);
  } catch (error) {
    if (device !== 'any' || reason !== undefined) throw error;
    info = openWithoutCuda((error as Error).message);
  }
  checkVersion(engine, info.engineVersion, addon.version);
  loaded = { addon, info, libtorch };
  return loaded;
}

/** Why CUDA's half of libtorch stays closed; undefined where it is to be opened. */
function whyNoCuda(libtorch: Libtorch, cudaPart: string, device: LoadOptions['device']): string | undefined {
  if (device === 'cpu') return 'this process opened the engine for the CPU alone';
  if (!libtorch.hasCuda) return `the libtorch in ${libtorch.root} is a CPU build`;
  if (libtorch.minimal) return `the libtorch in ${libtorch.root} has none of its run-time libraries`;
  if (hidesGpus()) return 'CUDA_VISIBLE_DEVICES hides all GPUs';
  if (findNvidiaDriver() === undefined) return 'no NVIDIA driver was found';
  return existsSync(cudaPart) ? undefined : `there is no ${cudaPart}; ${REINSTALL}`;
}

/** Parts of one version know each other's numbers and structures; of two versions they only may. */
function checkVersion(path: string, version: string, wanted: string): void {
  if (version === wanted) return;
  throw new TorchvaeError(
    'ERR_ADDON',
    `Expected version ${wanted} of ${path} but it is of version ${version}; ${REINSTALL}`,
  );
}

/** A process can open one libtorch only: asking for another one is refused. */
function sameLibtorch(engine: LoadedEngine, folder: string | undefined): LoadedEngine {
  if (folder === undefined || findLibtorch({ root: folder }).root === engine.libtorch.root) return engine;
  throw new TorchvaeError(
    'ERR_STATE',
    `Expected the libtorch that this process already uses (${engine.libtorch.root}) for libtorch but received ${folder}; ` +
      'start another process for another libtorch',
  );
}

const REINSTALL = 'reinstall torchvae, or build it anew: `npx torchvae build`, in a clone `npm run build`';

function loadAddon(folders: readonly string[]): Addon {
  const require = createRequire(import.meta.url);
  const tried: string[] = [];
  for (const binaries of folders) {
    for (const name of ['torchvae.node', 'torchvae.glibc.node']) {
      const path = join(binaries, name);
      if (!existsSync(path)) {
        tried.push(`${path}: does not exist`);
        continue;
      }
      try {
        const addon = require(path) as Addon;
        checkVersion(path, addon.version, packageVersion());
        return addon;
      } catch (error) {
        if (error instanceof TorchvaeError) throw error;
        tried.push(`${path}: ${(error as Error).message}`);
      }
    }
  }
  const { platform, arch } = process;
  throw new TorchvaeError(
    'ERR_ADDON',
    [
      `The addon for ${platform}-${arch} could not be loaded. Tried:`,
      ...tried.map((line) => `  ${line}`),
      adviseOn({ platform, arch, glibc: platform === 'linux' ? glibcVersion() : undefined }),
    ].join('\n'),
  );
}

/**
 * What to do on a system where the addon does not load.
 *
 * @internal
 */
export function adviseOn(system: { platform: string; arch: string; glibc: string | undefined }): string {
  const { platform, arch, glibc } = system;
  if (platform === 'linux' && glibc === undefined) {
    return (
      `torchvae and libtorch need glibc ${NEEDED_GLIBC} or newer, but this system has another C library (musl, as in ` +
      'Alpine Linux?). Use a system with glibc, such as the image node:22-slim instead of node:22-alpine.'
    );
  }
  if (platform === 'linux' && !isRecentGlibc(glibc)) {
    return (
      `torchvae and libtorch need glibc ${NEEDED_GLIBC} or newer, but this system has glibc ${glibc}. Use a newer ` +
      'distribution: Debian 10, Ubuntu 20.04, RHEL 8 and what came after them have it.'
    );
  }
  if (platform === 'linux' && arch === 'x64') {
    return `A binary for this system comes with torchvae; ${REINSTALL}`;
  }
  return (
    'Prebuilt binaries exist for linux-x64 with glibc. Elsewhere, build from source: `npx torchvae build`, in a clone ' +
    '`npm run build`'
  );
}

/**
 * The libtorch versions that an engine lies there for, each with the folder of the engine: the first of the folders that
 * has one. So an engine that was built from source stands beside those that came with the package.
 */
function findEngines(folders: readonly string[]): Map<string, string> {
  const engines = new Map<string, string>();
  for (const folder of folders.filter((path) => existsSync(path))) {
    for (const name of readdirSync(folder)) {
      const minor = /^libtorchvae-(\d+\.\d+)\.so$/.exec(name)?.[1];
      if (minor !== undefined && !engines.has(minor)) engines.set(minor, folder);
    }
  }
  if (engines.size > 0) return engines;
  throw new TorchvaeError(
    'ERR_ADDON',
    `Expected an engine named libtorchvae-VERSION.so in ${folders.join(' or ')}; ${REINSTALL}`,
  );
}

/** The files for a version. Where `TORCHVAE_LIBTORCH_ANY_VERSION` lets one pass that has none, opening it will say so. */
function enginePaths(
  engines: ReadonlyMap<string, string>,
  minor: string,
): { engine: string; cudaPart: string } {
  const folder = engines.get(minor) ?? [...engines.values()][0]!;
  return {
    engine: join(folder, `libtorchvae-${minor}.so`),
    cudaPart: join(folder, `libtorchvae_cuda-${minor}.so`),
  };
}

/** Calls into the addon, and turns its errors, which carry a code, into TorchvaeErrors. */
export function callAddon<T>(call: () => T): T {
  try {
    const result = call();
    return types.isPromise(result) ? (result.catch(rethrow) as T) : result;
  } catch (error) {
    return rethrow(error);
  }
}

function rethrow(error: unknown): never {
  throw ofAddon(error);
}

/** An error of the addon, which carries a code, as a TorchvaeError. */
export function ofAddon(error: unknown): unknown {
  const { code, message } = error as { code?: string; message: string };
  const isOurs = typeof code === 'string' && code.startsWith('ERR_');
  return isOurs ? new TorchvaeError(code as ErrorCode, message, { cause: error }) : error;
}
