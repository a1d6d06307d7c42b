import { checkInteger, checkOptions, checkSignal } from '../check.ts';
import { counted } from '../counted.ts';
import { TorchvaeError } from '../errors.ts';
import { isBranded } from './brand.ts';
import { Dataset } from './dataset.ts';
import { type Binarization, type BinarizeOptions, checkBinarize, thresholded } from './examples/binarize.ts';
import type { DataKind } from './examples/checks.ts';
import type { InvalidExamples } from './examples/invalid.ts';
import { checkFractions, SPLIT_OPTIONS, type SplitOptions } from './examples/split.ts';
import { checkWindows, type WindowOptions } from './examples/windows.ts';
import type { DataSchema } from './schema.ts';
import { type IterableOptions, openIterableStream, type StreamItems } from './streams/iterable.ts';
import { checkStreamDivision, divide, spreadPart } from './streams/part.ts';
import {
  type EpochRequest,
  type ExampleBlock,
  NEVER,
  partOf,
  type Reading,
  type StreamSource,
} from './streams/source.ts';
import { windowedSource } from './streams/windows.ts';
import { OTHER_LABEL } from './tables/encoding.ts';
import { RECORD_OPTIONS } from './tables/records.ts';

/** How a {@link StreamedDataset} is read. */
export interface StreamOptions {
  /**
   * Examples that are shuffled among themselves, and lie in memory together; about four such windows do at a time. Default 8192,
   * or as many as 64 MiB hold if these are fewer. It is rounded up to whole batches.
   */
  window?: number;
  /** Ends what has to be read before the first epoch. */
  signal?: AbortSignal;
}

export const STREAM_OPTIONS = ['window', 'signal'] as const;

const DEFAULT_WINDOW = { examples: 8192, bytes: 2 ** 26 };

const BRAND = Symbol.for('torchvae.StreamedDataset');

/**
 * Examples that are read anew in every epoch, some ahead of the training, and are never in memory all at once. Described as a
 * {@link Dataset} is, and taken in its place by `VAE.fit` (also as `validation`) and `VAE.elbo`. Made by {@link streamDataset}
 * from a file or folder, or by {@link StreamedDataset.from} from what can be iterated again and again.
 *
 * An epoch's order is a function of the model's seed and the epoch: blocks of consecutive examples come in random order (of a
 * .npy file about 64 KiB each; single images of a folder; row groups of a Parquet file), one after the other they fill a
 * window, and the examples of a window are shuffled among themselves. Only examples of one window can meet in a batch: this is
 * not a uniform shuffle of all. Where one window holds all examples, training gives the same bits as with a `Dataset`. The items of
 * an iteration come in their order, of which only windows are shuffled.
 */
export class StreamedDataset {
  /** @internal */
  get [BRAND](): true {
    return true;
  }

  /** @internal Of any copy of the package. */
  static [Symbol.hasInstance](value: unknown): value is StreamedDataset {
    return isBranded(BRAND, value);
  }

  /** Shown in reports. */
  readonly name: string;
  /** The number of examples in an epoch, at least 1. */
  readonly length: number;
  /** Of one example. */
  readonly shape: readonly number[];
  /** The number of values in one example. */
  readonly size: number;
  /** What the values are. */
  readonly kind: DataKind;
  /** Whether examples come with labels. */
  readonly hasLabels: boolean;
  /** The names of the classes, by label, or undefined. */
  readonly classes: readonly string[] | undefined;
  /** How the values become 0 and 1; `dynamic` means that they are chances, and that every batch draws its own. */
  readonly binarization: Binarization;
  /** How the examples are made of rows of a table, or undefined. */
  readonly schema: DataSchema | undefined;
  /** What people should know of how the examples are read, such as files that are passed over. */
  readonly notes: readonly string[];
  /** @internal The examples that hold NaN or an infinity, as far as they have been looked for. */
  readonly invalid: InvalidExamples | undefined;
  /** Examples that are shuffled among themselves. */
  readonly window: number;
  readonly #source: StreamSource;
  readonly #threshold: number;
  /** As the caller gave it. */
  readonly #wantedWindow: number | undefined;

