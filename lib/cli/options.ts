import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { type Dataset, loadDataset } from '../data/index.ts';
import { TorchvaeError } from '../errors.ts';
import { CHECKPOINT_FILE } from '../report/run-directory.ts';

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
  for (const flag of ['count', 'size'] as const) {
    if (sprites || options[flag] === undefined) continue;
    throw new TorchvaeError(
      'ERR_RANGE',
      `--${flag} is for --data sprites; leave it out with --data ${options.data}`,
    );
  }
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
