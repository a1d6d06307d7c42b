import { basename } from 'node:path';
import { checkOneOf, checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { Dataset, SplitOptions } from './dataset.ts';
import { splitPath } from './files/split-folders.ts';
import { readIdx } from './formats/arrays/idx-file.ts';
import { datasetOf } from './formats/arrays/numeric-array.ts';
import { CIFAR_OPTIONS, type CifarOptions, loadCifar } from './formats/cifar.ts';
import { CSV_OPTIONS } from './formats/csv/reader.ts';
import { kindOf, type SourceKind } from './formats/detect.ts';
import { IMAGE_OPTIONS, type ImageFolderOptions, loadImageFolder } from './formats/images/folder.ts';
import { loadNpy, loadNpz, type NpzOptions } from './formats/npz.ts';
import { datasetOfSource, type LearnedOptions, readSource, splitSource } from './learnable.ts';
import { fashionMnist, type MnistOptions, mnist } from './sets/mnist.ts';
import { type SpritesOptions, sprites } from './sets/sprites.ts';
import { TABLE_SCHEMA_OPTIONS } from './tables/schema.ts';
import { TEXT_SCHEMA_OPTIONS } from './text/schema.ts';

export {
  type Binarization,
  type BinarizeOptions,
  type DataKind,
  type DataSchema,
  Dataset,
  type DatasetOptions,
  type Factor,
  type FromOptions,
  type RecordOptions,
  type SplitOptions,
} from './dataset.ts';
export type { Values } from './examples/values.ts';
export { hasSplitFolders } from './files/split-folders.ts';
export { type IdxArray, readIdx } from './formats/arrays/idx-file.ts';
export { type CifarOptions, loadCifar } from './formats/cifar.ts';
export type { CsvOptions } from './formats/csv/reader.ts';
export { type ImageFolderOptions, loadImageFolder } from './formats/images/folder.ts';
export type { NpzOptions } from './formats/npz.ts';
export type { LearnedOptions } from './learnable.ts';
export { sizeInMemory } from './load.ts';
export { Random } from './random.ts';
export { schemaFromJson } from './schema.ts';
export { fashionMnist, type MnistOptions, mnist } from './sets/mnist.ts';
export { type SpritesOptions, sprites } from './sets/sprites.ts';
export { type StreamPathOptions, streamDataset } from './stream.ts';
export { StreamedDataset, type StreamOptions } from './streamed-dataset.ts';
export type { IterableOptions, StreamItems } from './streams/iterable.ts';
export { TableSchema, type TableSchemaJson, type TableSchemaOptions } from './tables/schema.ts';
export type { ColumnType } from './tables/table.ts';
export { TextSchema, type TextSchemaJson, type TextSchemaOptions } from './text/schema.ts';

/** Options of {@link loadDataset}; each data set takes its own part of them. */
export interface LoadOptions
  extends MnistOptions,
    SpritesOptions,
    NpzOptions,
    CifarOptions,
    LearnedOptions,
    ImageFolderOptions {}

const OPTIONS = {
  named: ['split', 'directory', 'download', 'mirrors', 'size', 'count', 'seed'],
  arrays: ['member', 'labelMember'],
  learned: ['schema', ...CSV_OPTIONS, ...TABLE_SCHEMA_OPTIONS, ...TEXT_SCHEMA_OPTIONS],
  images: IMAGE_OPTIONS,
};

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
  cifar: (path, options) => loadCifar(path, only(options, CIFAR_OPTIONS)),
  csv: (path, options) => loadLearned(path, 'csv', options),
  parquet: (path, options) => loadLearned(path, 'parquet', options),
  text: (path, options) => loadLearned(path, 'text', options),
  images: (path, options) => loadImageFolder(path, only(options, IMAGE_OPTIONS)),
  idx: loadIdx,
};

/**
 * The data set that a name or a path stands for: `sprites`, `mnist`, `fashion-mnist`; a .npy or .npz file; CIFAR's binary
 * version, as a folder or a file; a table (.csv, .tsv, .parquet); lines of text (.txt); a folder of images; or an IDX file of
 * examples, compressed or not. Bytes of arrays are pixels (kind `unit`); other numbers are `binary`, `unit` or `real` by their
 * range. Images get a channel: 60000 x 28 x 28 elements are examples of [1, 28, 28]. Tables and texts become numbers by a schema
 * learned from all of them, which {@link loadSplit} learns from the training part alone. Of a folder that holds the folders `train`
 * and `test`, and no others but a validation set, the one that `split` names is loaded.
 *
 * @throws TorchvaeError ERR_RANGE for a name that is neither known nor a path, and what the data sets throw
 */
export async function loadDataset(nameOrPath: string, options: LoadOptions = {}): Promise<Dataset> {
  const checked = checkOptions('options of loadDataset', options, Object.values(OPTIONS).flat());
  const { load, kind, path } = await find(nameOrPath, checked.split);
  return load ? load(checked) : LOADERS[kind](path, checked);
}

/**
 * What {@link loadDataset} loads, divided at random. Means, categories and vocabularies of tables and texts are learned from the
 * training part alone.
 *
 * @throws TorchvaeError what `loadDataset` and `Dataset.split` throw
 */
export async function loadSplit(
  nameOrPath: string,
  split: SplitOptions & { validation: number },
  options: LoadOptions = {},
): Promise<{ train: Dataset; validation: Dataset }> {
  const checked = checkOptions('options of loadSplit', options, Object.values(OPTIONS).flat());
  const division = checkOptions('split', split, ['validation', 'seed', 'stratified']);
  const { load, kind, path } = await find(nameOrPath, checked.split);
  if (load) return (await load(checked)).split(division);
  if (kind !== 'csv' && kind !== 'parquet' && kind !== 'text') {
    return (await LOADERS[kind](path, checked)).split(division);
  }
  const learned = only(checked, OPTIONS.learned);
  return splitSource(await readSource(path, kind, learned), division, learned);
}

type Found =
  | { load: (options: LoadOptions) => Dataset | Promise<Dataset>; kind?: never; path?: never }
  | { load?: never; kind: SourceKind; path: string };

async function find(nameOrPath: string, split: 'train' | 'test' | undefined): Promise<Found> {
  if (typeof nameOrPath !== 'string') {
    throw new TorchvaeError('ERR_TYPE', expected('a name or a path', 'data', nameOrPath));
  }
  if (split !== undefined) checkOneOf('split', split, ['train', 'test']);
  const load = Object.hasOwn(KNOWN, nameOrPath) ? KNOWN[nameOrPath] : undefined;
  if (load) return { load };
  const path = splitPath(nameOrPath, split);
  const kind = nameOrPath === '' ? undefined : await kindOf(path);
  if (kind) return { kind, path };
  const names = Object.keys(KNOWN).join(', ');
  const message = expected(`a known data set (${names}) or the path of a file or folder`, 'data', nameOrPath);
  throw new TorchvaeError('ERR_RANGE', `${message}, which does not exist`);
}

async function loadLearned(
  path: string,
  kind: 'csv' | 'parquet' | 'text',
  options: LoadOptions,
): Promise<Dataset> {
  const learned = only(options, OPTIONS.learned);
  return datasetOfSource(await readSource(path, kind, learned), learned);
}

/** The options with these names. */
function only<T extends object>(options: T, names: readonly string[]): T {
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name))) as T;
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
