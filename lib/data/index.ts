import { basename } from 'node:path';
import { checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { loadNpy, loadNpz, type NpzOptions } from './array-files.ts';
import { type CifarOptions, loadCifar } from './cifar.ts';
import type { Dataset } from './dataset.ts';
import { readIdx } from './idx.ts';
import { kindOf, type SourceKind } from './kind.ts';
import { fashionMnist, type MnistOptions, mnist } from './mnist.ts';
import { datasetOf } from './numeric-array.ts';
import { type SpritesOptions, sprites } from './sprites.ts';

export type { NpzOptions } from './array-files.ts';
export { type CifarOptions, loadCifar } from './cifar.ts';
export {
  type Binarisation,
  type BinariseOptions,
  type DataKind,
  Dataset,
  type DatasetOptions,
  type Factor,
  type FromOptions,
  type SplitOptions,
} from './dataset.ts';
export type { Values } from './dataset-values.ts';
export { type IdxArray, readIdx } from './idx.ts';
export { fashionMnist, type MnistOptions, mnist } from './mnist.ts';
export { Random } from './random.ts';
export { type SpritesOptions, sprites } from './sprites.ts';

/** Options of {@link loadDataset}; each data set takes its own part of them. */
export interface LoadOptions extends MnistOptions, SpritesOptions, NpzOptions, CifarOptions {}

/**
 * The `test` split of sprites. Its images are drawn from a seed far from those that people choose, so that they are
 * other draws than the training images; the 737,280 combinations are few enough that some come in both.
 */
const SPRITES_TEST = { count: 5_000, seedOffset: 2 ** 40 };

const KNOWN: Readonly<Record<string, (options: LoadOptions) => Dataset | Promise<Dataset>>> = {
  sprites: loadSprites,
  mnist: ({ size: _size, count: _count, seed: _seed, ...options }) => mnist(options),
  'fashion-mnist': ({ size: _size, count: _count, seed: _seed, ...options }) => fashionMnist(options),
};

/** How each kind of file is read. */
const LOADERS: Readonly<Record<SourceKind, (path: string, options: LoadOptions) => Promise<Dataset>>> = {
  npy: loadNpy,
  npz: loadNpz,
  cifar: loadCifar,
  idx: loadIdx,
};

/**
 * The data set that a name or a path stands for: `sprites`, `mnist`, `fashion-mnist`; a .npy or .npz file; CIFAR's binary
 * version, as a folder or a file; or an IDX file of examples, compressed or not. Bytes of arrays are pixels (kind `unit`);
 * other numbers are `binary`, `unit` or `real` by their range. Images get a channel: 60000 x 28 x 28 elements are examples of
 * [1, 28, 28].
 *
 * @throws TorchvaeError ERR_RANGE for a name that is neither known nor a path, and what the data sets throw
 */
export async function loadDataset(nameOrPath: string, options: LoadOptions = {}): Promise<Dataset> {
  const known = [
    'split',
    'directory',
    'download',
    'mirrors',
    'size',
    'count',
    'seed',
    'member',
    'labelMember',
  ];
  const checked = checkOptions('options of loadDataset', options, known);
  if (typeof nameOrPath !== 'string') {
    throw new TorchvaeError('ERR_TYPE', expected('a name or a path', 'data', nameOrPath));
  }
  const load = Object.hasOwn(KNOWN, nameOrPath) ? KNOWN[nameOrPath] : undefined;
  if (load) return load(checked);
  const kind = await kindOf(nameOrPath);
  if (kind) return LOADERS[kind](nameOrPath, checked);
  const names = Object.keys(KNOWN).join(', ');
  const message = expected(`a known data set (${names}) or the path of a file or folder`, 'data', nameOrPath);
  throw new TorchvaeError('ERR_RANGE', `${message}, which does not exist`);
}

function loadSprites({ split, size, count, seed = 0 }: LoadOptions): Dataset {
  const test = split === 'test';
  return sprites({
    ...(size !== undefined && { size }),
    ...(count !== undefined ? { count } : test && { count: SPRITES_TEST.count }),
    seed: test && Number.isInteger(seed) ? seed + SPRITES_TEST.seedOffset : seed,
  });
}

async function loadIdx(path: string): Promise<Dataset> {
  return datasetOf(await readIdx(path), { name: basename(path).replace(/\.gz$/, ''), file: path });
}
