import { defined, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { Losses } from '../model/losses.ts';

/** The terms of an epoch's loss that curves are drawn of. */
export type LossRecord = Pick<Losses, 'loss' | 'reconstruction' | 'kl' | 'elbo'>;

/** An epoch as a report shows it: an `EpochResult`, or a line of `metrics.jsonl`. */
export interface EpochRecord {
  epoch: number;
  /** Optimizer steps done in all. */
  step: number;
  seconds: number;
  train: LossRecord;
  validation?: LossRecord;
  test?: LossRecord;
  learningRate: number;
  gradientHealth?: {
    layers: readonly { name: string; gradient: number; update: number; weight: number }[];
    norm: number;
    verdict: string;
    layer?: string;
    advice?: string;
  };
  latentHealth?: {
    activeUnits: number;
    meanVariance: ArrayLike<number>;
    klPerDimension: ArrayLike<number>;
    mutualInformation?: number | undefined;
    examples: number;
    alarm?: { degree: string; message: string };
  };
  best?: { epoch: number; value: number; of: string };
  skipped?: number;
  skippedBecause?: string;
}

/** @throws TorchvaeError ERR_TYPE unless `epochs` is an array of epochs */
export function checkEpochs(epochs: readonly EpochRecord[]): readonly EpochRecord[] {
  const isEpoch = (each: Partial<EpochRecord> | null) =>
    typeof each?.epoch === 'number' &&
    typeof each.train === 'object' &&
    each.train !== null &&
    (each.gradientHealth === undefined || Array.isArray(each.gradientHealth?.layers));
  if (Array.isArray(epochs) && epochs.every(isEpoch)) return epochs;
  throw new TorchvaeError('ERR_TYPE', expected('an array of what fit() yielded', 'epochs', epochs));
}

type Json = Record<string, unknown>;

/**
 * The epochs in the lines of `metrics.jsonl`. Lines that are cut short or do not describe an epoch are skipped; a missing or wrong
 * number becomes NaN, which charts leave out.
 */
export function parseEpochs(text: string): EpochRecord[] {
  return text.split('\n').flatMap((line) => {
    const value = parsed(line);
    return value && Number.isSafeInteger(value.epoch) ? [epochOf(value)] : [];
  });
}

function parsed(line: string): Json | undefined {
  try {
    return objectOf(JSON.parse(line));
  } catch {
    return undefined;
  }
}

function epochOf(line: Json): EpochRecord {
  const optional = {
    validation: lossesOf(line.validation),
    test: lossesOf(line.test),
    gradientHealth: gradientHealthOf(objectOf(line.gradientHealth)),
    latentHealth: latentHealthOf(objectOf(line.latentHealth)),
    best: bestOf(objectOf(line.best)),
    skipped: typeof line.skipped === 'number' ? line.skipped : undefined,
    skippedBecause: textOf(line.skippedBecause),
  };
  return {
    epoch: numberOf(line.epoch),
    step: numberOf(line.step),
    seconds: numberOf(line.seconds),
    train: lossesOf(line.train) ?? { loss: NaN, reconstruction: NaN, kl: NaN },
    learningRate: numberOf(line.learningRate),
    ...(defined(optional) as Partial<EpochRecord>),
  };
}

function lossesOf(value: unknown): LossRecord | undefined {
  const losses = objectOf(value);
  return (
    losses && {
      loss: numberOf(losses.loss),
      reconstruction: numberOf(losses.reconstruction),
      kl: numberOf(losses.kl),
      ...(typeof losses.elbo === 'number' && { elbo: losses.elbo }),
    }
  );
}

function gradientHealthOf(value: Json | undefined): EpochRecord['gradientHealth'] {
  if (!value) return undefined;
  const given: unknown[] = Array.isArray(value.layers) ? value.layers : [];
  const layers = given.map(objectOf).filter((layer) => layer !== undefined);
  return {
    layers: layers.map(({ name, gradient, update, weight }) => ({
      name: textOf(name) ?? '',
      gradient: numberOf(gradient),
      update: numberOf(update),
      weight: numberOf(weight),
    })),
    norm: numberOf(value.norm),
    verdict: textOf(value.verdict) ?? '',
    ...(defined({ layer: textOf(value.layer), advice: textOf(value.advice) }) as object),
  };
}

function latentHealthOf(value: Json | undefined): EpochRecord['latentHealth'] {
  if (!value) return undefined;
  const { mutualInformation } = value;
  const alarm = objectOf(value.alarm);
  return {
    activeUnits: numberOf(value.activeUnits),
    meanVariance: numbersOf(value.meanVariance),
    klPerDimension: numbersOf(value.klPerDimension),
    examples: numberOf(value.examples),
    ...(typeof mutualInformation === 'number' && { mutualInformation }),
    ...(alarm && { alarm: { degree: textOf(alarm.degree) ?? '', message: textOf(alarm.message) ?? '' } }),
  };
}

function bestOf(value: Json | undefined): EpochRecord['best'] {
  return value && { epoch: numberOf(value.epoch), value: numberOf(value.value), of: textOf(value.of) ?? '' };
}

/** The value if it is an object; its fields are not checked. */
export function objectOf(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : Number.NaN;
}

/** Earlier runs wrote typed arrays, which JSON turns into objects. */
function numbersOf(value: unknown): number[] {
  return Object.values((value as object | null) ?? {}).map(numberOf);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
