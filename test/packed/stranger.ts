import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { cacheDirectory } from '../../lib/cache.ts';
import { packageFolder } from '../support/command.ts';

/** Where a program lies, without the symbolic links; undefined if there is none of this name. */
function find(program: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const path = folders.map((folder) => join(folder, program)).find((candidate) => existsSync(candidate));
  return path && realpathSync(path);
}

/** A folder and a home of a user who has Node and npm, and neither a compiler nor CMake. */
export class Stranger {
  readonly #root = mkdtempSync(join(tmpdir(), 'torchvae-packed-'));
  /** An empty project. */
  readonly project = join(this.#root, 'project');
  readonly home = join(this.#root, 'home');
  readonly temporary = join(this.#root, 'tmp');
  readonly #programs = join(this.#root, 'bin');

  constructor() {
    for (const folder of [this.project, this.home, this.temporary, this.#programs]) mkdirSync(folder);
    // pip is Python's; npm and npx ask `env` and `sh` to start.
    for (const name of ['node', 'npm', 'npx', 'sh', 'env']) {
      const path = name === 'node' ? process.execPath : find(name);
      if (path) symlinkSync(path, join(this.#programs, name));
    }
  }

  /** Its variables. What others have downloaded already is shared. */
  get variables(): Record<string, string> {
    const caches = {
      TORCHVAE_CACHE: cacheDirectory(),
      npm_config_cache: process.env.npm_config_cache ?? join(homedir(), '.npm'),
    };
    // Registries, proxies and certificates, and which pip to ask; no other variable of ours.
    const kept = Object.entries(process.env).filter(([name]) =>
      /^(npm_config_(registry|cafile|https?_proxy|noproxy)|https?_proxy|no_proxy|(NODE_EXTRA_CA|SSL)_.*|PIP_.*)$/i.test(
        name,
      ),
    );
    const python = process.env.TORCHVAE_PYTHON ?? find('python3');
    return {
      ...Object.fromEntries(kept as [string, string][]),
      ...caches,
      ...(python && { TORCHVAE_PYTHON: python }),
      PATH: this.#programs,
      HOME: this.home,
      TMPDIR: this.temporary,
      LANG: 'C.UTF-8',
    };
  }

  /** Runs a program in the project. */
  run(program: string, args: readonly string[], variables: Record<string, string> = {}) {
    const { status, stdout, stderr, error } = spawnSync(program, args, {
      cwd: this.project,
      env: { ...this.variables, ...variables },
      encoding: 'utf8',
      timeout: 170_000,
    });
    if (error) throw error;
    return { status, stdout, stderr };
  }

  /** The files and folders below `folder`, apart from those that a user makes. */
  names(folder: string): string[] {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/** Packs this package as it would be published, into `folder`. */
export function pack(folder: string): { path: string; files: string[]; size: number; unpackedSize: number } {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: packageFolder, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  const [{ filename, files, size, unpackedSize }] = JSON.parse(stdout);
  return {
    path: join(folder, filename),
    files: files.map(({ path }: { path: string }) => path),
    size,
    unpackedSize,
  };
}
