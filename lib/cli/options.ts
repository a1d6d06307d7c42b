import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { defined } from '../check.ts';
import {
  type ColumnType,
  type DataSchema,
  type Dataset,
  type LoadOptions,
  loadDataset,
  loadSplit,
} from '../data/index.ts';
import { TorchvaeError } from '../errors.ts';
import { BEST_FILE, CHECKPOINT_FILE } from '../report/run-directory.ts';

/** A commander parser for an integer from `min` to `max`. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected an integer ${range}.`);
  };
}

/** A commander parser for a number from 0 to `max`. */
export function nonNegative(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= 0 && value <= max) return value;
    throw new InvalidArgumentError(`Expected a number from 0 to ${max}.`);
  };
}

/** A commander parser for a share: above 0 and below 1. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value < 1) return value;
  throw new InvalidArgumentError('Expected a number above 0 and below 1.');
}

/** A commander parser for an option that may be repeated. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** The values of `--data` and the options beside it. */
export interface DataOptions {
  data: string;
  dataDir?: string;
  count?: number;
  size?: number;
  labelColumn?: string;
  onMissing?: 'refuse' | 'impute';
  /** `NAME=TYPE`, one for each column whose type is said. */
  column?: string[];
  delimiter?: string;
  decimal?: '.' | ',';
  header?: 'yes' | 'no';
  missing?: string[];
  level?: 'character' | 'word';
  length?: number;
  vocabulary?: number;
  /** Whether the data are read again in every epoch. */
  stream?: boolean;
  window?: number;
}

/** Help for `--data`, wherever it is offered. */
export const DATA_HELP =
  'sprites (built in), mnist, fashion-mnist, or a path: .npy, .npz, .csv, .jsonl, .parquet, .txt, a folder of images or of CIFAR, IDX';

/** Help for `--size`. */
export const SIZE_HELP = 'sprites: 28, 32 or 64; folders of images: height and width to resize all images to';

/** Adds the options that tables need to be read for training. */
export function addTableOptions(command: Command): Command {
  return command
    .option('--label-column <name>', 'tables: the column that holds the labels')
    .addOption(
      new Option(
        '--on-missing <what>',
        'tables: refuse missing values or fill them in; default refuse',
      ).choices(['refuse', 'impute']),
    )
    .option(
      '--column <name=type>',
      'tables: a column is numeric, categorical, date or to be ignored (ignore); may be repeated',
      collect,
    )
    .option('--delimiter <character>', 'tables of text: what stands between cells')
    .addOption(new Option('--decimal <character>', 'tables of text: of numbers').choices(['.', ',']))
    .addOption(
      new Option('--header <answer>', 'tables of text: whether the first row names the columns').choices([
        'yes',
        'no',
      ]),
    )
    .option(
      '--missing <text>',
      'tables of text: a text that stands for a missing value; may be repeated',
      collect,
    )
    .addOption(
      new Option('--level <name>', 'text: what a token is; default character').choices(['character', 'word']),
    )
    .option('--length <n>', 'text: tokens of an example; default those of the longest line', integer(1))
    .option('--vocabulary <n>', 'text: most frequent tokens that are kept; default 10000', integer(1));
}

/** The types that `--column` gives. */
function columnTypes(given: readonly string[]): Record<string, ColumnType> {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.lastIndexOf('=');
      if (at > 0) return [text.slice(0, at), text.slice(at + 1) as ColumnType];
      throw new TorchvaeError('ERR_RANGE', `Expected NAME=TYPE for --column but received ${text}`);
    }),
  );
}

/** Reading options that have the same meaning in the API; it refuses those of other formats. */
function readingOptions({
  column,
  delimiter,
  decimal,
  header,
  missing,
  level,
  length,
  vocabulary,
}: DataOptions) {
  return defined({
    columns: column && columnTypes(column),
    delimiter,
    decimal,
    header: header && header === 'yes',
    missing,
    level,
    length,
    vocabularySize: vocabulary,
  });
}

/** The named data set; `split` matters for those that have one, `schema` is that of the model's training data. */
export function openData(
  options: DataOptions,
  split: 'train' | 'test',
  schema?: DataSchema,
): Promise<Dataset> {
  return loadDataset(options.data, loadOptions(options, split, schema));
}

/** The named data set for training, of which a share may be held out; tables are learned from the rest alone. */
export async function openTraining(
  options: DataOptions,
  { holdout, seed }: { holdout: number; seed: number },
  schema?: DataSchema,
): Promise<{ data: Dataset; validation?: Dataset }> {
  const load = loadOptions(options, 'train', schema);
  if (holdout === 0) return { data: await loadDataset(options.data, load) };
  const { train, validation } = await loadSplit(options.data, { validation: holdout, seed }, load);
  return { data: train, validation };
}

/** What `loadDataset` takes. */
export function loadOptions(options: DataOptions, split: 'train' | 'test', schema?: DataSchema): LoadOptions {
  const { data, dataDir, count, size, labelColumn, onMissing } = options;
  const sprites = data === 'sprites';
  const isFolder = existsSync(data) && statSync(data).isDirectory();
  const isTable = /\.(csv|tsv|dat|data|txt|jsonl|ndjson|parquet)(\.gz)?$/i.test(data);
  for (const [flag, given, isMeant, where] of [
    ['count', count, sprites, 'sprites'],
    ['size', size, sprites || isFolder, 'sprites or a folder of images'],
    ['label-column', labelColumn, isTable, 'a table'],
    ['on-missing', onMissing, isTable || schema?.type === 'table', 'a table'],
  ] as const) {
    if (isMeant || given === undefined) continue;
    throw new TorchvaeError(
      'ERR_RANGE',
      `--${flag} is for --data ${where}; leave it out with --data ${data}`,
    );
  }
  return {
    split,
    ...(dataDir !== undefined && { directory: dataDir }),
    ...(sprites && size !== undefined && { size: size as 28 | 32 | 64 }),
    ...(!sprites && size !== undefined && { imageSize: size }),
    ...(sprites && split === 'train' && count !== undefined && { count }),
    ...(labelColumn !== undefined && { labelColumn }),
    ...(onMissing !== undefined && { onMissing }),
    ...readingOptions(options),
    ...(schema && { schema }),
  };
}

/** Whether `--data` is the name of a built-in data set rather than a path. */
export function isNamed(data: string): boolean {
  return ['sprites', 'mnist', 'fashion-mnist'].includes(data);
}

/** Help for `--best`. */
export const BEST_HELP = "the weights of the run's best epoch instead of its last one";

/**
 * The checkpoint that a RUN argument means: a run directory's, that of its last epoch or of its best, or a file.
 *
 * @throws TorchvaeError ERR_CHECKPOINT when there is none, ERR_RANGE for the best of a file
 */
export function checkpointOf(run: string, best = false): string {
  const isDirectory = existsSync(run) && statSync(run).isDirectory();
  if (best && !isDirectory && existsSync(run)) {
    throw new TorchvaeError(
      'ERR_RANGE',
      `--best is for a run directory, but ${run} is a file; leave --best out`,
    );
  }
  const path = isDirectory ? join(run, best ? BEST_FILE : CHECKPOINT_FILE) : run;
  if (existsSync(path)) return path;
  throw new TorchvaeError(
    'ERR_CHECKPOINT',
    `Expected a run directory or a checkpoint file but ${path} does not exist; train one with: torchvae train`,
  );
}
