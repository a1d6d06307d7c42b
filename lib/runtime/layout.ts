import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** A folder of libtorch, described from its files alone: nothing is opened as a library. */
export interface Layout {
  /** Folder that holds `lib/` and `include/`: a wheel's `torch/` or the official zip's `libtorch/`. Absolute. */
  root: string;
  /** Such as `2.13.0`. */
  version: string;
  /** Such as `2.13`: libtorch's C++ ABI holds within one of these only. */
  minor: string;
  /** What the files are: `cpu`, or the CUDA version they were built for, such as `cu130`. */
  build: string;
  /** Whether the CUDA half (`libtorch_cuda`) is there. */
  hasCuda: boolean;
  /**
   * Whether this is a CUDA build without NVIDIA's run-time libraries (`torchvae setup --minimal`): it compiles and links
   * the CUDA part and runs on the CPU, but `libtorch_cuda` itself cannot be opened.
   */
  minimal: boolean;
  /** Absolute paths in the order to open them: c10, torch_cpu. */
  cpuLibraries: string[];
  /** Absolute paths in the order to open them, after `cpuLibraries`: c10_cuda, torch_cuda; empty without CUDA. */
  cudaLibraries: string[];
}

/** The file that `torchvae setup` leaves beside `torch/`, as the last thing before the folder gets its name. */
export const INSTALL_RECORD = 'torchvae.json';

/** The file name of a shared library on this platform: `torch_cpu` is `libtorch_cpu.so` on Linux. */
export function libraryFile(name: string): string {
  if (process.platform === 'win32') return `${name}.dll`;
  return process.platform === 'darwin' ? `lib${name}.dylib` : `lib${name}.so`;
}

/**
 * Describes the libtorch in `folder`, which may be the root itself or hold it as `torch/` or `libtorch/`.
 *
 * @returns the layout, or one clause that says why there is none, to stand in an error message
 */
export function readLayout(folder: string): Layout | string {
  if (!existsSync(folder)) return `${folder} does not exist`;
  const root = ['.', 'torch', 'libtorch']
    .map((name) => resolve(folder, name))
    .find((candidate) => existsSync(join(candidate, 'lib', libraryFile('torch_cpu'))));
  if (root === undefined) return `${folder} holds no lib/${libraryFile('torch_cpu')}`;
  const full = readVersion(root);
  const match = /^((\d+\.\d+)\.\d+)/.exec(full ?? '');
  if (full === undefined || !match) return `${root} does not say which version it is`;
  const library = (name: string) => join(root, 'lib', libraryFile(name));
  if (!existsSync(library('c10'))) return `${root} holds no lib/${libraryFile('c10')}`;
  const hasCuda = existsSync(library('torch_cuda'));
  return {
    root,
    version: match[1]!,
    minor: match[2]!,
    build: hasCuda ? (full.split('+')[1] ?? 'cuda') : 'cpu',
    hasCuda,
    minimal: hasCuda && isMinimal(root),
    cpuLibraries: [library('c10'), library('torch_cpu')],
    cudaLibraries: hasCuda ? [library('c10_cuda'), library('torch_cuda')] : [],
  };
}

/** The version with its build suffix (`2.13.0+cu130`) from a wheel's version.py, else the zip's build-version, else a header. */
function readVersion(root: string): string | undefined {
  const wheel = parseVersionPy(readText(join(root, 'version.py')));
  if (wheel) return wheel;
  const zip = readText(join(root, 'build-version')).trim();
  if (zip) return zip;
  const headers = ['torch/headeronly/version.h', 'torch/csrc/api/include/torch/version.h'];
  for (const header of headers) {
    const found = /#define TORCH_VERSION "([^"]+)"/.exec(readText(join(root, 'include', header)))?.[1];
    if (found) return found;
  }
  return undefined;
}

/** The version that the text of a wheel's `torch/version.py` states, with its build suffix; undefined if it states none. */
export function parseVersionPy(text: string): string | undefined {
  const version = /^__version__\s*(?::[^=]*)?=\s*'([^']+)'/m.exec(text)?.[1];
  const cuda = /^cuda\s*(?::[^=]*)?=\s*'([^']+)'/m.exec(text)?.[1];
  if (version === undefined || version.includes('+') || cuda === undefined) return version;
  return `${version}+cu${cuda.replaceAll('.', '')}`;
}

function isMinimal(root: string): boolean {
  return /"runtime":\s*"minimal"/.test(readText(join(root, '..', INSTALL_RECORD)));
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
