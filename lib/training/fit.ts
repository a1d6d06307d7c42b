import { checkBoolean, checkInteger, checkNumber, checkOneOf, checkOptions, expected } from '../check.ts';
import type { Dataset } from '../data/dataset.ts';
import { spread } from '../data/spread.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import { TorchvaeError } from '../errors.ts';
import { type LatentHealth, surveyLatents } from '../evaluation/collapse.ts';
import { inClassesOf } from '../model/classes.ts';
import type { Core, Position } from '../model/core.ts';
import { checkData } from '../model/input.ts';
import { type Losses, toLosses } from '../model/losses.ts';
import { checkSameSchema } from '../model/same-schema.ts';
import type { RanksHandle, TrainResult } from '../runtime/native.ts';
import { type BestEpoch, checkStopping, type EarlyStopping, hasStopped, noteBest } from './early-stopping.ts';
import { checkStreamable, type Feed, openFeed, shuffledWindow, type Window } from './feed.ts';
import { describeFaults, type GradientHealth, judgeGradients, LossWatch } from './gradient-health.ts';
import { checkSchedule, type LearningRateSchedule, learningRateAt, notePlateau } from './learning-rate.ts';
import { allSkipped, nonFinite } from './non-finite.ts';
import {
  checkOptimizer,
  checkSameOptimizer,
  OPTIMIZER_OPTIONS,
  type OptimizerOptions,
  updatesIn,
} from './optimizer.ts';
import { factsOf } from './ranks/facts.ts';
import { rankPlace } from './ranks/place.ts';
import { joinRanks, type Ranks } from './ranks/ranks.ts';
import { checkShareable } from './ranks/shareable.ts';
import { betaAt, weightsAt } from './schedule.ts';
import { betaNow, evaluate, lastStep, throwIfAborted } from './validation.ts';

/** How to train. */
export interface FitOptions extends OptimizerOptions {
  /**
   * Epochs to train for, beyond those already done; one that was interrupted counts when it is finished. Default the preset's
   * that the model was made from, else 10.
   */
  epochs?: number;
  /** Examples per batch; the last batch of an epoch may be smaller. Default the preset's, else 128. */
  batchSize?: number;
  /** Whether each epoch takes the examples in another order, a function of the seed and the epoch's number. Default true. */
  shuffle?: boolean;
  /** How the learning rate changes from there. Default: it does not. */
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
  /** Updates that this call left out since a loss or gradient was not finite; missing where there were none. */
  skipped?: number;
  /** Where the first of them ceased to be finite. */
  skippedBecause?: string;
}

/** The length of a chunk that is aimed at, in seconds: often enough to show, seldom enough to cost nothing. */
const CHUNK_SECONDS = 0.05;

/** Examples that a survey of z is made over after an epoch. */
const SURVEYED = 1000;

type Settings = ReturnType<typeof checkFitOptions>;
/** With the processes that train together, where there are several. */
type Shared = Settings & { ranks: RanksHandle | undefined };

