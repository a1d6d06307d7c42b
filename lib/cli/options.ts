import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { type Dataset, loadDataset } from '../data/index.ts';
import { TorchvaeError } from '../errors.ts';
import { CHECKPOINT_FILE } from '../report/run-directory.ts';

/** A commander parser for an integer of at least `min`. */
export function integer(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= min) return value;
    throw new InvalidArgumentError(`Expected an integer of at least ${min}.`);
  };
}

/** A commander parser for a number of at least 0. */
export function nonNegative(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('Expected a number of at least 0.');
}

/** What `--data` and its companions say. */
export interface DataOptions {
  data: string;
  dataDir?: string;
  count?: number;
  size?: number;
}

/** Help for `--data`, wherever it is offered. */
export const DATA_HELP = 'sprites (built in), mnist, fashion-mnist, or the path of an IDX file';

/** The named data set; `split` matters for those that have one. */
export function openData(options: DataOptions, split: 'train' | 'test'): Promise<Dataset> {
  const sprites = options.data === 'sprites';
  return loadDataset(options.data, {
    split,
    ...(options.dataDir !== undefined && { directory: options.dataDir }),
    ...(sprites && options.size !== undefined && { size: options.size as 28 | 32 | 64 }),
    ...(sprites && split === 'train' && options.count !== undefined && { count: options.count }),
  });
}

/** Whether `--data` names a set with a test split of its own. */
export function hasTestSplit(data: string): boolean {
  return ['sprites', 'mnist', 'fashion-mnist'].includes(data);
}

/**
 * The checkpoint that a RUN argument means: a run directory's, or a file.
 *
 * @throws TorchvaeError ERR_CHECKPOINT when there is none
 */
export function checkpointOf(run: string): string {
  const path = existsSync(run) && statSync(run).isDirectory() ? join(run, CHECKPOINT_FILE) : run;
  if (existsSync(path)) return path;
  throw new TorchvaeError(
    'ERR_CHECKPOINT',
    `Expected a run directory or a checkpoint file but ${path} does not exist; train one with: torchvae train`,
  );
}
