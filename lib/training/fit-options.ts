import {
  checkBoolean,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkSignal,
  expected,
} from '../check.ts';
import { Dataset } from '../data/dataset.ts';
import { hasReadableRow, readableRows } from '../data/readable.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import { TorchvaeError } from '../errors.ts';
import type { LatentHealth } from '../evaluation/collapse.ts';
import { inClassesOf } from '../model/classes.ts';
import type { Core, Position } from '../model/core.ts';
import { checkData } from '../model/input.ts';
import { refuseInvalid } from '../model/invalid.ts';
import type { Losses } from '../model/losses.ts';
import { noRow } from '../model/odd-rows.ts';
import { checkSameSchema } from '../model/same-schema.ts';
import { type BestEpoch, checkStopping, type EarlyStopping } from './early-stopping.ts';
import { checkStreamable, shuffledWindow } from './feed.ts';
import type { GradientHealth } from './gradient-health.ts';
import { checkSchedule, type LearningRateSchedule } from './learning-rate.ts';
import { checkOptimizer, OPTIMIZER_OPTIONS, type OptimizerOptions } from './optimizer.ts';
import { rankPlace } from './ranks/place.ts';
import { checkShareable } from './ranks/shareable.ts';
import { usualEpochs, usualSchedule } from './usual.ts';

/** How to train. */
export interface FitOptions extends OptimizerOptions {
  /**
   * Epochs to train for, beyond those already done; one that was interrupted counts when it is finished. Default the preset's
   * that the model was made from, else 10; of a small table as many as make 1,000 updates, but at most 200.
   */
  epochs?: number;
  /** Examples per batch; the last batch of an epoch may be smaller. Default the preset's, else 128. */
  batchSize?: number;
  /** Whether each epoch takes the examples in another order, a function of the seed and the epoch's number. Default true. */
  shuffle?: boolean;
  /**
   * How the learning rate changes from there. Default: it does not; of a table it falls to a tenth after seven tenths of `epochs`, since draws keep
   * the table's shares of categories then. A call that trains for what was left of an interrupted one goes on with the schedule of that.
   */
  schedule?: LearningRateSchedule;
  /** Evaluated after every epoch. */
  validation?: Dataset | StreamedDataset;
  /**
   * Ends training when it does not improve any more. The model and its checkpoints remember for how long it has not: one that
   * has stopped trains on only with more patience, or without this option. Default: it does not end early.
   */
  earlyStopping?: EarlyStopping;
  /**
   * How closely gradients are watched: norms of each layer's gradient and update at the last step of every epoch (`epoch`,
   * the default), also with every report of progress (`live`), or never (`off`).
   */
  gradientHealth?: 'off' | 'epoch' | 'live';
  /** Whether the use of z is surveyed after every epoch, over up to 1,000 examples, spread evenly over the validation set. Default false. */
  latentHealth?: boolean;
  /**
   * `auto` trains one model by all processes that a launcher such as torchrun has started, as it tells them by the environment (`RANK`,
   * `WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT`): each takes its part of every batch of `batchSize` examples, and they come to the
   * numbers of one process, but for rounding. All must be given the same model, data and options; each is given each result. A process
   * without these variables trains alone. On the CPU only, and for losses that are means over examples. Default `off`: alone in any case.
   */
  distributed?: 'auto' | 'off';
  /** Seconds that the processes wait for all of them to come. Default 60. */
  distributedTimeout?: number;
  /** Ends training within a step: fit() throws ERR_ABORTED, and the model stays at the last whole step. */
  signal?: AbortSignal;
  /** Called about twenty times a second while training. */
  onProgress?: (progress: StepProgress) => void;
}

/** Where training stands within an epoch; losses are averages over the epoch so far. */
export interface StepProgress extends Losses {
  /** The epoch under way, from 1. */
  epoch: number;
  /** The epoch at which this call of fit() ends. */
  lastEpoch: number;
  /** Steps done in this epoch. */
  stepInEpoch: number;
  stepsPerEpoch: number;
  /** Optimizer steps done in all. */
  step: number;
  stepsPerSecond: number;
  /** Of the step that is to come. */
  learningRate: number;
  /** Of the last step, where gradients are watched live. */
  gradientHealth?: GradientHealth;
  /** By what the processes that train together exchange gradients, such as `NCCL 2.27.3` or `Gloo`; missing for one alone. */
  exchange?: string;
  /** Seconds until this call ends, at the present speed and without validation. */
  secondsLeft: number;
}

