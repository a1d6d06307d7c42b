import { type Command, Option } from 'commander';
import { findLibtorch, SUPPORTED_MINORS } from '../runtime/libtorch.ts';
import { formatBytes, type SetupProgress } from '../setup/progress.ts';
import { type SetupOptions, setupLibtorch } from '../setup/setup.ts';

interface Flags {
  version?: string;
  build: 'auto' | 'cpu' | 'cuda';
  from?: string;
  sha256?: string;
  minimal?: boolean;
  force?: boolean;
  ifMissing?: boolean;
}

const HELP = `
libtorch is the C++ library that torchvae computes with: 0.5 GB for the CPU, 4 GB for CUDA. It is fetched once, into the
cache (TORCHVAE_CACHE, by default ~/.cache/torchvae), with the pip of python3 (TORCHVAE_PYTHON names another one), so
mirrors, proxies and certificates are taken from pip's configuration. It is safe to interrupt and to repeat.

Examples:
  $ torchvae setup                          what fits this machine: CUDA with an NVIDIA driver, else CPU
  $ torchvae setup --build cpu              the CPU build, even with a GPU
  $ torchvae setup --version ${SUPPORTED_MINORS.at(-1)}.0         another version, of ${SUPPORTED_MINORS.join(', ')}
  $ torchvae setup --if-missing             in scripts: nothing if a libtorch is found
  $ torchvae setup --from libtorch.zip      a torch wheel or the official libtorch zip on the disk
  $ torchvae setup --build cuda --minimal   to build torchvae's CUDA part on a machine without a GPU

Alternatively, TORCHVAE_LIBTORCH names an existing libtorch, such as the torch folder of a Python environment.
Then: torchvae doctor`;

/** Adds `torchvae setup`. */
export function register(program: Command): void {
  // Or the program's own --version would take this command's.
  program.enablePositionalOptions();
  program
    .command('setup')
    .description('Fetch libtorch into the cache, once.')
    .option('--version <x.y.z>', 'version of libtorch')
    .addOption(
      new Option('--build <build>', 'build to fetch').choices(['auto', 'cpu', 'cuda']).default('auto'),
    )
    .option('--from <file|url>', 'a torch wheel or the official libtorch zip, instead of asking pip')
    .option('--sha256 <hex>', 'the hash that the archive of --from must have')
    .option(
      '--minimal',
      "with --build cuda: leave NVIDIA's run-time libraries out; compiles, but runs on the CPU only",
    )
    .option('--force', 'install again even if it is installed')
    .option('--if-missing', 'do nothing if a libtorch is found')
    .addHelpText('after', HELP)
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  if (flags.ifMissing && isFound(flags)) return;
  const { ifMissing: _, minimal, ...rest } = flags;
  const show = process.stderr.isTTY ? showLine() : showSteps();
  const abort = new AbortController();
  const interrupt = () => abort.abort();
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    const options: SetupOptions = { ...rest, onProgress: show, signal: abort.signal };
    const { libtorch, installed } = await setupLibtorch(
      minimal ? { ...options, runtime: 'minimal' } : options,
    );
    show(undefined);
    const what = `libtorch ${libtorch.version} (${libtorch.build}${libtorch.minimal ? ', minimal' : ''})`;
    console.log(`${what} ${installed ? 'is now' : 'was already'} in ${libtorch.root}`);
  } catch (error) {
    show(undefined);
    throw error;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

function isFound({ build, version }: Flags): boolean {
  try {
    const libtorch = findLibtorch({ build });
    return version === undefined || libtorch.version === version;
  } catch {
    return false;
  }
}

type Show = (progress: SetupProgress | undefined) => void;

function describe({ message, bytes, totalBytes }: SetupProgress): string {
  if (bytes === undefined) return message;
  if (totalBytes === undefined) return `${message}  ${formatBytes(bytes)}`;
  const percent = Math.floor((100 * bytes) / Math.max(totalBytes, 1));
  return `${message}  ${formatBytes(bytes)} of ${formatBytes(totalBytes)}, ${percent} %`;
}

/** On a terminal: one line that is written over, kept once its step is over. */
function showLine(): Show {
  let last: SetupProgress | undefined;
  return (progress) => {
    if (last && last.message !== progress?.message) process.stderr.write('\n');
    if (progress)
      process.stderr.write(`\r\x1b[K${describe(progress).slice(0, (process.stderr.columns || 120) - 1)}`);
    last = progress;
  };
}

/** In a log: one line at the start of each step, and one for each fifth of it. */
function showSteps(): Show {
  let last = '';
  return (progress) => {
    if (!progress) return;
    const { message, bytes = 0, totalBytes = 0 } = progress;
    const step = `${message} ${totalBytes > 0 ? Math.floor((5 * bytes) / totalBytes) : 0}`;
    if (step !== last) process.stderr.write(`${describe(progress)}\n`);
    last = step;
  };
}
