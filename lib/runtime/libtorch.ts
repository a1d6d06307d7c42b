import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../cache.ts';
import { checkOneOf, checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { findNvidiaDriver } from './driver.ts';
import { type Layout, readLayout } from './layout.ts';

/** The libtorch that `torchvae setup` fetches by default. */
export const DEFAULT_LIBTORCH_VERSION = '2.13.0';

/** The libtorch versions that torchvae's sources build against. An engine serves one of them only. */
export const SUPPORTED_MINORS: readonly string[] = ['2.11', '2.12', '2.13', '2.14', '2.15'];

/** A libtorch that was found. */
export interface Libtorch extends Layout {
  /** Who named it: the caller, `TORCHVAE_LIBTORCH`, the cache that `torchvae setup` fills, or Python. */
  source: 'option' | 'environment' | 'cache' | 'python';
}

/** How to look for libtorch. */
export interface FindLibtorchOptions {
  /** A folder with libtorch, or one that holds it as `torch/` or `libtorch/`. Nothing else is tried then. */
  root?: string;
  /**
   * `cuda`: only a libtorch with its CUDA half. `cpu`: any, rather one without. `auto` (default): any, rather with the
   * CUDA half where an NVIDIA driver is.
   */
  build?: 'auto' | 'cpu' | 'cuda';
  /** The versions that will do, such as `['2.13']`; default {@link SUPPORTED_MINORS}. */
  minors?: readonly string[];
}

/** The folder of the cache that `torchvae setup` fills, one folder in it for each libtorch. */
export function libtorchCache(): string {
  return join(cacheDirectory(), 'libtorch');
}

/** The Python interpreters to try, in order: `TORCHVAE_PYTHON` alone where it is set. */
export function pythonCandidates(): string[] {
  const { TORCHVAE_PYTHON } = process.env;
  return TORCHVAE_PYTHON ? [TORCHVAE_PYTHON] : ['python3', 'python'];
}

/** Whether `TORCHVAE_LIBTORCH_ANY_VERSION=1` lifts the version gate, for those who build torchvae themselves. */
export function anyVersionAllowed(): boolean {
  return process.env.TORCHVAE_LIBTORCH_ANY_VERSION === '1';
}

/**
 * Finds libtorch: the explicit folder, else `TORCHVAE_LIBTORCH`, else the cache, else an importable Python torch (which
 * is located, not imported). A folder that was named, by option or variable, is used or refused, never passed over.
 *
 * @throws TorchvaeError ERR_LIBTORCH listing everything tried and what to do; ERR_TYPE or ERR_RANGE for a bad option
 */
export function findLibtorch(options: FindLibtorchOptions = {}): Libtorch {
  checkOptions('options', options, ['root', 'build', 'minors']);
  const build = checkOneOf('build', options.build ?? 'auto', ['auto', 'cpu', 'cuda']);
  const wanted: Wanted = { build, minors: options.minors ?? SUPPORTED_MINORS };
  if (options.root !== undefined) return named(options.root, 'option', 'the option libtorch', wanted);
  const variable = process.env.TORCHVAE_LIBTORCH;
  if (variable) return named(variable, 'environment', 'TORCHVAE_LIBTORCH', wanted);
  const tried = ['the option libtorch: not given', 'the variable TORCHVAE_LIBTORCH: not set'];
  const found = fromCache(wanted, tried) ?? fromPython(wanted, tried);
  if (found) return found;
  throw new TorchvaeError('ERR_LIBTORCH', notFound(wanted, tried));
}

interface Wanted {
  build: 'auto' | 'cpu' | 'cuda';
  minors: readonly string[];
}

function describeWanted({ build, minors }: Wanted): string {
  return `libtorch ${minors.join(', ')}${build === 'cuda' ? ' with CUDA' : ''}`;
}

function notFound(wanted: Wanted, tried: readonly string[]): string {
  return [
    `Expected to find ${describeWanted(wanted)} but found none. Tried:`,
    ...tried.map((line) => `  - ${line}`),
    `What to do: run \`npx torchvae setup${wanted.build === 'cuda' ? ' --build cuda' : ''}\`, which fetches it into the cache, or set TORCHVAE_LIBTORCH to a folder that`,
    'holds its lib/ and include/.',
  ].join('\n');
}

/** Why this libtorch will not do, as one clause; undefined if it will. */
function objection(layout: Layout, { build, minors }: Wanted): string | undefined {
  if (!anyVersionAllowed() && !minors.includes(layout.minor)) {
    // A version that torchvae knows, though this package has no engine for it.
    const remedy = SUPPORTED_MINORS.includes(layout.minor)
      ? ` (\`npx torchvae build --libtorch ${layout.root}\` makes an engine for it)`
      : '';
    return `${layout.root} is version ${layout.version}${remedy}`;
  }
  return build === 'cuda' && !layout.hasCuda ? `${layout.root} has no CUDA half` : undefined;
}

function named(folder: unknown, source: Libtorch['source'], name: string, wanted: Wanted): Libtorch {
  if (typeof folder !== 'string' || folder === '') {
    throw new TorchvaeError('ERR_TYPE', expected('a folder', name, folder));
  }
  const layout = readLayout(folder);
  const problem = typeof layout === 'string' ? layout : objection(layout, wanted);
  if (problem === undefined) return { ...(layout as Layout), source };
  throw new TorchvaeError(
    'ERR_LIBTORCH',
    `Expected ${describeWanted(wanted)} for ${name} but ${problem}. What to do: name a folder that holds lib/ and ` +
      'include/ of such a libtorch, or name none and run `npx torchvae setup`. To try another version regardless, set ' +
      'TORCHVAE_LIBTORCH_ANY_VERSION=1.',
  );
}

function fromCache(wanted: Wanted, tried: string[]): Libtorch | undefined {
  const cache = libtorchCache();
  // Names with a dot are locks and unfinished installs.
  const names = listFolder(cache).filter((name) => !name.startsWith('.'));
  const problems: string[] = [];
  const layouts: Layout[] = [];
  for (const name of names) {
    const layout = readLayout(join(cache, name));
    const problem = typeof layout === 'string' ? layout : objection(layout, wanted);
    if (problem === undefined) layouts.push(layout as Layout);
    else problems.push(problem);
  }
  const wantsCuda = wanted.build === 'cuda' || (wanted.build === 'auto' && findNvidiaDriver() !== undefined);
  const best = layouts.sort((a, b) => compare(rank(b, wantsCuda), rank(a, wantsCuda)))[0];
  if (best) return { ...best, source: 'cache' };
  tried.push(`the cache ${cache}: ${problems.length > 0 ? problems.join('; ') : 'empty'}`);
  return undefined;
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * What makes one libtorch of the cache better than another, the most important first: it is whole, it fits the machine,
 * it is the default version, it is newer.
 */
function rank(layout: Layout, wantsCuda: boolean): number[] {
  const isDefault = DEFAULT_LIBTORCH_VERSION.startsWith(`${layout.minor}.`);
  return [
    Number(!layout.minimal),
    Number(layout.hasCuda === wantsCuda),
    Number(isDefault),
    ...layout.version.split('.').map(Number),
  ];
}

function compare(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((value, i) => value !== b[i]);
  return index < 0 ? 0 : a[index]! - b[index]!;
}

/** Prints the folder of torch. The working directory is taken off the path, or any folder `torch` in it would pass. */
const LOCATE_TORCH = `
import importlib.util, sys
sys.path = [folder for folder in sys.path if folder]
spec = importlib.util.find_spec('torch')
print(spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else '')
`;

function fromPython(wanted: Wanted, tried: string[]): Libtorch | undefined {
  for (const python of pythonCandidates()) {
    const run = spawnSync(python, ['-c', LOCATE_TORCH], { encoding: 'utf8', timeout: 20_000 });
    const folder = run.status === 0 ? run.stdout.trim() : '';
    const layout = folder ? readLayout(folder) : pythonProblem(run);
    const problem = typeof layout === 'string' ? layout : objection(layout, wanted);
    if (problem === undefined) return { ...(layout as Layout), source: 'python' };
    tried.push(`Python's torch (${python}): ${problem}`);
  }
  return undefined;
}

function pythonProblem(run: ReturnType<typeof spawnSync>): string {
  if (run.error)
    return `could not be run (${(run.error as NodeJS.ErrnoException).code ?? run.error.message})`;
  return run.status === 0 ? 'not importable' : `the interpreter ended with ${run.status ?? run.signal}`;
}
