import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { defined } from '../check.ts';
import {
  type DataSchema,
  type Dataset,
  type LoadOptions,
  loadDataset,
  loadSplit,
  type SplitOptions,
} from '../data/index.ts';
import { TorchvaeError } from '../errors.ts';
import { BEST_FILE, CHECKPOINT_FILE } from '../report/run-directory.ts';
import { type ReadingOptions, readingOptions } from './reading.ts';

/** The values of `--data` and the options beside it. */
export interface DataOptions extends ReadingOptions {
  data: string;
  dataDir?: string;
  count?: number;
  size?: number;
  /** Whether the data are read again in every epoch. */
  stream?: boolean;
  window?: number;
  /** Seconds that a row group may take. */
  timeLimit?: number;
  /** Whether the part that is held out follows the other. */
  chronological?: boolean;
}

/** Help for `--data`, wherever it is offered. */
export const DATA_HELP =
  'sprites (built in), mnist, fashion-mnist, or a path: .npy, .npz, .csv, .jsonl, .parquet, .txt, a folder of tables, images or CIFAR, IDX';

/** Help for `--size`. */
export const SIZE_HELP =
  'sprites: 28, 32 or 64; folders and .parquet files of images: height and width to resize all images to';

/** The named data set for training, of which a share may be held out; tables are learned from the rest alone. */
export async function openTraining(
  options: DataOptions,
  { holdout, seed }: { holdout: number; seed: number },
  schema?: DataSchema,
): Promise<{ data: Dataset; validation?: Dataset }> {
  const load = loadOptions(options, 'train', schema);
  if (holdout === 0) return { data: await loadDataset(options.data, load) };
  const { train, validation } = await loadSplit(options.data, divisionOf(options, { holdout, seed }), load);
  return { data: train, validation };
}

/** How a share is held out. */
export function divisionOf(
  { chronological }: DataOptions,
  { holdout, seed }: { holdout: number; seed: number },
): SplitOptions & { validation: number } {
  return { validation: holdout, seed, ...defined({ chronological }) };
}

/** What `loadDataset` takes. */
export function loadOptions(options: DataOptions, split: 'train' | 'test', schema?: DataSchema): LoadOptions {
  const { data, dataDir, count, size } = options;
  const sprites = data === 'sprites';
  const isFolder = existsSync(data) && statSync(data).isDirectory();
  for (const [flag, given, isMeant, where] of [
    ['count', count, sprites, 'sprites'],
    [
      'size',
      size,
      sprites || isFolder || /\.parquet$/i.test(data),
      'sprites, a folder of images or a .parquet file of them',
    ],
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
 * @throws TorchvaeError ERR_CHECKPOINT when there is none or another file, ERR_RANGE for the best of a file
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
  if (!existsSync(path)) {
    throw new TorchvaeError(
      'ERR_CHECKPOINT',
      `Expected a run directory or a checkpoint file but ${path} does not exist; train one with: torchvae train`,
    );
  }
  if (isOther(path)) {
    throw new TorchvaeError(
      'ERR_CHECKPOINT',
      `Expected a run directory or a checkpoint file but ${path} is another file; if it holds data, look at it with: torchvae train --data ${path} --dry-run`,
    );
  }
  return path;
}

/** Whether a file has neither the name nor the beginning of a checkpoint: eight bytes for the length of what `{` opens. */
function isOther(path: string): boolean {
  if (extname(path).toLowerCase() === '.safetensors' || !statSync(path).isFile()) return false;
  const begin = Buffer.alloc(9);
  const file = openSync(path, 'r');
  try {
    return readSync(file, begin) < begin.length || begin[8] !== '{'.charCodeAt(0);
  } finally {
    closeSync(file);
  }
}