  /** @internal */
  constructor(
    source: StreamSource,
    options: { window?: number | undefined; binarization?: Binarization; threshold?: number } = {},
  ) {
    this.name = source.name;
    this.length = source.length;
    this.shape = Object.freeze([...source.shape]);
    this.size = source.shape.reduce((product, extent) => product * extent, 1);
    this.binarization = options.binarization ?? 'none';
    this.kind = this.binarization === 'threshold' ? 'binary' : source.kind;
    this.hasLabels = source.hasLabels;
    this.classes = source.classes && Object.freeze([...source.classes]);
    this.schema = source.schema;
    this.notes = source.notes ?? [];
    this.invalid = source.invalid;
    const fitting = Math.floor(DEFAULT_WINDOW.bytes / (this.size * (source.isBytes ? 1 : 4)));
    const usual = Math.max(1, Math.min(DEFAULT_WINDOW.examples, fitting));
    this.window = checkInteger('window', options.window ?? usual, 1);
    this.#source = source;
    this.#wantedWindow = options.window;
    this.#threshold = options.threshold ?? 0.5;
  }

  /**
   * A stream of what `make` gives, which is called anew for every pass: records with the same keys, as `Dataset.fromRecords`
   * takes, or `Dataset`s of one shape, as blocks of examples. One pass is made at once: it counts the examples, and learns the schema
   * of records, with the same numbers as `Dataset.fromRecords` would.
   *
   * @example
   * const data = await StreamedDataset.from(() => database.query('select height, color from things'), { name: 'things' });
   * @throws TorchvaeError what `Dataset.fromRecords` throws, naming the record; ERR_IO where the iteration itself throws; a later
   * pass that gives fewer or more examples, or others than the first led to expect, ends training with ERR_DATA_FORMAT
   */
  static async from(
    make: () => StreamItems,
    options: StreamOptions & IterableOptions = {},
  ): Promise<StreamedDataset> {
    const known = [...STREAM_OPTIONS, ...RECORD_OPTIONS];
    const {
      window,
      signal = NEVER,
      ...rest
    } = checkOptions('options of StreamedDataset.from', options, known);
    if (window !== undefined) checkInteger('window', window, 1);
    checkSignal(signal);
    return new StreamedDataset(await openIterableStream(make, rest, signal), { window });
  }

