import type { Dataset } from '../data/dataset.ts';
import { invalidIn } from '../data/examples/invalid.ts';
import { derivedSeed } from '../data/random.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import type { ExampleBlock } from '../data/streams/source.ts';
import { TorchvaeError } from '../errors.ts';
import { checkLabels } from '../model/classes.ts';
import type { Core } from '../model/core.ts';
import { checkTokens, largestIn } from '../model/input.ts';
import type { DatasetHandle } from '../runtime/native.ts';
import { farthestValue } from './odd-values.ts';

/** Consecutive steps of an epoch whose examples lie on the device. */
export interface Window {
  readonly data: DatasetHandle;
  /** The epoch's step that takes its first batch. */
  readonly firstStep: number;
  /** The epoch's step after its last. */
  readonly endStep: number;
  /** Of the order of its examples. */
  readonly seed: number;
}

/** The examples of a block of a stream that are taken; undefined for none of them. */
export type KeepExamples = (block: ExampleBlock) => ExampleBlock | undefined;

/** Puts the examples of each step onto the device before the step begins. */
export interface Feed {
  /** The window of this step. Steps must be asked for in their order. */
  window(epoch: number, step: number): Promise<Window>;
  /** Ends what is under way and frees what lies on the device. */
  close(): Promise<void>;
}

/** What decides which examples make up a batch. */
export interface Batching {
  batchSize: number;
  shuffle: boolean;
  /** Batches per update; windows end between updates. */
  accumulate: number;
}

/** Which epochs are due, from a place in the first of them. */
export interface Span {
  epoch: number;
  step: number;
  lastEpoch: number;
}

/** The whole data set on the device, or windows of a stream one after the other. */
export async function openFeed(
  core: Core,
  data: Dataset | StreamedDataset,
  batching: Batching,
  span: Span,
  signal: AbortSignal,
): Promise<Feed> {
  if (data instanceof StreamedDataset) return new StreamFeed(core, data, batching, span, core.seed, signal);
  const handle = await core.device.upload(data);
  const window = { data: handle, firstStep: 0, endStep: Infinity, seed: core.seed };
  return { window: async () => window, close: async () => {} };
}

/** Examples in the windows of an epoch: whole updates, but for the last. */
export function cutWindows(
  length: number,
  window: number,
  { batchSize, accumulate }: Pick<Batching, 'batchSize' | 'accumulate'>,
): number[] {
  const unit = batchSize * accumulate;
  const whole = Math.ceil(window / unit) * unit;
  // A rest smaller than a batch joins the window before it, so that the engine's buffers keep their size.
  const count = Math.max(1, Math.ceil((length - batchSize + 1) / whole));
  return Array.from({ length: count }, (_, i) => (i < count - 1 ? whole : length - i * whole));
}

/**
 * The windows that shuffle a stream's epoch, as a resumed epoch has to find them again; undefined where the order is that of a
 * data set in memory.
 */
export function shuffledWindow(data: Dataset | StreamedDataset, batching: Batching): number | undefined {
  if (!(data instanceof StreamedDataset) || !batching.shuffle) return undefined;
  const windows = cutWindows(data.length, data.window, batching);
  return windows.length === 1 ? undefined : windows[0];
}

/**
 * @throws TorchvaeError ERR_STATE for the objective `beta-tc` in several windows: it weighs the examples of a batch by the number of
 * all that lie on the device
 */
export function checkStreamable(core: Core, data: Dataset | StreamedDataset, batching: Batching): void {
  if (!(data instanceof StreamedDataset) || core.spec.objective.type !== 'beta-tc') return;
  if (cutWindows(data.length, data.window, batching).length === 1) return;
  throw new TorchvaeError(
    'ERR_STATE',
    `Expected a Dataset, or a stream whose window holds all ${data.length} examples, for train, as the objective beta-tc ` +
      `needs, but the window of ${data.name} is ${data.window}; load the data into memory, or widen the window`,
  );
}

/** A window of a stream. */
interface StreamWindow extends Window {
  readonly epoch: number;
  /** Those that are taken; with none, `data` has examples that are not to be looked at. */
  readonly examples: number;
}

/** Reads and uploads a window while the engine trains on the one before. */
class StreamFeed implements Feed {
  readonly #core: Core;
  readonly #stop = new AbortController();
  readonly #windows: AsyncGenerator<StreamWindow, void, undefined>;
  #current: StreamWindow | undefined;
  #ahead: Promise<IteratorResult<StreamWindow, void>>;

