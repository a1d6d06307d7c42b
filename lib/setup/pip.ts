import { spawn } from 'node:child_process';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TorchvaeError } from '../errors.ts';
import { pythonCandidates } from '../runtime/libtorch.ts';
import { type OnProgress, throwIfAborted } from './progress.ts';

/** How to run pip. */
export interface PipOptions {
  /** Called while bytes arrive. */
  onProgress?: OnProgress | undefined;
  /** Stops pip. */
  signal?: AbortSignal | undefined;
}

/** A torch wheel is asked for under this Python where the interpreter's own has none: nothing of Python's is used. */
const OTHER_PYTHON = ['--python-version', '3.12', '--implementation', 'cp', '--abi', 'cp312'];

interface Run {
  code: number | null;
  output: string;
}

/**
 * Downloads wheels into `folder` with `pip download`, so that mirrors, proxies and certificates work as they are
 * configured there, and pip checks the hashes. Dependencies are left out, sources are refused.
 *
 * @param requirements such as `torch==2.13.0`
 * @returns the wheels in the folder
 * @throws TorchvaeError ERR_DOWNLOAD with pip's own words, or if there is no Python with pip; ERR_ABORTED
 */
export async function pipDownload(
  requirements: readonly string[],
  folder: string,
  options: PipOptions = {},
): Promise<string[]> {
  const python = await findPip(options);
  let run = await runPip(python, requirements, folder, [], options);
  if (run.code !== 0 && /No matching distribution/i.test(run.output)) {
    run = await runPip(python, requirements, folder, OTHER_PYTHON, options);
  }
  throwIfAborted(options.signal);
  if (run.code !== 0) throw pipError(python, requirements, run);
  const wheels = (await readdir(folder)).filter((name) => name.endsWith('.whl'));
  return wheels.map((name) => join(folder, name));
}

/** The first interpreter that has pip. */
async function findPip(options: PipOptions): Promise<string> {
  const tried: string[] = [];
  for (const python of pythonCandidates()) {
    const run = await execute(python, ['-m', 'pip', '--version'], process.env, options.signal);
    if (run.code === 0) return python;
    tried.push(`${python}: ${lastLine(run.output)}`);
  }
  throwIfAborted(options.signal);
  throw new TorchvaeError(
    'ERR_DOWNLOAD',
    `Expected a Python interpreter with pip, which downloads libtorch, but found none (${tried.join('; ')}). Set ` +
      'TORCHVAE_PYTHON to one, or fetch a torch wheel or the official libtorch zip another way and run ' +
      '`npx torchvae setup --from FILE`.',
  );
}

async function runPip(
  python: string,
  requirements: readonly string[],
  folder: string,
  platform: readonly string[],
  { onProgress, signal }: PipOptions,
): Promise<Run> {
  // pip's own temporary files stay in the folder: on the same disk, removed with it, and their growth is the progress.
  const temporary = join(folder, 'tmp');
  await mkdir(temporary, { recursive: true });
  const flags = [
    '--no-deps',
    '--only-binary=:all:',
    '--disable-pip-version-check',
    '--no-input',
    '--dest',
    folder,
  ];
  const args = ['-m', 'pip', 'download', ...flags, ...platform, ...requirements];
  const env = { ...process.env, TMPDIR: temporary, TEMP: temporary, TMP: temporary, PYTHONUNBUFFERED: '1' };
  const watch = new Watch(folder, requirements.join(' '), onProgress);
  try {
    return await execute(python, args, env, signal, (text) => watch.read(text));
  } finally {
    watch.stop();
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Turns pip's lines and the growth of its folder into progress; pip's own bar exists on terminals only. */
class Watch {
  readonly #folder: string;
  readonly #onProgress: OnProgress | undefined;
  readonly #timer: NodeJS.Timeout;
  #message: string;
  #bytes = 0;
  #totalBytes = 0;

  constructor(folder: string, what: string, onProgress: OnProgress | undefined) {
    this.#folder = folder;
    this.#message = `Asking pip for ${what}`;
    this.#onProgress = onProgress;
    this.#timer = setInterval(() => void this.#report(), 300);
    onProgress?.({ phase: 'download', message: this.#message });
  }

  read(text: string): void {
    for (const [, name, size, unit] of text.matchAll(
      /(?:Downloading|Using cached) (\S+) \(([\d.]+) ([kMG]?B)\)/g,
    )) {
      this.#message = `Downloading ${name!.split('/').at(-1)}`;
      this.#totalBytes +=
        Number(size) * { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 }[unit as 'B' | 'kB' | 'MB' | 'GB'];
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #report(): Promise<void> {
    if (this.#totalBytes === 0) return;
    // The total is what pip printed, rounded; the folder shrinks for a moment while a wheel is moved.
    const size = Math.min(await folderSize(this.#folder), this.#totalBytes);
    this.#bytes = Math.max(this.#bytes, size);
    const progress = { bytes: this.#bytes, totalBytes: this.#totalBytes };
    this.#onProgress?.({ phase: 'download', message: this.#message, ...progress });
  }
}

/** Bytes in a folder that changes meanwhile. */
async function folderSize(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => [] as string[]);
  const sizes = names.map((name) =>
    stat(join(folder, name)).then(
      (file) => (file.isFile() ? file.size : 0),
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Runs a program to its end; a program that cannot be started ends with code null. */
function execute(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
  onText?: (text: string) => void,
): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'], ...(signal && { signal }) });
    let output = '';
    const read = (text: string) => {
      output += text;
      onText?.(text);
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
    child.on('error', (error) => resolve({ code: null, output: error.message }));
    child.on('close', (code) => resolve({ code, output }));
  });
}

function pipError(python: string, requirements: readonly string[], run: Run): TorchvaeError {
  const words = run.output.trim().split('\n').slice(-8).join('\n');
  return new TorchvaeError(
    'ERR_DOWNLOAD',
    `Could not download ${requirements.join(' ')} with ${python} -m pip, which said:\n${words}\nCheck the network and ` +
      "pip's configuration (`pip config list`), or fetch a torch wheel or the official libtorch zip another way and run " +
      '`npx torchvae setup --from FILE`.',
  );
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