function checkFitOptions(core: Core, train: Dataset | StreamedDataset, options: FitOptions) {
  const preset = core.trainingSettings;
  const {
    epochs = preset.epochs ?? 10,
    batchSize = preset.batchSize ?? 128,
    shuffle = true,
    schedule,
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
  if (signal !== undefined && typeof signal?.aborted !== 'boolean') {
    throw new TorchvaeError('ERR_TYPE', expected('an AbortSignal', 'signal', signal));
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new TorchvaeError('ERR_TYPE', expected('a function', 'onProgress', onProgress));
  }
  checkData('train', train, core.spec);
  if (core.position.step > 0) checkSameSchema('train', train.schema, core.schema);
  const { spec } = core;
  const judge = validation && inClassesOf('validation', validation, { spec, classes: train.classes });
  if (judge !== undefined) {
    checkData('validation', judge, spec);
    checkSameSchema('validation', judge.schema, train.schema);
  }
  const optimizer = checkOptimizer(ofOptimizer, preset.learningRate);
  const { accumulate } = optimizer.native;
  const batching = { batchSize: checkInteger('batchSize', batchSize, 1, 1 << 20), shuffle, accumulate };
  const window = shuffledWindow(train, batching);
  checkStreamable(core, train, batching);
  const isShared = checkOneOf('distributed', distributed, ['auto', 'off']) === 'auto';
  const place = isShared ? rankPlace() : undefined;
  if (place) checkShareable(core, place.size);
  return {
    epochs: checkInteger('epochs', epochs, 0),
    batching,
    window,
    optimizer,
    schedule: checkSchedule(schedule),
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

/** Trains, and yields after every epoch. See `VAE.fit`. What cannot be is refused at once, not at the first epoch. */
export function fit(
  core: Core,
  train: Dataset | StreamedDataset,
  options: FitOptions = {},
): AsyncGenerator<EpochResult, void, undefined> {
  const known = core.position.step > 0 ? inClassesOf('train', train, core) : train;
  const settings = checkFitOptions(core, known, options);
  checkResumable(core, known, settings);
  return runEpochs(core, known, settings);
}

async function* runEpochs(
  core: Core,
  train: Dataset | StreamedDataset,
  settings: Settings,
): AsyncGenerator<EpochResult, void, undefined> {
  if (core.training) {
    throw new TorchvaeError(
      'ERR_STATE',
      'This VAE is being trained already; wait for its fit() to end, or abort it',
    );
  }
  checkResumable(core, train, settings);
  core.training = true;
  const abort = () => core.abort();
  settings.signal?.addEventListener('abort', abort);
  let feed: Feed | undefined;
  let ranks: Ranks | undefined;
  try {
    throwIfAborted(settings.signal);
    ranks = await join(core, train, settings);
    const { epoch, stepInEpoch } = core.position;
    const lastEpoch = epoch + settings.epochs;
    // What ends one of several processes between two chunks would leave the others waiting.
    const ends = core.untilDisposed(ranks ? undefined : settings.signal);
    const judged = settings.validation ?? train;
    const surveyed = settings.latentHealth ? await someOf(judged, SURVEYED, ends) : undefined;
    feed = await openFeed(core, train, settings.batching, { epoch, step: stepInEpoch, lastEpoch }, ends);
    core.schema = train.schema;
    core.classes = train.classes;
    const watch = new LossWatch(core.dimensions);
    while (core.position.epoch < lastEpoch && !hasStopped(settings.stopping, core.position.best)) {
      yield await runEpoch(
        core,
        train,
        feed,
        { ...settings, ranks: ranks?.handle },
        lastEpoch,
        surveyed,
        watch,
      );
    }
  } finally {
    settings.signal?.removeEventListener('abort', abort);
    ranks?.leave();
    try {
      await feed?.close();
    } finally {
      core.training = false;
    }
  }
}

/** Comes together with the other processes, where there are some. */
async function join(
  core: Core,
  train: Dataset | StreamedDataset,
  { place, meetSeconds, validation, signal, ...given }: Settings,
): Promise<Ranks | undefined> {
  if (!place) return undefined;
  const { epochs, batching, optimizer, schedule, stopping, gradientHealth } = given;
  const settings = { epochs, batching, optimizer, schedule, stopping, gradientHealth };
  const facts = await factsOf(core, settings, { 'training data': train, 'validation data': validation });
  throwIfAborted(signal);
  return joinRanks(core, place, meetSeconds, facts, signal);
}

/** An epoch that was interrupted after a step can go on only over the batches that it began with. */
function checkResumable(core: Core, train: Dataset | StreamedDataset, settings: Settings): void {
  checkSameOptimizer(core, settings.optimizer);
  const { partial, stepInEpoch } = core.position;
  const { batchSize, shuffle } = settings.batching;
  if (!partial || stepInEpoch === 0) return;
  const same =
    partial.batchSize === batchSize &&
    partial.examples === train.length &&
    partial.shuffle === shuffle &&
    partial.window === settings.window;
  if (same) return;
  const inWindows = (window: number | undefined) =>
    window === undefined ? '' : `, shuffled in windows of ${window}`;
  throw new TorchvaeError(
    'ERR_STATE',
    `Training was interrupted at step ${stepInEpoch} of an epoch of ${partial.examples} examples in batches of ` +
      `${partial.batchSize}${partial.shuffle ? inWindows(partial.window) : ', unshuffled'}, and can go on only over the ` +
      `same; received ${train.length} examples and batchSize ${batchSize}${inWindows(settings.window)}. Finish that epoch, or load an earlier checkpoint`,
  );
}

async function runEpoch(
  core: Core,
  train: Dataset | StreamedDataset,
  feed: Feed,
  settings: Shared,
  lastEpoch: number,
  surveyed: Dataset | undefined,
  watch: LossWatch,
): Promise<EpochResult> {
  const started = performance.now();
  const { signal, validation, window, ranks } = settings;
  const { batchSize, shuffle, accumulate } = settings.batching;
  const stepsPerEpoch = Math.ceil(train.length / batchSize);
  // Of an epoch that ended before its first step nothing is left to go on with.
  const begun = core.position.stepInEpoch > 0 ? core.position.partial : undefined;
  const partial = begun ?? {
    sums: { loss: 0, reconstruction: 0, kl: 0, terms: [], examples: 0 },
    batchSize,
    examples: train.length,
    shuffle,
    ...(window !== undefined && { window }),
  };
  core.position.partial = partial;
  const pace = new Pace();
  let skipped = 0;
  let skippedBecause: string | undefined;
  let gradientHealth: GradientHealth | undefined;
  let jump: string | undefined;
  while (core.position.stepInEpoch < stepsPerEpoch) {
    if (!ranks) throwIfAborted(signal);
    const due = await feed.window(core.position.epoch, core.position.stepInEpoch);
    const steps = Math.min(
      // Whole updates: a pause comes between two of them.
      Math.ceil(pace.nextChunk() / accumulate) * accumulate - (core.position.stepInEpoch % accumulate),
      Math.min(due.endStep, stepsPerEpoch) - core.position.stepInEpoch,
    );
    const before = partial.sums;
    const result = await runChunk(core, partial, due, settings, steps);
    pace.note(result);
    skipped += result.skipped;
    if (result.skipped > 0) skippedBecause ??= `${describeFaults(result.faults)} became NaN or infinite`;
    if (result.reason === 'aborted') throwIfAborted(signal, core);
    if (result.reason === 'nonfinite') throw await nonFinite(core, settings.optimizer, train, result.faults);
    jump ??= watch.note(before, partial.sums);
    if (result.norms.length > 0)
      gradientHealth = judgeGradients(result.norms, core.parameterSizes, core.spec, jump);
    const { stepInEpoch, epoch, step } = core.position;
    settings.onProgress?.({
      ...toLosses(core, partial.sums, betaNow(core)),
      epoch: epoch + 1,
      lastEpoch,
      stepInEpoch,
      stepsPerEpoch,
      step,
      stepsPerSecond: pace.stepsPerSecond,
      learningRate: learningRateOf(core, settings, { stepInEpoch, stepsPerEpoch, step }),
      ...(settings.gradientHealth === 'live' && gradientHealth && { gradientHealth }),
      secondsLeft: ((lastEpoch - epoch) * stepsPerEpoch - stepInEpoch) / pace.stepsPerSecond,
    });
  }
  if (partial.sums.examples === 0) throw await allSkipped(core, settings.optimizer, train, skippedBecause);
  // The epoch counts as done only after its validation: after an abort in between, the next fit() repeats the validation.
  const validated = validation && (await evaluate(core, validation, 0, signal, lastStep(core), ranks));
  const latentHealth = surveyed && (await surveyLatents(core, surveyed, 0));
  const last = { stepInEpoch: stepsPerEpoch - 1, stepsPerEpoch, step: Math.max(0, core.position.step - 1) };
  const learningRate = learningRateOf(core, settings, last);
  const losses = toLosses(core, partial.sums, betaNow(core));
  const { epoch, step, optimizer } = core.position;
  const judged = await atScheduleEnd(core, losses, validated, settings);
  const plateau = notePlateau(settings.schedule, core.position.plateau, judged.loss);
  const best = noteBest(settings.stopping, core.position.best, judged, epoch + 1);
  core.position = {
    epoch: epoch + 1,
    stepInEpoch: 0,
    step,
    ...(optimizer && { optimizer }),
    ...(plateau && { plateau }),
    best,
  };
  return {
    epoch: core.position.epoch,
    step: core.position.step,
    seconds: (performance.now() - started) / 1000,
    train: losses,
    ...(validated && { validation: validated }),
    learningRate,
    ...(gradientHealth && { gradientHealth }),
    ...(latentHealth && { latentHealth }),
    best: { epoch: best.epoch, value: best.value, of: best.of },
    ...(skipped > 0 && { skipped }),
    ...(skippedBecause && { skippedBecause }),
  };
}

/**
 * An epoch's losses as the weights at the end of all schedules make them, so that epochs can be compared: the validation set's,
 * else the training epoch's, of which only the plain bound can be weighed anew.
 */
async function atScheduleEnd(
  core: Core,
  train: Losses,
  validated: Losses | undefined,
  { validation, signal, ranks }: Shared,
): Promise<Losses> {
  const { objective } = core.spec;
  const isAtEnd = weightsAt(core.spec, lastStep(core)).every(
    (w, i) => w === weightsAt(core.spec, Infinity)[i],
  );
  if (isAtEnd) return validated ?? train;
  if (validation) return evaluate(core, validation, 0, signal, Infinity, ranks);
  if (objective.type !== 'elbo') return train;
  const beta = betaAt(objective, Infinity);
  const { reconstruction, kl, loss } = train;
  return objective.capacity
    ? { ...train, loss: reconstruction + beta * Math.abs(kl - objective.capacity.to) }
    : { ...train, loss: loss + (beta - train.beta) * kl };
}

function someOf(data: Dataset | StreamedDataset, count: number, signal: AbortSignal) {
  return data instanceof StreamedDataset ? data.spread(count, signal) : spread(data, count);
}

/** Of a step of the epoch under way. */
function learningRateOf(
  { position }: Core,
  { optimizer, schedule }: Settings,
  place: { stepInEpoch: number; stepsPerEpoch: number; step: number },
): number {
  const { epoch, plateau } = position;
  return learningRateAt(schedule, optimizer.learningRate, { epoch, ...place }, plateau);
}

/** A chunk of steps on the engine, and the note of it in the model's position. */
function runChunk(
  core: Core,
  partial: NonNullable<Position['partial']>,
  { data, firstStep, seed }: Window,
  settings: Shared,
  steps: number,
): Promise<TrainResult> {
  const { batchSize, shuffle } = settings.batching;
  const { native: optimizer } = settings.optimizer;
  const stepsPerEpoch = Math.ceil(partial.examples / batchSize);
  return core.exclusive(async () => {
    const { epoch, stepInEpoch } = core.position;
    const updates = (batches: number) => updatesIn(stepInEpoch, batches, stepsPerEpoch, optimizer.accumulate);
    const { sums } = partial;
    const place = { orderSeed: seed, epoch, firstStep: stepInEpoch - firstStep };
    const chunk = { ...place, steps, batchSize, shuffle, sums };
    const isLast = stepInEpoch + steps === stepsPerEpoch;
    const observe = settings.gradientHealth === 'live' || (settings.gradientHealth === 'epoch' && isLast);
    const schedule = new Float64Array(4 * steps);
    for (let i = 0; i < steps; i++) {
      const step = core.position.step + updates(i);
      const learningRate = learningRateOf(core, settings, {
        stepInEpoch: stepInEpoch + i,
        stepsPerEpoch,
        step,
      });
      schedule.set([learningRate, ...weightsAt(core.spec, step)], 4 * i);
    }
    const { ranks, signal } = settings;
    const work = core.call((addon, handle) =>
      addon.train(handle, { data, ...chunk, schedule, optimizer, observe, ranks }),
    );
    // Ranks find out together, at the chunk's end.
    if (ranks && signal?.aborted) core.abort();
    const result = await work.catch((error: unknown) => {
      // Its weights may have gone on where its place in training has not: no checkpoint shall say so.
      if (error instanceof TorchvaeError && error.code === 'ERR_DISTRIBUTED') core.dispose();
      throw error;
    });
    core.position.step += updates(result.steps);
    core.position.stepInEpoch += result.steps;
    // What is missing means Adam; one that came to no step before is not what the moments are of.
    if (optimizer.type !== 'adam' || core.position.optimizer) core.position.optimizer = optimizer.type;
    // A threshold belongs to the weights that it was set with.
    core.threshold = undefined;
    const { loss, reconstruction, kl, terms, examples } = result;
    partial.sums = { loss, reconstruction, kl, terms, examples };
    return result;
  });
}

/** Chooses how many steps to hand over at a time, from the time that the last ones took. */
class Pace {
  stepsPerSecond = 0;
  #chunk = 1;

  note({ steps, seconds }: TrainResult): void {
    if (steps === 0 || seconds === 0) return;
    const speed = steps / seconds;
    this.stepsPerSecond = this.stepsPerSecond === 0 ? speed : 0.8 * this.stepsPerSecond + 0.2 * speed;
    this.#chunk = Math.max(1, Math.min(4 * this.#chunk, Math.round(speed * CHUNK_SECONDS)));
  }

  nextChunk(): number {
    return this.#chunk;
  }
}
