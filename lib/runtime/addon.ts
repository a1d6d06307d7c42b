import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type ErrorCode, TorchvaeError } from '../errors.ts';
import { binaryFolders } from './binaries.ts';
import { findNvidiaDriver } from './driver.ts';
import { findLibtorch, type Libtorch } from './libtorch.ts';
import type { Addon, EngineInfo } from './native.ts';

/** The open engine of this process, and what it was opened from. */
export interface LoadedEngine {
  addon: Addon;
  info: EngineInfo;
  /** What the engine says by now: `gemm` is known when there is a model. */
  describe(): EngineInfo;
  libtorch: Libtorch;
  /** Folder that holds the addon and the engines. */
  binaries: string;
}

/** What to open. */
export interface LoadOptions {
  /** Folder of libtorch; found by `findLibtorch` if not given. Only the first call of a process can choose. */
  libtorch?: string;
  /**
   * `cpu` leaves libtorch's CUDA half closed, which saves a second and 280 MB; `auto` (default) opens it where an NVIDIA
   * driver is.
   */
  device?: 'auto' | 'cpu' | 'cuda';
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
  const { addon, binaries } = loadAddon();
  const libtorch = findLibtorch({
    ...(options.libtorch !== undefined && { root: options.libtorch }),
    ...(options.device && { build: options.device }),
    minors: engineMinors(binaries),
  });
  const wantsCuda =
    options.device !== 'cpu' && libtorch.hasCuda && !libtorch.minimal && findNvidiaDriver() !== undefined;
  const cudaPart = join(binaries, `libtorchvae_cuda-${libtorch.minor}.so`);
  const describe = () =>
    addon.open({
      libtorch: [...libtorch.cpuLibraries, ...(wantsCuda ? libtorch.cudaLibraries : [])],
      engine: join(binaries, `libtorchvae-${libtorch.minor}.so`),
      ...(wantsCuda && existsSync(cudaPart) && { cudaPart }),
    });
  loaded = { addon, info: callAddon(describe), describe, libtorch, binaries };
  return loaded;
}

/** A process has one libtorch for good: asking for another is refused, not passed over. */
function sameLibtorch(engine: LoadedEngine, folder: string | undefined): LoadedEngine {
  if (folder === undefined || findLibtorch({ root: folder }).root === engine.libtorch.root) return engine;
  throw new TorchvaeError(
    'ERR_STATE',
    `Expected the libtorch that this process already uses (${engine.libtorch.root}) for libtorch but received ${folder}; ` +
      'start another process for another libtorch',
  );
}

function loadAddon(): { addon: Addon; binaries: string } {
  const require = createRequire(import.meta.url);
  const tried: string[] = [];
  for (const binaries of binaryFolders()) {
    for (const name of ['torchvae.node', 'torchvae.glibc.node']) {
      const path = join(binaries, name);
      if (!existsSync(path)) {
        tried.push(`${path}: does not exist`);
        continue;
      }
      try {
        return { addon: require(path) as Addon, binaries };
      } catch (error) {
        tried.push(`${path}: ${(error as Error).message}`);
      }
    }
  }
  throw new TorchvaeError(
    'ERR_ADDON',
    [
      `The addon for ${process.platform}-${process.arch} could not be loaded. Tried:`,
      ...tried.map((line) => `  ${line}`),
      'Prebuilt binaries exist for linux-x64 with glibc. Elsewhere, build from source in a clone: npm run build',
    ].join('\n'),
  );
}

/** The libtorch versions that an engine lies there for. */
function engineMinors(binaries: string): string[] {
  const minors = readdirSync(binaries)
    .map((name) => /^libtorchvae-(\d+\.\d+)\.so$/.exec(name)?.[1])
    .filter((minor) => minor !== undefined);
  if (minors.length > 0) return minors;
  throw new TorchvaeError(
    'ERR_ADDON',
    `Expected an engine named libtorchvae-VERSION.so in ${binaries}; reinstall torchvae or run: npm run build`,
  );
}

/** Calls into the addon, and turns its errors, which carry a code, into TorchvaeErrors. */
export function callAddon<T>(call: () => T): T {
  try {
    const result = call();
    return result instanceof Promise ? (result.catch(rethrow) as T) : result;
  } catch (error) {
    return rethrow(error);
  }
}

function rethrow(error: unknown): never {
  const { code, message } = error as { code?: string; message: string };
  if (typeof code === 'string' && code.startsWith('ERR_')) {
    throw new TorchvaeError(code as ErrorCode, message, { cause: error });
  }
  throw error;
}
