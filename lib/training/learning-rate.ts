import { checkInteger, checkNumber, checkOneOf, checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { Plateau } from '../model/core.ts';

/**
 * How the learning rate changes; epochs are counted from 0, in the meanings of `torch.optim.lr_scheduler`.
 *
 * - `step`: times `factor` (default 0.1) every `every` epochs;
 * - `multistep`: times `factor` (default 0.1) at each of the epochs `at`;
 * - `cosine`: along half a cosine, step by step, down to `final` (default 0) at epoch `epochs`, and there from then on
 *   (Loshchilov and Hutter 2017);
 * - `plateau`: times `factor` (default 0.1) when the loss, the validation's where there is one, has not fallen by the share
 *   `threshold` (default 1e-4) for more than `patience` (default 10) epochs; never below `lowest` (default 0).
 *
 * `warmup` is the number of optimizer steps over which the rate first rises evenly from nearly 0; default 0.
 */
export type LearningRateSchedule = { warmup?: number } & (
  | { type: 'constant' }
  | { type: 'step'; every: number; factor?: number }
  | { type: 'multistep'; at: readonly number[]; factor?: number }
  | { type: 'cosine'; epochs: number; final?: number }
  | { type: 'plateau'; factor?: number; patience?: number; threshold?: number; lowest?: number }
);

type Complete<T> = T extends unknown ? Required<T> : never;
/** A {@link LearningRateSchedule} with its defaults. */
export type CompleteSchedule = Complete<LearningRateSchedule>;

const KEYS = {
  constant: [],
  step: ['every', 'factor'],
  multistep: ['at', 'factor'],
  cosine: ['epochs', 'final'],
  plateau: ['factor', 'patience', 'threshold', 'lowest'],
} as const;

/** @throws TorchvaeError ERR_TYPE, ERR_RANGE naming the setting */
export function checkSchedule(given: LearningRateSchedule | undefined): CompleteSchedule {
  if (given === undefined) return { type: 'constant', warmup: 0 };
  if (typeof given !== 'object' || given === null) {
    throw new TorchvaeError('ERR_TYPE', expected('an object', 'options.schedule of fit', given));
  }
  const type = checkOneOf('schedule.type', given.type, Object.keys(KEYS) as (keyof typeof KEYS)[]);
  const options = checkOptions('options.schedule of fit', given, ['type', 'warmup', ...KEYS[type]]);
  const warmup = checkInteger('schedule.warmup', options.warmup ?? 0, 0, 2 ** 40);
  switch (options.type) {
    case 'constant':
      return { type: 'constant', warmup };
    case 'step':
      return {
        type: 'step',
        warmup,
        every: checkInteger('schedule.every', options.every, 1),
        factor: factorOf(options.factor),
      };
    case 'multistep':
      return { type: 'multistep', warmup, at: checkEpochs(options.at), factor: factorOf(options.factor) };
    case 'cosine':
      return {
        type: 'cosine',
        warmup,
        epochs: checkInteger('schedule.epochs', options.epochs, 1),
        final: checkNumber('schedule.final', options.final ?? 0, 0, 1e3),
      };
    case 'plateau':
      return {
        type: 'plateau',
        warmup,
        factor: factorOf(options.factor),
        patience: checkInteger('schedule.patience', options.patience ?? 10, 0),
        threshold: checkNumber('schedule.threshold', options.threshold ?? 1e-4, 0, 1),
        lowest: checkNumber('schedule.lowest', options.lowest ?? 0, 0, 1e3),
      };
  }
}

function factorOf(value: number | undefined): number {
  return checkNumber('schedule.factor', value ?? 0.1, 0, 1);
}

function checkEpochs(at: unknown): readonly number[] {
  if (!Array.isArray(at) || at.length === 0) {
    throw new TorchvaeError('ERR_TYPE', expected('an array of epochs', 'schedule.at', at));
  }
  return Array.from(at, (epoch, i) => checkInteger(`schedule.at[${i}]`, epoch, 0)).sort((a, b) => a - b);
}

/** Where a step stands. */
export interface StepPlace {
  /** Whole epochs done. */
  epoch: number;
  stepInEpoch: number;
  stepsPerEpoch: number;
  /** Optimizer steps done in all. */
  step: number;
}

/** Whether the learning rate is that of this step for the rest of the epoch. */
export function isSteadyRate(schedule: CompleteSchedule, step: number): boolean {
  return schedule.type !== 'cosine' && step >= schedule.warmup;
}

/** The learning rate of the step that comes next. */
export function learningRateAt(
  schedule: CompleteSchedule,
  base: number,
  { epoch, stepInEpoch, stepsPerEpoch, step }: StepPlace,
  plateau: Plateau | undefined,
): number {
  const warm = Math.min(1, (step + 1) / (schedule.warmup + 1));
  switch (schedule.type) {
    case 'constant':
      return base * warm;
    case 'step':
      return base * warm * schedule.factor ** Math.floor(epoch / schedule.every);
    case 'multistep':
      return base * warm * schedule.factor ** schedule.at.filter((at) => at <= epoch).length;
    case 'cosine': {
      const done = Math.min(1, (epoch + stepInEpoch / stepsPerEpoch) / schedule.epochs);
      return warm * (schedule.final + ((base - schedule.final) * (1 + Math.cos(Math.PI * done))) / 2);
    }
    case 'plateau':
      return warm * Math.max(Math.min(base, schedule.lowest), base * (plateau?.scale ?? 1));
  }
}

/** The state of a `plateau` schedule after an epoch with this loss. */
export function notePlateau(
  schedule: CompleteSchedule,
  plateau: Plateau | undefined,
  loss: number,
): Plateau | undefined {
  if (schedule.type !== 'plateau') return plateau;
  const { best, waited, scale } = plateau ?? { best: Infinity, waited: 0, scale: 1 };
  // The loss of a density may be below 0: the share is of its magnitude.
  const falls = best === Infinity || loss < best - schedule.threshold * Math.abs(best);
  if (falls) return { best: loss, waited: 0, scale };
  return waited + 1 > schedule.patience
    ? { best, waited: 0, scale: scale * schedule.factor }
    : { best, waited: waited + 1, scale };
}