/** An epoch that has ended. */
export interface EpochResult {
  /** Epochs done in all. */
  epoch: number;
  /** Optimizer steps done in all. */
  step: number;
  /** Spent on the steps and the validation of this epoch, by this call of fit(). */
  seconds: number;
  /** Averages over the epoch's batches, each taken before its update. */
  train: Losses;
  validation?: Losses;
  /** Of the epoch's last step. */
  learningRate: number;
  /** Of the epoch's last step, unless gradients are not watched. */
  gradientHealth?: GradientHealth;
  /** How much of z is in use, if that is surveyed. */
  latentHealth?: LatentHealth;
  /** The best epoch so far; a caller who keeps the best model saves it where this is the epoch itself. */
  best: BestEpoch;
  /** By what the processes that train together exchange gradients, such as `NCCL 2.27.3` or `Gloo`; missing for one alone. */
  exchange?: string;
  /** Updates that this call left out since a loss or gradient was not finite; missing where there were none. */
  skipped?: number;
  /** Where the first of them ceased to be finite. */
  skippedBecause?: string;
}

/** {@link FitOptions}, checked. */
export type FitSettings = ReturnType<typeof checkFitOptions>;

/**
 * The options with their defaults.
 *
 * @throws TorchvaeError naming the option, or what does not go together
 */
export function checkFitOptions(core: Core, train: Dataset | StreamedDataset, options: FitOptions) {
  const preset = core.trainingSettings;
  const {
    epochs: wantedEpochs,
    batchSize: wantedSize = preset.batchSize ?? 128,
    shuffle = true,
    schedule: wantedSchedule,
    validation,
    earlyStopping,
    gradientHealth = 'epoch',
    latentHealth = false,
    distributed = 'off',
    distributedTimeout = 60,
    signal,
    onProgress,
    ...ofOptimizer
  } = checkOptions('options of fit', options, [
    'epochs',
    'batchSize',
    'shuffle',
    'schedule',
    'validation',
    'earlyStopping',
    'gradientHealth',
    'latentHealth',
    'distributed',
    'distributedTimeout',
    'signal',
    'onProgress',
    ...OPTIMIZER_OPTIONS,
  ]);
  checkBoolean('shuffle', shuffle);
  checkBoolean('latentHealth', latentHealth);
  checkSignal(signal);
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new TorchvaeError('ERR_TYPE', expected('a function', 'onProgress', onProgress));
  }
  checkData('train', train, core.spec);
  if (train instanceof StreamedDataset) refuseInvalid('train', train.name, train.invalid);
  if (core.position.step > 0) checkSameSchema('train', train.schema, core.schema);
  const { spec } = core;
  const classed = validation && inClassesOf('validation', validation, { spec, classes: train.classes });
  // A row that cannot be read says nothing of an epoch, and an infinite one would end the training.
  const judge = classed instanceof Dataset ? readableRows(classed) : classed;
  if (judge instanceof Dataset && !hasReadableRow(judge)) throw noRow(judge);
  if (judge !== undefined) {
    checkData('validation', judge, spec);
    checkSameSchema('validation', judge.schema, train.schema);
  }
  const optimizer = checkOptimizer(ofOptimizer, preset.learningRate);
  const { accumulate } = optimizer.native;
  const batchSize = checkInteger('batchSize', wantedSize, 1, 1 << 20);
  const batching = { batchSize, shuffle, accumulate };
  const usual = usualEpochs(train, preset.epochs, batchSize);
  const epochs = wantedEpochs === undefined ? usual : wantedEpochs;
  const span = spanOf(core.position, checkInteger('epochs', epochs, 0));
  const usualOne = wantedSchedule === undefined ? usualSchedule(train, span) : undefined;
  const window = shuffledWindow(train, batching);
  checkStreamable(core, train, batching);
  const isShared = checkOneOf('distributed', distributed, ['auto', 'off']) === 'auto';
  const place = isShared ? rankPlace() : undefined;
  if (place) checkShareable(core, place.size);
  return {
    epochs,
    span: usualOne && span,
    batching,
    window,
    optimizer,
    schedule: checkSchedule(wantedSchedule ?? usualOne),
    stopping: checkStopping(earlyStopping, judge !== undefined, spec),
    validation: judge,
    gradientHealth: checkOneOf('gradientHealth', gradientHealth, ['off', 'epoch', 'live']),
    latentHealth,
    place,
    meetSeconds: checkNumber('distributedTimeout', distributedTimeout, 1, 86_400),
    signal,
    onProgress,
  };
}

/** The epochs of a call, or of the interrupted one that it finishes. */
function spanOf({ epoch, span }: Position, epochs: number): readonly [first: number, last: number] {
  return span && span[1] === epoch + epochs && span[0] <= epoch ? span : [epoch, epoch + epochs];
}
