import { isAbsolute } from 'node:path';
import { checkOneOf, checkOptions, defined, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { Dataset, SplitOptions } from './dataset.ts';
import { SPLIT_OPTIONS } from './examples/split.ts';
import { hasSplitFolders, splitPath } from './files/split-folders.ts';
import type { CifarOptions } from './formats/cifar.ts';
import type { CsvOptions } from './formats/csv/reader.ts';
import { formatOf } from './formats/detect.ts';
import type { ImageFolderOptions } from './formats/images/folder.ts';
import { FORMATS } from './formats/list.ts';
import type { NpzOptions } from './formats/npz.ts';
import type { Learnable } from './learnable.ts';
import { only, refuseOthers } from './options.ts';
import type { DataSchema } from './schema.ts';
import { SETS } from './sets/list.ts';
import type { MnistOptions } from './sets/mnist.ts';
import type { SpritesOptions } from './sets/sprites.ts';
import type { TableRowsOptions } from './tables/rows.ts';
import type { TextSchemaOptions } from './text/learner.ts';

/** How tables and texts are read, and made into examples. */
export interface LearnedOptions extends CsvOptions, TableRowsOptions, TextSchemaOptions {
  /**
   * The schema of the training data, for other data that are to become examples in the same way; the options of learning then
   * have no effect, but for `labelColumn` where the training rows had no labels. Default: learned from these data.
   */
  schema?: DataSchema | undefined;
}

/** Options of {@link loadDataset}. Each data set and format takes a part of them, and refuses the others. */
export interface LoadOptions
  extends MnistOptions,
    SpritesOptions,
    NpzOptions,
    CifarOptions,
    LearnedOptions,
    ImageFolderOptions {}

const OPTIONS = ['split', ...[...SETS, ...FORMATS].flatMap(({ options }): readonly string[] => options)];

/**
 * The data set that a name or a path stands for: `sprites`, `mnist`, `fashion-mnist`; a .npy or .npz file; CIFAR's binary version, as a
 * folder or a file; a table (.csv, .tsv, .dat, .data, .txt of numbers, .jsonl, .parquet), or a folder of such files; a folder of images, or a Parquet file of them;
 * lines of text (.txt); or an IDX file of examples. Tables of text, JSON lines, text and IDX files may be compressed with gzip.
 *
 * How a table is written, what its columns are and how pixels are scaled is found in the data; docs/data.md lists what is found, and the
 * options that say otherwise. Images get a channel: 60000 x 28 x 28 elements are examples of [1, 28, 28]. Tables and texts become
 * numbers by a schema learned from all of them, which {@link loadSplit} learns from the training part alone. Of a folder that holds the
 * folders `train` and `test`, or `train` and a validation set, the one that `split` names is loaded.
 *
 * @throws TorchvaeError ERR_RANGE for a name that is neither known nor a path, and for an option of another kind of data; what the
 * data sets throw
 */
export async function loadDataset(nameOrPath: string, options: LoadOptions = {}): Promise<Dataset> {
  const content = await read(nameOrPath, checkOptions('options of loadDataset', options, OPTIONS));
  return 'all' in content ? content.all() : content;
}

/**
 * What {@link loadDataset} loads, divided at random, or in its order if `split.chronological` says so. Means, categories and vocabularies of tables and texts are learned from the
 * training part alone.
 *
 * @throws TorchvaeError what `loadDataset` and `Dataset.split` throw
 */
export async function loadSplit(
  nameOrPath: string,
  split: SplitOptions & { validation: number },
  options: LoadOptions = {},
): Promise<{ train: Dataset; validation: Dataset }> {
  const checked = checkOptions('options of loadSplit', options, OPTIONS);
  const division = checkOptions('split', split, ['validation', ...SPLIT_OPTIONS]);
  return (await read(nameOrPath, checked)).split(division);
}

/**
 * The texts of these columns of the table at a path, by column and row; an empty text where a value is missing.
 *
 * @throws TorchvaeError ERR_RANGE unless it is a table that has these columns; what the reader throws
 */
export async function cellTexts(
  path: string,
  names: readonly string[],
  options: LoadOptions = {},
): Promise<string[][]> {
  const format = await formatOf(path, 'table');
  if (!format?.readTable) {
    const tables = FORMATS.filter(({ readTable }) => readTable).map(({ name }) => name);
    throw new TorchvaeError('ERR_RANGE', expected(`the path of a table: ${tables.join(', ')}`, 'data', path));
  }
  const columns = Object.fromEntries(names.map((name) => [name, 'categorical'] as const));
  const reading = only(defined(options), format.options);
  const table = await format.readTable(path, { ...reading, columns, schema: undefined }, true);
  return names.map((name) => {
    const column = table.columns.find((found) => found.name === name);
    if (column?.type !== 'categorical') return Array<string>(table.length).fill('');
    return Array.from(column.values, (code) => column.categories[code] ?? '');
  });
}

/**
 * The bytes that the examples at a path would take in memory, roughly; undefined for what cannot be streamed, so that the
 * question does not matter.
 *
 * @param imageSize height and width that images are resized to
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT as the readers do
 */
export async function sizeInMemory(
  folderOrFile: string,
  split: 'train' | 'test',
  imageSize?: number,
): Promise<number | undefined> {
  const path = splitPath(folderOrFile, split);
  return (await formatOf(path))?.stream?.sizeInMemory(path, imageSize);
}

/**
 * Whether `split: 'test'` of a name or a path is another data set than its training set: of the named sets, of split folders, of the
 * folders of CIFAR, and of .npz files with an array `x_test`.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT as the readers do
 */
export async function hasTestSet(nameOrPath: string): Promise<boolean> {
  if (SETS.some(({ name }) => name === nameOrPath) || hasSplitFolders(nameOrPath)) return true;
  return (await (await formatOf(nameOrPath))?.hasTestSet?.(nameOrPath)) ?? false;
}

/**
 * The options of {@link loadDataset} that have a meaning for a name or a path.
 *
 * @param schema by which it is to be read, if there is one
 * @throws TorchvaeError ERR_RANGE for a name that is neither known nor a path; ERR_IO, ERR_DATA_FORMAT
 */
export async function optionsOf(nameOrPath: string, schema?: DataSchema): Promise<readonly string[]> {
  const set = SETS.find(({ name }) => name === nameOrPath);
  const found = set ?? (await formatOf(splitPath(nameOrPath), schema?.type));
  if (found) return ['split', ...found.options];
  throw unknownName(nameOrPath);
}

async function read(nameOrPath: string, options: LoadOptions): Promise<Dataset | Learnable> {
  if (typeof nameOrPath !== 'string') {
    throw new TorchvaeError('ERR_TYPE', expected('a name or a path', 'data', nameOrPath));
  }
  const { split } = options;
  if (split !== undefined) checkOneOf('split', split, ['train', 'test']);
  const set = SETS.find(({ name }) => name === nameOrPath);
  if (set) {
    checkTakesSchema(nameOrPath, set.options, options.schema);
    refuseOthers('loadDataset', nameOrPath, options, ['split', ...set.options]);
    return set.load(defined(options));
  }
  const path = splitPath(nameOrPath, split);
  const format = nameOrPath === '' ? undefined : await formatOf(path, options.schema?.type);
  if (format) {
    checkTakesSchema(path, format.options, options.schema);
    refuseOthers('loadDataset', path, options, ['split', ...format.options]);
    return format.read(path, defined(only(options, format.options)));
  }
  throw unknownName(nameOrPath);
}

/** @throws TorchvaeError ERR_TYPE for data that are neither rows nor lines, which the schema is of */
function checkTakesSchema(source: string, options: readonly string[], schema: DataSchema | undefined): void {
  if (!schema || options.includes('schema')) return;
  const wanted = schema.type === 'table' ? 'a table' : 'lines of text';
  throw new TorchvaeError(
    'ERR_TYPE',
    `${source}: expected ${wanted}, as the schema of the training data says, but it holds other data; name another file`,
  );
}

function unknownName(nameOrPath: string): TorchvaeError {
  const names = SETS.map(({ name }) => name).join(', ');
  const message = expected(`a known data set (${names}) or the path of a file or folder`, 'data', nameOrPath);
  const advice =
    nameOrPath === '-'
      ? '; standard input is not read: write it to a file'
      : isAbsolute(nameOrPath)
        ? ''
        : `; it is looked for in ${process.cwd()}`;
  return new TorchvaeError('ERR_RANGE', `${message}, which does not exist${advice}`);
}
