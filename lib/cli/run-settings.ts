import { expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { Precision } from '../model/precision.ts';
import { type PresetName, presetNames } from '../model/presets.ts';
import type { DataOptions } from './options.ts';
import { READING, type ReadingOptions } from './reading.ts';

/** What a run was started with, as its config.json keeps it. */
export interface RunSettings extends DataOptions {
  preset: PresetName;
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
  binarize?: 'threshold' | 'fixed' | 'dynamic';
  /** Assignments to parts of the model and of training. */
  set?: string[];
}

/** How a setting is written, and whether it may change. */
interface Setting {
  /** Of `torchvae train`. */
  flag: string;
  /** The object of config.json that it lies in; none for the outermost. */
  part?: 'data' | 'training';
  /** Its name there, where that is another. */
  name?: string;
  kind: 'preset' | 'text' | 'number' | 'switch' | 'texts';
  /** Whether a resumed run may have another value; all other settings define the run. */
  mayChange?: true;
  isRequired?: true;
}

/** All settings, in the order in which a command names them. */
export const SETTINGS: Readonly<Record<keyof RunSettings, Setting>> = {
  preset: { flag: '--preset', kind: 'preset', isRequired: true },
  data: { flag: '--data', part: 'data', name: 'name', kind: 'text', isRequired: true },
  dataDir: { flag: '--data-dir', part: 'data', name: 'directory', kind: 'text', mayChange: true },
  count: { flag: '--count', part: 'data', kind: 'number' },
  size: { flag: '--size', part: 'data', kind: 'number' },
  ...readingSettings(),
  stream: { flag: '--stream', part: 'data', kind: 'switch' },
  window: { flag: '--window', part: 'data', kind: 'number' },
  timeLimit: { flag: '--time-limit', part: 'data', kind: 'number', mayChange: true },
  testData: { flag: '--test-data', part: 'data', kind: 'text' },
  binarize: { flag: '--binarize', part: 'data', kind: 'text' },
  holdout: { flag: '--holdout', part: 'training', kind: 'number' },
  chronological: { flag: '--chronological', part: 'training', kind: 'switch' },
  epochs: { flag: '--epochs', part: 'training', kind: 'number', mayChange: true, isRequired: true },
  batchSize: { flag: '--batch-size', part: 'training', kind: 'number', mayChange: true, isRequired: true },
  learningRate: {
    flag: '--learning-rate',
    part: 'training',
    kind: 'number',
    mayChange: true,
    isRequired: true,
  },
  patience: { flag: '--patience', part: 'training', kind: 'number', mayChange: true },
  precision: { flag: '--precision', kind: 'text', isRequired: true },
  seed: { flag: '--seed', kind: 'number', isRequired: true },
  set: { flag: '--set', part: 'training', kind: 'texts' },
};

function readingSettings(): Record<keyof ReadingOptions, Setting> {
  const entries = Object.entries(READING).map(([key, { flag, kind }]) => [
    key,
    { flag: flag.split(' ')[0]!, part: 'data', kind },
  ]);
  return Object.fromEntries(entries);
}

const KINDS: Record<Setting['kind'], { what: string; fits: (value: unknown) => boolean }> = {
  preset: {
    what: `one of ${presetNames.join(', ')}`,
    fits: (value) => presetNames.includes(value as PresetName),
  },
  text: { what: 'a string', fits: (value) => typeof value === 'string' },
  number: { what: 'a number', fits: (value) => typeof value === 'number' },
  switch: { what: 'a boolean', fits: (value) => typeof value === 'boolean' },
  texts: {
    what: 'strings',
    fits: (value) => Array.isArray(value) && value.every((entry) => typeof entry === 'string'),
  },
};

type Part = Record<string, unknown>;

/** The settings as config.json has them; switches that are off are left out. */
export function storedSettings(settings: RunSettings): Part & { data: Part; training: Part } {
  const stored: Part & { data: Part; training: Part } = { data: {}, training: {} };
  for (const [key, { part, name = key }] of Object.entries(SETTINGS)) {
    const value = settings[key as keyof RunSettings];
    if (value !== undefined && value !== false) (part ? stored[part] : stored)[name] = value;
  }
  return stored;
}

/** A saved run: its settings, and the size of its data, which a resume compares with the data that it finds. */
export interface SavedRun {
  settings: RunSettings;
  examples: unknown;
  shape: unknown;
  /** All of config.json. */
  config: Record<string, unknown>;
}

/** @throws TorchvaeError ERR_CHECKPOINT for a config.json that is not as `torchvae train` writes it */
export function settingsOf(path: string, config: Record<string, unknown>): SavedRun {
  // The first versions did not write it.
  const whole: Part = { precision: 'float32', ...config };
  const objectIn = (part: string) => (whole[part] ?? {}) as Part;
  const settings: Part = {};
  for (const [key, { part, name = key, kind, isRequired }] of Object.entries(SETTINGS)) {
    const value = (part ? objectIn(part) : whole)[name];
    if (value === undefined && !isRequired) continue;
    const { what, fits } = KINDS[kind];
    if (!fits(value)) {
      throw new TorchvaeError(
        'ERR_CHECKPOINT',
        `${path} has a damaged config.json: ${expected(what, key, value)}`,
      );
    }
    settings[key] = value;
  }
  const { examples, shape } = objectIn('data');
  return { settings: settings as unknown as RunSettings, examples, shape, config };
}