  /**
   * The same examples as 0 and 1, of values in [0, 1].
   *
   * @throws TorchvaeError ERR_STATE for values that are not in [0, 1] or are binarized already, and for the mode `fixed`, whose
   * draws are one sequence over a whole data set
   */
  binarize(options: BinarizeOptions): StreamedDataset {
    const known = ['mode', 'threshold', 'seed'];
    const { mode, threshold } = checkBinarize(checkOptions('options of binarize', options, known));
    const isInUnit = this.kind === 'unit' || this.kind === 'binary';
    if (!isInUnit || this.binarization !== 'none' || mode === 'fixed') {
      const what =
        mode === 'fixed'
          ? `'dynamic' or 'threshold' for the mode of a streamed data set but received 'fixed'`
          : `data of kind 'unit' to binarize, but ${this.name} is of kind '${this.kind}', binarization ${this.binarization}`;
      throw new TorchvaeError('ERR_STATE', `Expected ${what}`);
    }
    return new StreamedDataset(this.#source, { window: this.#wantedWindow, binarization: mode, threshold });
  }

  /**
   * Windows of consecutive examples, as `Dataset.windows` makes them. They come in their own order, of which only those are shuffled that lie in
   * memory together (`window`).
   *
   * @throws TorchvaeError ERR_TYPE, ERR_RANGE for fewer examples than `length`
   */
  windows(options: WindowOptions): StreamedDataset {
    return this.#with(windowedSource(this.#source, checkWindows(options, this.length)));
  }

  /**
   * Divides the examples as `Dataset.split` does, each into exactly one part, which is the same in every epoch and after a resume. At random,
   * every part has its fraction of each 65,536 consecutive examples, and of a shorter rest. Each part is a stream that passes over what the
   * others hold: reading it takes about as long as reading all, but for images.
   *
   * @throws TorchvaeError ERR_TYPE; ERR_RANGE for fractions outside (0, 1), a part that would be empty, and a stratified split, for which
   * all labels would have to be known
   */
  split(options: SplitOptions & { validation: number }): {
    train: StreamedDataset;
    validation: StreamedDataset;
  };
  split(options: SplitOptions & { fractions: readonly number[] }): StreamedDataset[];
  split(
    options: SplitOptions & { validation?: number; fractions?: readonly number[] },
  ): StreamedDataset[] | { train: StreamedDataset; validation: StreamedDataset } {
    const known = ['validation', 'fractions', ...SPLIT_OPTIONS];
    const { validation, fractions: wanted, ...rest } = checkOptions('options of split', options, known);
    const fractions = checkFractions(validation, wanted);
    const parts = divide(this.name, this.length, fractions, checkStreamDivision(this.name, rest)).map(
      (part) => this.#with(partOf(this.#source, part)),
    );
    if (wanted) return parts;
    return { train: parts[0]!, validation: parts[1]! };
  }

  /**
   * The first `count` examples in their own order, in memory.
   *
   * @throws TorchvaeError ERR_TYPE, ERR_RANGE unless there are so many, and what reading throws
   */
  head(count: number, options: { signal?: AbortSignal } = {}): Promise<Dataset> {
    const { signal = NEVER } = checkOptions('options of head', options, ['signal']);
    checkSignal(signal);
    return this.#some(checkInteger('count', count, 1, this.length), false, signal);
  }

  /** @internal At most `count` examples from all over the stream: always the same. One that is read in its order is read to the last of them. */
  spread(count: number, signal: AbortSignal = NEVER): Promise<Dataset> {
    return this.#some(Math.min(count, this.length), true, signal);
  }

  /**
   * @internal The same examples with labels that count these classes.
   *
   * @param places of the stream's own classes among them
   */
  inClasses(classes: readonly string[], places: readonly number[]): StreamedDataset {
    const source = this.#source;
    return this.#with({
      ...source,
      classes,
      open: async (request) => {
        const reading = await source.open(request);
        return {
          read: async (count) => {
            const { labels, ...block } = await reading.read(count);
            return { ...block, labels: labels?.map((label) => places[label] ?? classes.length) };
          },
          close: () => reading.close(),
        };
      },
    });
  }

  /** The same of another source. */
  #with(source: StreamSource): StreamedDataset {
    const { binarization } = this;
    return new StreamedDataset(source, {
      window: this.#wantedWindow,
      binarization,
      threshold: this.#threshold,
    });
  }

  async #some(count: number, shuffle: boolean, signal: AbortSignal): Promise<Dataset> {
    const isInOrder = shuffle && this.#source.isSequential;
    const part = isInOrder ? spreadPart(this.length, count) : undefined;
    const request = { seed: 0, epoch: 0, shuffle, first: 0, signal };
    const reading = await this.open({ ...request, ...(part && { part }) });
    try {
      return this.#dataset(await reading.read(count));
    } finally {
      await reading.close();
    }
  }

  #dataset({ data, labels, cells }: ExampleBlock): Dataset {
    const { name, shape, kind, binarization, schema } = this;
    // Labels that no training row has.
    const hasOthers = this.classes && labels?.some((label) => label >= this.classes!.length);
    const classes = hasOthers ? [...this.classes!, OTHER_LABEL] : this.classes;
    return new Dataset({
      name,
      shape,
      kind,
      binarization,
      data,
      ...(labels && { labels }),
      ...(labels && classes && { classes }),
      ...(schema && { schema }),
      ...(cells && { cells }),
    });
  }

  /** @internal All examples in their own order, a window at a time. */
  async *parts(signal: AbortSignal = NEVER): AsyncGenerator<Dataset> {
    const reading = await this.open({ seed: 0, epoch: 0, shuffle: false, first: 0, signal });
    try {
      for (let at = 0; at < this.length; at += this.window) {
        yield this.#dataset(await reading.read(Math.min(this.window, this.length - at)));
      }
    } finally {
      await reading.close();
    }
  }

  /** One line for people, such as `mnist.npy: 60,000 examples of 1x28x28, unit, uint8, streamed in windows of 8,192`. */
  describe(): string {
    const parts = [
      `${this.name}: ${counted(this.length, 'example')} of ${this.shape.join('x')}`,
      this.kind,
      ...(this.binarization === 'none' ? [] : [`${this.binarization} binarization`]),
      this.#source.isBytes || this.binarization === 'threshold' ? 'uint8' : 'float32',
      ...(this.classes ? [counted(this.classes.length, 'class', 'classes')] : []),
      `streamed in windows of ${this.window.toLocaleString('en-US')}`,
    ];
    return [parts.join(', '), ...this.notes].join('; ');
  }

  /** @internal A pass over the examples. */
  async open(request: EpochRequest): Promise<Reading> {
    const reading = await this.#source.open(request);
    if (this.binarization !== 'threshold') return reading;
    return {
      read: async (count): Promise<ExampleBlock> => {
        const { data, labels, cells } = await reading.read(count);
        return { data: thresholded(data, this.#threshold), labels, cells };
      },
      close: () => reading.close(),
    };
  }
}
