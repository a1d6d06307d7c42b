import { Dataset } from '../data/dataset.ts';
import { spread } from '../data/spread.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import type { ExampleBlock } from '../data/streams/source.ts';
import { TorchvaeError } from '../errors.ts';
import { surveyLatents } from '../evaluation/collapse.ts';
import { inClassesOf } from '../model/classes.ts';
import type { Core, Position } from '../model/core.ts';
import { type Losses, toLosses } from '../model/losses.ts';
import { readableBlock } from '../model/odd-rows.ts';
import type { RanksHandle, TrainResult } from '../runtime/native.ts';
import { askFinite } from './counted-means.ts';
import { hasStopped, noteBest } from './early-stopping.ts';
import { type Feed, openFeed, type Window } from './feed.ts';
import { checkFitOptions, type EpochResult, type FitOptions, type FitSettings } from './fit-options.ts';
import { describeFaults, type GradientHealth, judgeGradients, LossWatch } from './gradient-health.ts';
import { isSteadyRate, learningRateAt, notePlateau } from './learning-rate.ts';
import { allSkipped, nonFinite } from './non-finite.ts';
import { checkSameOptimizer, updatesIn } from './optimizer.ts';
import { factsOf } from './ranks/facts.ts';
import { joinRanks, type Ranks } from './ranks/ranks.ts';
import { betaAt, steadyFrom, weightsAt } from './schedule.ts';
import { betaNow, evaluate, lastStep, throwIfAborted } from './validation.ts';

/** The length of a chunk that is aimed at, in seconds: often enough to show, seldom enough to cost nothing. */
const CHUNK_SECONDS = 0.05;

/** Examples that a survey of z is made over after an epoch. */
const SURVEYED = 1000;

/** With the processes that train together, where there are several. */
type Shared = FitSettings & { ranks: RanksHandle | undefined; exchange?: string };

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
  settings: FitSettings,
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
    const { span: _before, ...place } = core.position;
    core.position = { ...place, ...(settings.span && { span: settings.span }) };
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
        { ...settings, ranks: ranks?.handle, ...(ranks && { exchange: ranks.exchange }) },
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
  { place, meetSeconds, validation, signal, ...given }: FitSettings,
): Promise<Ranks | undefined> {
  if (!place) return undefined;
  const { epochs, batching, optimizer, schedule, stopping, gradientHealth } = given;
  const settings = { epochs, batching, optimizer, schedule, stopping, gradientHealth };
  const facts = await factsOf(core, settings, { 'training data': train, 'validation data': validation });
  throwIfAborted(signal);
  return joinRanks(core, place, meetSeconds, facts, signal);
}

/** An epoch that was interrupted after a step can go on only over the batches that it began with. */
function checkResumable(core: Core, train: Dataset | StreamedDataset, settings: FitSettings): void {
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
  const { signal, validation, window, ranks, exchange } = settings;
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
      ...(exchange && { exchange }),
      secondsLeft: ((lastEpoch - epoch) * stepsPerEpoch - stepInEpoch) / pace.stepsPerSecond,
    });
  }
  if (partial.sums.examples === 0) throw await allSkipped(core, settings.optimizer, train, skippedBecause);
  // The epoch counts as done only after its validation: after an abort in between, the next fit() repeats the validation.
  const validated = validation && (await judgedBy(core, validation, { signal, ranks }));
  const latentHealth =
    surveyed && (await askFinite(core, surveyed, 0, (rows) => surveyLatents(core, rows, 0)));
  const last = { stepInEpoch: stepsPerEpoch - 1, stepsPerEpoch, step: Math.max(0, core.position.step - 1) };
  const learningRate = learningRateOf(core, settings, last);
  const losses = toLosses(core, partial.sums, betaNow(core));
  const { epoch, step, optimizer, span } = core.position;
  const judged = await atScheduleEnd(core, losses, validated, settings);
  const plateau = notePlateau(settings.schedule, core.position.plateau, judged.loss);
  const best = noteBest(settings.stopping, core.position.best, judged, epoch + 1);
  core.position = {
    epoch: epoch + 1,
    stepInEpoch: 0,
    step,
    ...(optimizer && { optimizer }),
    ...(plateau && { plateau }),
    ...(span && epoch + 1 < span[1] && { span }),
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
    ...(exchange && { exchange }),
    ...(skipped > 0 && { skipped }),
    ...(skippedBecause && { skippedBecause }),
  };
}

/** The losses of the validation set; of rows of a table, of those whose loss is finite. */
function judgedBy(
  core: Core,
  validation: Dataset | StreamedDataset,
  how: Parameters<typeof evaluate>[3] & {},
): Promise<Losses> {
  if (!(validation instanceof Dataset)) {
    const keep = (block: ExampleBlock) => readableBlock(core, block, validation.size);
    return evaluate(core, validation, 0, { ...how, keep });
  }
  // Processes that share the rows have to leave out the same.
  if (how.ranks) return evaluate(core, validation, 0, how);
  return askFinite(core, validation, 0, (rows) => evaluate(core, rows, 0, how));
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
  if (validation) return judgedBy(core, validation, { signal, step: Infinity, ranks });
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
  { optimizer, schedule }: FitSettings,
  place: { stepInEpoch: number; stepsPerEpoch: number; step: number },
): number {
  const { epoch, plateau } = position;
  return learningRateAt(schedule, optimizer.learningRate, { epoch, ...place }, plateau);
}

/** Whether all that a schedule changes stays as it is until the epoch ends. */
function isSteady({ spec, position: { step } }: Core, { schedule }: FitSettings): boolean {
  return isSteadyRate(schedule, step) && step >= steadyFrom(spec);
}

/** The rows of `steps` steps, one after the other; of steady ones the first is worked out: small models take millions a second. */
function scheduleOf(steps: number, isSteady: boolean, row: (i: number) => number[]): Float64Array {
  const all = new Float64Array(4 * steps);
  const distinct = isSteady ? Math.min(1, steps) : steps;
  for (let i = 0; i < distinct; i++) all.set(row(i), 4 * i);
  for (let filled = 4 * distinct; filled > 0 && filled < all.length; filled *= 2)
    all.copyWithin(filled, 0, filled);
  return all;
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
    const schedule = scheduleOf(steps, isSteady(core, settings), (i) => {
      const step = core.position.step + updates(i);
      const place = { stepInEpoch: stepInEpoch + i, stepsPerEpoch, step };
      return [learningRateOf(core, settings, place), ...weightsAt(core.spec, step)];
    });
    const { ranks, signal } = settings;
    const work = core.call((_, handle) =>
      core.device.train(handle, { data, ...chunk, schedule, optimizer, observe, ranks }),
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