  constructor(
    core: Core,
    data: StreamedDataset,
    batching: Batching,
    span: Span,
    seed: number,
    signal: AbortSignal,
    keep?: KeepExamples,
  ) {
    this.#core = core;
    const either = AbortSignal.any([signal, this.#stop.signal]);
    this.#windows = readWindows(core, data, batching, span, seed, either, keep);
    this.#ahead = this.#advance();
  }

  async window(epoch: number, step: number): Promise<StreamWindow> {
    while (!this.#current || this.#current.epoch < epoch || this.#current.endStep <= step) {
      this.#release();
      const { value } = await this.#ahead;
      if (!value) throw new TorchvaeError('ERR_INTERNAL', `The stream has no step ${step} in epoch ${epoch}`);
      this.#current = value;
      this.#ahead = this.#advance();
    }
    return this.#current;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#release();
    const ahead = await this.#ahead.catch(() => undefined);
    this.#current = ahead?.value ?? undefined;
    this.#release();
    await this.#windows.return();
  }

  #advance() {
    const next = this.#windows.next();
    // The next window() call reports the error; until then, or if none comes, it must not count as unhandled.
    next.catch(() => {});
    return next;
  }

  #release(): void {
    if (this.#current) this.#core.device.release(this.#current.data);
    this.#current = undefined;
  }
}

async function* readWindows(
  core: Core,
  data: StreamedDataset,
  batching: Batching,
  { epoch: firstEpoch, step: firstStep, lastEpoch }: Span,
  seed: number,
  signal: AbortSignal,
  keep: KeepExamples = (block) => block,
): AsyncGenerator<StreamWindow, void, undefined> {
  const { batchSize, shuffle } = batching;
  const windows = cutWindows(data.length, data.window, batching);
  for (let epoch = firstEpoch; epoch < lastEpoch; epoch++) {
    const seen = epoch === firstEpoch ? firstStep * batchSize : 0;
    let start = 0;
    let index = 0;
    for (; start + windows[index]! <= seen && index < windows.length - 1; index++) start += windows[index]!;
    const isShuffled = shuffle && windows.length > 1;
    const reading = await data.open({ seed: core.seed, epoch, shuffle: isShuffled, first: start, signal });
    try {
      for (; index < windows.length; index++) {
        const block = await reading.read(windows[index]!);
        const kept = keep(block);
        yield {
          data: await place(core, data, kept ?? block),
          examples: kept ? kept.data.length / data.size : 0,
          epoch,
          firstStep: start / batchSize,
          endStep: Math.ceil((start + windows[index]!) / batchSize),
          seed: derivedSeed(seed, index),
        };
        start += windows[index]!;
      }
    } finally {
      await reading.close();
    }
  }
}

/** @throws TorchvaeError ERR_RANGE for examples that hold NaN, an infinity, or a token that the model does not have */
async function place(core: Core, data: StreamedDataset, block: ExampleBlock): Promise<DatasetHandle> {
  if (invalidIn(block.data, data.size)) {
    const where = await farthestValue(data);
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected finite numbers for ${data.name}${where}; leave such examples out`,
    );
  }
  if (data.kind === 'categorical') checkTokens(data.name, largestIn(block.data), core.spec);
  const labels = checkLabels(data.name, block.labels, { spec: core.spec }, block.data.length / data.size);
  return core.device.place({ ...block, labels, size: data.size, binarization: data.binarization });
}

/**
 * Calls `use` with one window of the stream after the other, in the order of the stream, and a seed for each: `seed` itself for
 * the first.
 */
export async function forEachWindow(
  core: Core,
  data: StreamedDataset,
  seed: number,
  signal: AbortSignal,
  use: (data: DatasetHandle, seed: number, examples: number) => Promise<void>,
  keep?: KeepExamples,
): Promise<void> {
  const batching = { batchSize: 1, accumulate: 1, shuffle: false };
  const feed = new StreamFeed(core, data, batching, { epoch: 0, step: 0, lastEpoch: 1 }, seed, signal, keep);
  try {
    for (let step = 0; step < data.length; ) {
      const window = await feed.window(0, step);
      if (window.examples > 0) await use(window.data, window.seed, window.examples);
      step = window.endStep;
    }
  } finally {
    await feed.close();
  }
}
