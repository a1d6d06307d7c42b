import { existsSync } from 'node:fs';
import { expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { Precision } from '../model/precision.ts';
import { type PresetName, presetNames } from '../model/presets.ts';
import type { RunDirectory } from '../report/run-directory.ts';

/** What a run was started with, as its config.json keeps it. */
export interface RunSettings {
  preset: PresetName;
  data: string;
  dataDir?: string;
  count?: number;
  size?: number;
  labelColumn?: string;
  onMissing?: 'refuse' | 'impute';
  /** Whether the data are read anew in every epoch. */
  stream?: boolean;
  window?: number;
  /** What it is judged by. */
  testData?: string;
  seed: number;
  precision: Precision;
  epochs: number;
  batchSize: number;
  learningRate: number;
  /** Epochs without an improvement after which training ends. */
  patience?: number;
  /** Share of the training data that is held out. */
  holdout?: number;
  binarise?: 'threshold' | 'fixed' | 'dynamic';
  /** Assignments to parts of the model and of training. */
  set?: string[];
}

/** What config.json says beyond the settings, which a resume holds against what it finds. */
export interface SavedRun {
  settings: RunSettings;
  examples: unknown;
  shape: unknown;
  /** All of config.json. */
  config: Record<string, unknown>;
}

/**
 * What the run in this directory was started with.
 *
 * @throws TorchvaeError ERR_CHECKPOINT where there is no run or no checkpoint to go on from, or config.json is damaged
 */
export async function readRun(run: RunDirectory): Promise<SavedRun> {
  if (!existsSync(run.checkpoint)) {
    const what = existsSync(run.path) ? 'it holds no checkpoint' : 'there is no such directory';
    throw new TorchvaeError(
      'ERR_CHECKPOINT',
      `Expected a run to resume in ${run.path} but ${what}; leave --resume out to start one`,
    );
  }
  return settingsOf(run.path, await run.readConfig());
}

/** @throws TorchvaeError ERR_CHECKPOINT for a config.json that is not as `torchvae train` writes it */
export function settingsOf(path: string, config: Record<string, unknown>): SavedRun {
  const { preset, seed, precision = 'float32', data, training } = config;
  const {
    name,
    directory,
    count,
    size,
    labelColumn,
    onMissing,
    stream,
    window,
    testData,
    binarise,
    examples,
    shape,
  } = (data ?? {}) as Record<string, unknown>;
  const { epochs, batchSize, learningRate, patience, holdout, set } = (training ?? {}) as Record<
    string,
    unknown
  >;
  const settings = { preset, data: name, seed, precision, epochs, batchSize, learningRate };
  const optional = {
    dataDir: directory,
    count,
    size,
    labelColumn,
    onMissing,
    stream,
    window,
    testData,
    binarise,
    patience,
    holdout,
    set,
  };
  for (const [key, value] of Object.entries({ ...settings, ...optional })) {
    if (key in optional && value === undefined) continue;
    const isText = [
      'preset',
      'data',
      'dataDir',
      'labelColumn',
      'onMissing',
      'testData',
      'precision',
      'binarise',
    ].includes(key);
    const isList = key === 'set';
    const fits = isList
      ? Array.isArray(value) && value.every((entry) => typeof entry === 'string')
      : typeof value === (isText ? 'string' : key === 'stream' ? 'boolean' : 'number');
    if (fits && (key !== 'preset' || presetNames.includes(value as PresetName))) continue;
    const what =
      key === 'preset'
        ? `one of ${presetNames.join(', ')}`
        : isList
          ? 'strings'
          : isText
            ? 'a string'
            : key === 'stream'
              ? 'a boolean'
              : 'a number';
    throw new TorchvaeError(
      'ERR_CHECKPOINT',
      `${path} has a damaged config.json: ${expected(what, key, value)}`,
    );
  }
  const known = Object.entries({ ...settings, ...optional }).filter(([, value]) => value !== undefined);
  return { settings: Object.fromEntries(known) as unknown as RunSettings, examples, shape, config };
}

/** The flags by which a run is the run it is; the others may change between its parts. */
const FIXED = {
  preset: '--preset',
  data: '--data',
  count: '--count',
  size: '--size',
  labelColumn: '--label-column',
  onMissing: '--on-missing',
  stream: '--stream',
  window: '--window',
  testData: '--test-data',
  seed: '--seed',
  precision: '--precision',
  binarise: '--binarise',
  holdout: '--holdout',
  set: '--set',
} as const;

/** @throws TorchvaeError ERR_STATE for a flag that says otherwise than the run was started with */
export function checkSameRun(run: RunDirectory, saved: RunSettings, given: Partial<RunSettings>): void {
  for (const [key, flag] of Object.entries(FIXED) as [keyof typeof FIXED, string][]) {
    if (given[key] === undefined || String(given[key]) === String(saved[key])) continue;
    throw new TorchvaeError(
      'ERR_STATE',
      `The run in ${run.path} was started with ${flag} ${saved[key] ?? '(not given)'} and cannot be resumed with ` +
        `${flag} ${given[key]}; leave ${flag} out, or start another run in another --out`,
    );
  }
}

/** @throws TorchvaeError ERR_STATE for data that are not as many or not of the shape that the run began with */
export function checkSameData(
  run: RunDirectory,
  { examples, shape }: SavedRun,
  data: { readonly length: number; readonly shape: readonly number[] },
): void {
  if (examples === data.length && String(shape) === String(data.shape)) return;
  throw new TorchvaeError(
    'ERR_STATE',
    `The run in ${run.path} began with ${examples} examples of shape ${String(shape).replaceAll(',', ' x ')} and cannot ` +
      `be resumed with ${data.length} of shape ${data.shape.join(' x ')}; restore its data, or start another run`,
  );
}
