import { defined } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { Precision } from '../model/precision.ts';
import { type PresetName, preset } from '../model/presets.ts';
import { nearest } from '../nearest.ts';
import { FIT_KEYS, MODEL_KEYS } from '../training/overrides.ts';
import type { Json, Values } from './space/parameter.ts';

/** Names of settings that an editor offers and messages suggest; others lead further into the same objects. */
export const SETTING_NAMES = [
  'beta',
  'preset',
  'precision',
  'epochs',
  'batchSize',
  'learningRate',
  'latentSize',
  'objective.type',
  'objective.beta',
  'objective.freeBits',
  'objective.warmup.steps',
  'posterior.type',
  'prior.type',
  'likelihood.type',
  'likelihood.sigma',
  'encoder.hidden',
  'encoder.activation',
  'decoder.hidden',
  'optimizer.type',
  'optimizer.weightDecay',
  'clip.norm',
  'penalty.l1',
  'penalty.l2',
  'averageWeights',
] as const;
/** A setting that an editor offers as a parameter's name; a space may name any other. */
export type SettingName = (typeof SETTING_NAMES)[number];

/** Settings that are not parts of the model or of training's options. */
const PLAIN = ['preset', 'precision', 'epochs', 'batchSize', 'learningRate'] as const;
/** Short names. */
const ALIASES: Readonly<Record<string, string>> = { beta: 'objective.beta' };

/** Whole settings of one training, as `torchvae train` takes them. */
export interface TrialSettings {
  preset: PresetName;
  precision: Precision;
  epochs: number;
  batchSize: number;
  learningRate: number;
  /** `KEY=VALUE` for parts of the model and of training. */
  set: string[];
}

/** What all trials share; the preset's training settings fill in what is missing. */
export type BaseSettings = Partial<TrialSettings> & Pick<TrialSettings, 'preset'>;

/** @throws TorchvaeError ERR_RANGE for a name that does not begin with a setting, naming the nearest */
export function checkSettingName(name: string, label = 'space'): void {
  const first = name.split('.')[0]!;
  const known: string[] = [...PLAIN, ...Object.keys(ALIASES), ...MODEL_KEYS, ...FIT_KEYS];
  const isPlain = name in ALIASES || (PLAIN as readonly string[]).includes(name);
  const isPart = MODEL_KEYS.includes(first) || FIT_KEYS.includes(first);
  if (isPlain || (isPart && !/(^|\.)(__proto__)?(\.|$)|=/.test(name))) return;
  const meant = nearest(name, [...known, ...SETTING_NAMES]) ?? nearest(first, known);
  throw new TorchvaeError(
    'ERR_RANGE',
    `Expected a setting for ${label} but received ${name}; settings are ${known.join(', ')}, and parts of these such as ` +
      `optimizer.type${meant === undefined ? '' : `; did you mean ${meant}?`}`,
  );
}

/**
 * What all trials share, from settings by the names that a space has.
 *
 * @throws TorchvaeError ERR_RANGE for an unknown name
 */
export function baseOf(preset: PresetName, settings: Readonly<Record<string, Json>>): BaseSettings {
  const entries = Object.entries(defined(settings)) as [string, Json][];
  for (const [name] of entries) checkSettingName(name, 'settings');
  const isPlain = ([name]: [string, Json]) => (PLAIN as readonly string[]).includes(name);
  return {
    preset,
    ...Object.fromEntries(entries.filter(isPlain)),
    set: entries.filter((entry) => !isPlain(entry)).map(([name, value]) => assignment(name, value)),
  };
}

/** The settings of a trial: what all share, with its values put in. */
export function settle(base: BaseSettings, values: Values): TrialSettings {
  const plain: Record<string, Json> = {};
  const set = [...(base.set ?? [])];
  for (const [name, value] of Object.entries(values)) {
    if ((PLAIN as readonly string[]).includes(name)) plain[name] = value;
    else set.push(assignment(name, value));
  }
  const whole = { ...base, ...plain } as BaseSettings;
  return { precision: 'float32', ...preset(whole.preset).training, ...whole, set };
}

/** `KEY=VALUE` of a setting, as `torchvae train --set` takes it. */
export function assignment(name: string, value: Json): string {
  const isWord = typeof value === 'string' && /^[A-Za-z][\w-]*$/.test(value);
  const isPlainWord = isWord && !['true', 'false', 'null'].includes(value);
  return `${ALIASES[name] ?? name}=${isPlainWord ? value : JSON.stringify(value)}`;
}
