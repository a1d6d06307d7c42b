import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { checkOneOf, checkOptions, checkSignal, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { ioError, makeDirectory } from '../files.ts';
import { findNvidiaDriver } from '../runtime/driver.ts';
import { INSTALL_RECORD, type Layout, readLayout } from '../runtime/layout.ts';
import {
  anyVersionAllowed,
  DEFAULT_LIBTORCH_VERSION,
  type Libtorch,
  libtorchCache,
  SUPPORTED_MINORS,
} from '../runtime/libtorch.ts';
import { Archive, type Selection } from './archive.ts';
import { type Contents, libtorchFiles, nvidiaFiles, readContents } from './contents.ts';
import { checkSha256, fetchToFile, isUrl } from './fetch.ts';
import { takeLock } from './lock.ts';
import { type NvidiaPart, nvidiaPackages } from './nvidia.ts';
import { pipDownload } from './pip.ts';
import { type OnProgress, throwIfAborted } from './progress.ts';
import { checkSpace, type FreeBytes, freeBytes } from './space.ts';

/** What to set up, and from where. */
export interface SetupOptions {
  /** libtorch's version, such as `2.13.0`; default {@link DEFAULT_LIBTORCH_VERSION}, or with `from`, what is in the archive. */
  version?: string;
  /** `auto` (default): `cuda` where an NVIDIA driver is and the download has it, else `cpu`. */
  build?: 'auto' | 'cpu' | 'cuda';
  /**
   * `minimal` leaves NVIDIA's run-time libraries out of a CUDA build: enough to compile and link torchvae's CUDA part on
   * a machine without a GPU, and to run on its CPU. Default `full`.
   */
  runtime?: 'full' | 'minimal';
  /** A torch wheel or the official libtorch zip: a file, or an `https:` address. Default: pip downloads the wheel. */
  from?: string;
  /** The SHA-256 (hexadecimal) that the archive of `from` must have. */
  sha256?: string;
  /** Installs again what is installed. */
  force?: boolean;
  /** Called with what is going on, several times a second at most. */
  onProgress?: OnProgress;
  /** Ends the setup with ERR_ABORTED, leaving nothing behind. */
  signal?: AbortSignal;
  /** @internal Stands in for the file system's free space in tests. */
  freeBytes?: FreeBytes;
}

/** What `setupLibtorch` did. */
export interface SetupResult {
  /** The libtorch that is now in the cache. */
  libtorch: Libtorch;
  /** False if it was there already. */
  installed: boolean;
}

/** What is being installed: the name of its folder follows from it. */
interface Target {
  version: string;
  cuda: boolean;
  minimal: boolean;
}

/** The most that the disk holds at once, in bytes, measured: what pip downloads is known only afterwards. */
const PEAK: Readonly<Record<NvidiaPart, number>> = { cpu: 1.1e9, minimal: 2.2e9, full: 5e9 };

/**
 * Puts libtorch into the cache. It downloads and unpacks into a temporary folder there, and one rename makes it an
 * installation; an interrupted setup leaves only what the next one removes. Two at once wait for each other. What is
 * installed already is left alone.
 *
 * @throws TorchvaeError ERR_DOWNLOAD for a download or archive that is not whole, ERR_LIBTORCH for one of another version
 * or build than asked, ERR_IO for lack of space or permission, ERR_ABORTED; ERR_TYPE or ERR_RANGE for a bad option
 */
export async function setupLibtorch(options: SetupOptions = {}): Promise<SetupResult> {
  checkSetupOptions(options);
  const ready = options.force ? undefined : readyInstall(options);
  if (ready) return ready;
  const cache = libtorchCache();
  await makeDirectory(cache).catch((cause) => {
    throw ioError('create', cache, cause);
  });
  const release = await takeLock(join(cache, '.lock'), {
    onProgress: options.onProgress,
    signal: options.signal,
  });
  try {
    // Whoever held the lock may have installed the same.
    const other = options.force ? undefined : readyInstall(options);
    return other ?? (await installInto(cache, options));
  } finally {
    await release();
  }
}

function checkSetupOptions(options: SetupOptions): void {
  const { version, build, runtime, from, sha256, signal } = checkOptions('options', options, [
    'version',
    'build',
    'runtime',
    'from',
    'sha256',
    'force',
    'onProgress',
    'signal',
    'freeBytes',
  ]);
  checkSignal(signal);
  if (version !== undefined) checkVersion(version);
  const chosen = checkOneOf('build', build ?? 'auto', ['auto', 'cpu', 'cuda']);
  if (checkOneOf('runtime', runtime ?? 'full', ['full', 'minimal']) === 'minimal' && chosen !== 'cuda') {
    throw new TorchvaeError('ERR_RANGE', expected('cuda (which runtime minimal is for)', 'build', chosen));
  }
  if (from !== undefined && (typeof from !== 'string' || from === '')) {
    throw new TorchvaeError('ERR_TYPE', expected('a file or an https address', 'from', from));
  }
  if (sha256 === undefined) return;
  if (!/^[0-9a-f]{64}$/i.test(sha256)) {
    throw new TorchvaeError('ERR_RANGE', expected('64 hexadecimal digits', 'sha256', sha256));
  }
  if (from === undefined) {
    throw new TorchvaeError(
      'ERR_RANGE',
      'Expected from beside sha256; without it pip checks the hashes itself',
    );
  }
}

function checkVersion(version: string): void {
  if (!/^\d+\.\d+\.\d+$/.test(version)) {
    throw new TorchvaeError(
      'ERR_RANGE',
      expected(`a version such as ${DEFAULT_LIBTORCH_VERSION}`, 'version', version),
    );
  }
  if (anyVersionAllowed() || SUPPORTED_MINORS.includes(version.replace(/\.\d+$/, ''))) return;
  throw new TorchvaeError(
    'ERR_LIBTORCH',
    `Expected libtorch ${SUPPORTED_MINORS.join(', ')} but received version ${version}. Choose one of these, such as ` +
      `${DEFAULT_LIBTORCH_VERSION}; to try another regardless, set TORCHVAE_LIBTORCH_ANY_VERSION=1.`,
  );
}

function folderName({ version, cuda, minimal }: Target): string {
  return `${version}-${cuda ? 'cuda' : 'cpu'}${minimal ? '-minimal' : ''}`;
}

function wantsCuda({ build = 'auto' }: SetupOptions): boolean {
  return build === 'cuda' || (build === 'auto' && findNvidiaDriver() !== undefined);
}

/** The finished installation that the options ask for, if they say enough to know and it is there and sound. */
function readyInstall(options: SetupOptions): SetupResult | undefined {
  const version = options.version ?? (options.from === undefined ? DEFAULT_LIBTORCH_VERSION : undefined);
  if (version === undefined) return undefined;
  return ready({ version, cuda: wantsCuda(options), minimal: options.runtime === 'minimal' });
}

function ready(target: Target): SetupResult | undefined {
  const layout = readLayout(join(libtorchCache(), folderName(target)));
  if (typeof layout === 'string' || !fits(layout, target)) return undefined;
  return { libtorch: { ...layout, source: 'cache' }, installed: false };
}

function fits(layout: Layout, target: Target): boolean {
  return (
    layout.version === target.version && layout.hasCuda === target.cuda && layout.minimal === target.minimal
  );
}

async function installInto(cache: string, options: SetupOptions): Promise<SetupResult> {
  await removeLeftovers(cache);
  const staging = await mkdtemp(join(cache, '.tmp-')).catch((cause) => {
    throw ioError('create a folder in', cache, cause);
  });
  try {
    return await new Installation(cache, staging, options).run();
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** Called with the lock held, so whatever has such a name belongs to no living setup. */
async function removeLeftovers(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (/^\.(tmp|old)-/.test(name)) await rm(join(cache, name), { recursive: true, force: true });
  }
}

/** One setup, from the archive to the rename. */
class Installation {
  readonly #cache: string;
  readonly #staging: string;
  readonly #tree: string;
  readonly #options: SetupOptions;
  readonly #free: FreeBytes;

  constructor(cache: string, staging: string, options: SetupOptions) {
    this.#cache = cache;
    this.#staging = staging;
    this.#tree = join(staging, 'tree');
    this.#options = options;
    this.#free = options.freeBytes ?? freeBytes;
  }

  async run(): Promise<SetupResult> {
    const path = await this.#fetch();
    const archive = await Archive.open(path);
    let target: Target;
    let contents: Contents;
    try {
      contents = await readContents(archive);
      target = this.#target(contents);
      const there = this.#options.force ? undefined : ready(target);
      if (there) return there;
      await this.#unpack(archive, libtorchFiles(target.cuda));
    } finally {
      archive.close();
    }
    // What was downloaded is given back before the next download; a file of the user's is not.
    if (path.startsWith(this.#staging)) await rm(path);
    if (contents.metadata !== undefined && contents.hasCuda) await this.#addNvidia(contents.metadata, target);
    return { libtorch: await this.#place(target), installed: true };
  }

  /** The path of the archive: the user's own, or one in the staging folder. */
  async #fetch(): Promise<string> {
    const { from, sha256, version = DEFAULT_LIBTORCH_VERSION } = this.#options;
    if (from === undefined) {
      await checkSpace(
        this.#cache,
        PEAK[this.#part(wantsCuda(this.#options))],
        'set up libtorch',
        this.#free,
      );
      const [wheel] = await this.#pip([`torch==${version}`]);
      return wheel!;
    }
    const path = isUrl(from) ? join(this.#staging, 'archive.zip') : resolve(from);
    if (isUrl(from)) await fetchToFile(from, path, this.#options);
    else await stat(path).catch((cause) => Promise.reject(ioError('read', path, cause)));
    if (sha256 !== undefined) await checkSha256(path, sha256);
    return path;
  }

  async #pip(requirements: readonly string[]): Promise<string[]> {
    return pipDownload(requirements, await mkdtemp(join(this.#staging, 'pip-')), this.#options);
  }

  #part(cuda: boolean): NvidiaPart {
    if (!cuda) return 'cpu';
    return this.#options.runtime === 'minimal' ? 'minimal' : 'full';
  }

  /** What to make of the archive, which need not hold what was hoped for. */
  #target({ version, hasCuda }: Contents): Target {
    const { version: asked, build = 'auto', runtime, onProgress } = this.#options;
    checkVersion(version);
    if (asked !== undefined && asked !== version) {
      throw new TorchvaeError('ERR_LIBTORCH', `Expected libtorch ${asked} but the archive holds ${version}.`);
    }
    if (build === 'cuda' && !hasCuda) {
      throw new TorchvaeError(
        'ERR_LIBTORCH',
        'Expected a CUDA build of libtorch but the archive holds a CPU build. Pass a CUDA build with --from, point pip at ' +
          'an index that has one, or ask for --build cpu.',
      );
    }
    const cuda = wantsCuda(this.#options);
    if (cuda && !hasCuda) {
      onProgress?.({
        phase: 'note',
        message: 'There is an NVIDIA driver, but this is a CPU build of libtorch',
      });
    }
    return { version, cuda: cuda && hasCuda, minimal: runtime === 'minimal' };
  }

  async #addNvidia(metadata: string, target: Target): Promise<void> {
    const packages = await nvidiaPackages(metadata, this.#part(target.cuda), this.#staging, this.#options);
    if (packages.length === 0) return;
    const wheels = await this.#pip(packages.map(({ requirement }) => requirement));
    for (const wheel of wheels) {
      // A wheel's name is its package's with `_` for `-`, up to the version.
      const name = wheel.split(/[\\/]/).at(-1)!.split('-')[0]!.toLowerCase().replaceAll('_', '-');
      const { files } = packages.find(({ requirement }) => /^[\w-]+/.exec(requirement)?.[0] === name)!;
      const archive = await Archive.open(wheel);
      try {
        await this.#unpack(archive, nvidiaFiles(files));
      } finally {
        archive.close();
      }
      await rm(wheel);
    }
  }

  async #unpack(archive: Archive, pick: Selection): Promise<void> {
    const { onProgress, signal } = this.#options;
    const totalBytes = archive.size(pick);
    await checkSpace(this.#cache, totalBytes, `unpack ${archive.path}`, this.#free);
    const message = `Unpacking ${archive.path.split(/[\\/]/).at(-1)}`;
    let bytes = 0;
    let reported = Number.NEGATIVE_INFINITY;
    await archive.extract(pick, this.#tree, {
      checkpoint: () => throwIfAborted(signal),
      onBytes: (count) => {
        bytes += count;
        if (bytes < totalBytes && performance.now() - reported < 200) return;
        reported = performance.now();
        onProgress?.({ phase: 'unpack', message, bytes, totalBytes });
      },
    });
  }

  /** Gives the finished tree its name. What had that name before is in the way of the rename, so it steps aside first. */
  async #place(target: Target): Promise<Libtorch> {
    const { version, cuda, minimal } = target;
    const record = { version, build: cuda ? 'cuda' : 'cpu', runtime: minimal ? 'minimal' : 'full' };
    await writeFile(join(this.#tree, INSTALL_RECORD), `${JSON.stringify(record, null, 2)}\n`);
    const layout = readLayout(this.#tree);
    if (typeof layout === 'string' || !fits(layout, target)) {
      throw new TorchvaeError(
        'ERR_INTERNAL',
        `Unpacked ${JSON.stringify(layout)} instead of ${folderName(target)}`,
      );
    }
    throwIfAborted(this.#options.signal);
    const final = join(this.#cache, folderName(target));
    const old = join(this.#cache, `.old-${randomBytes(6).toString('hex')}`);
    await rename(final, old).catch(() => {});
    await rename(this.#tree, final).catch(async (cause) => {
      await rename(old, final).catch(() => {});
      throw ioError('create', final, cause);
    });
    await rm(old, { recursive: true, force: true });
    return { ...(readLayout(final) as Layout), source: 'cache' };
  }
}
