import { types } from 'node:util';
import { checkInteger, checkOneOf, checkOptions, expected } from '../check.ts';
import { counted } from '../counted.ts';
import { TorchvaeError } from '../errors.ts';
import { isBranded } from './brand.ts';
import { checkNotes, checkSchema } from './examples/attachments.ts';
import {
  type Binarization,
  type BinarizeOptions,
  checkBinarize,
  drawn,
  thresholded,
} from './examples/binarize.ts';
import { type CellCounts, checkCells, mapCells } from './examples/cells.ts';
import {
  checkFactors,
  checkLabels,
  checkShape,
  checkValues,
  type DataKind,
  type Factor,
  wholeNumbers,
} from './examples/checks.ts';
import { gather } from './examples/gather.ts';
import { invalidIn, notesOnInvalid } from './examples/invalid.ts';
import type { DatasetOptions, FromOptions } from './examples/options.ts';
import {
  checkDivision,
  checkFractions,
  checkParts,
  SPLIT_OPTIONS,
  type SplitOptions,
  splitIndices,
} from './examples/split.ts';
import { convertValues, inferKind, notesOnScale, type Values } from './examples/values.ts';
import { checkWindows, countWindows, type WindowOptions, windowsOf } from './examples/windows.ts';
import type { DataSchema } from './schema.ts';
import { type RecordOptions, readRecords } from './tables/records.ts';

export type {
  Binarization,
  BinarizeOptions,
  CellCounts,
  DataKind,
  DataSchema,
  DatasetOptions,
  Factor,
  FromOptions,
  RecordOptions,
  SplitOptions,
};

const BRAND = Symbol.for('torchvae.Dataset');

/**
 * Examples of one shape in memory, with what is known about them. A data set is never changed after it was made;
 * methods return new ones, which share memory where they can.
 *
 * An example that holds NaN or an infinity is invalid: training refuses it, and where a model is asked about examples, it fails alone.
 */
export class Dataset {
  /** @internal */
  get [BRAND](): true {
    return true;
  }

  /** @internal Of any copy of the package. */
  static [Symbol.hasInstance](value: unknown): value is Dataset {
    return isBranded(BRAND, value);
  }

  /** Shown in reports. */
  readonly name: string;
  /** The number of examples, at least 1. */
  readonly length: number;
  /** Of one example: `[channels, height, width]` for images, `[features]` for vectors. */
  readonly shape: readonly number[];
  /** The number of values in one example. */
  readonly size: number;
  /** What the values are. */
  readonly kind: DataKind;
  /** [length, ...shape], row-major. A byte b means b/255. */
  readonly data: Uint8Array | Float32Array;
  /** [length], or undefined. */
  readonly labels: Int32Array | undefined;
  /** The names of the classes, by label, or undefined. */
  readonly classes: readonly string[] | undefined;
  /** The known causes of variation; empty if none. */
  readonly factors: readonly Factor[];
  /** [length, factors], row-major, or undefined. */
  readonly factorValues: Int32Array | Float32Array | undefined;
  /** How the values became 0 and 1; `dynamic` means that they are chances, and that every batch draws its own. */
  readonly binarization: Binarization;
  /** How the examples were made of rows of a table or lines of text, or undefined. `schema.decode` undoes it. */
  readonly schema: DataSchema | undefined;
  /** What people should know of how the examples were read, such as files that were passed over. */
  readonly notes: readonly string[];
  /** Of tables: how many cells of each example were imputed or have an unseen category; undefined where none has. */
  readonly cells: CellCounts | undefined;

  /**
   * @throws TorchvaeError ERR_TYPE for arrays of another type, ERR_SHAPE where lengths do not fit together, ERR_RANGE
   * for values that `kind` does not allow; the message names the first offending example and place
   */
  constructor(options: DatasetOptions) {
    const known = ['name', 'shape', 'kind', 'data', 'labels', 'classes', 'factors', 'factorValues'];
    known.push('binarization', 'schema', 'notes', 'cells');
    // `{ ...dataset, kind }` also has the derived properties.
    known.push('length', 'size');
    const {
      name = 'data',
      shape,
      kind,
      data,
      labels,
      classes,
      factors = [],
      factorValues,
      binarization = 'none',
      schema,
      notes = [],
      cells,
    } = checkOptions('options of Dataset', options, known);
    if (typeof name !== 'string') throw new TorchvaeError('ERR_TYPE', expected('a string', 'name', name));
    this.name = name;
    this.shape = checkShape(shape);
    this.size = this.shape.reduce((product, extent) => product * extent, 1);
    this.kind = checkOneOf('kind', kind, ['binary', 'unit', 'real', 'categorical']);
    checkValues(data, this.shape, this.kind);
    this.data = data;
    this.length = data.length / this.size;
    checkLabels(labels, classes, this.length);
    this.labels = labels;
    this.classes = classes && Object.freeze([...classes]);
    checkFactors(factors, factorValues, this.length);
    this.factors = Object.freeze(factors.map((factor) => Object.freeze({ ...factor })));
    this.factorValues = factorValues;
    this.binarization = checkOneOf('binarization', binarization, ['none', 'threshold', 'fixed', 'dynamic']);
    this.schema = checkSchema(schema, this.size);
    this.notes = checkNotes(notes);
    this.cells = checkCells(cells, this.length);
  }

  /**
   * A data set of the caller's own values, copied: rows of numbers, or a flat array whose example `shape` is given.
   *
   * A Uint8Array holds pixels (b means b/255), unless `kind` is `real` or `categorical`, when its numbers are taken as
   * they are, or all of them are 0 or 1, when they are `binary` (give `kind: 'unit'` for pixels that are nearly black).
   * Values that are not finite, or too large for float32, make their example invalid: see {@link Dataset}.
   *
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE (rows of different lengths, a length that is no multiple of the shape) or
   * ERR_RANGE (values that `kind` does not allow)
   */
  static from(values: Values, options: FromOptions = {}): Dataset {
    const known = ['name', 'shape', 'kind', 'labels', 'classes'];
    const { shape, kind, labels, ...rest } = checkOptions('options of Dataset.from', options, known);
    const found = kind ?? inferKind(values);
    const { data, rowLength } = convertValues(values, found);
    if (shape === undefined && rowLength === undefined) {
      throw new TorchvaeError(
        'ERR_TYPE',
        expected('the shape of one example, such as [28, 28],', 'shape', shape),
      );
    }
    const whole = new Dataset({
      ...rest,
      shape: shape ?? [rowLength!],
      kind: found,
      data,
      ...(labels !== undefined && { labels: wholeNumbers(labels) }),
    });
    const notes = [
      ...notesOnInvalid(invalidIn(data, whole.size), whole.length),
      ...notesOnScale(values, found, whole.shape),
    ];
    return notes.length > 0 ? new Dataset({ ...whole, notes } as DatasetOptions) : whole;
  }

  /**
   * A data set of records with the same keys: numbers as they are or standardized, texts and truth values as categories, null and
   * undefined missing. Takes all of them into memory, from anything that can be iterated, such as a cursor of a database.
   *
   * @throws TorchvaeError what `TableSchema.learn` and `encode` throw, ERR_TYPE unless it can be iterated and gives records;
   * errors of the iteration are passed on
   */
  static async fromRecords(
    records: Iterable<object> | AsyncIterable<object>,
    options: RecordOptions = {},
  ): Promise<Dataset> {
    return new Dataset(await readRecords(records, options));
  }

  /**
   * The examples with these indices, in this order; an index may come more than once.
   *
   * @throws TorchvaeError ERR_RANGE for an index outside the data set, ERR_SHAPE for no index at all
   */
  subset(indices: ArrayLike<number>): Dataset {
    this.#checkIndices(indices);
    return this.#with(
      gather(this.data, indices, this.size),
      this.labels && gather(this.labels, indices, 1),
      this.factorValues && gather(this.factorValues, indices, this.factors.length),
      mapCells(this.cells, (counts) => gather(counts, indices, 1)),
    );
  }

  /**
   * The first `count` examples, sharing memory with this data set.
   *
   * @throws TorchvaeError ERR_TYPE or ERR_RANGE unless `count` is an integer from 1 to `length`
   */
  take(count: number): Dataset {
    checkInteger('count', count, 1, this.length);
    return this.#with(
      this.data.subarray(0, count * this.size),
      this.labels?.subarray(0, count),
      this.factorValues?.subarray(0, count * this.factors.length),
      mapCells(this.cells, (counts) => counts.subarray(0, count)),
    );
  }

  /**
   * Divides the examples, at random unless it is chronological, each into exactly one part: `validation: 0.1` holds a tenth out, `fractions` makes
   * one part for each of its numbers, which add up to 1. Within a part the examples keep their order.
   *
   * @throws TorchvaeError ERR_RANGE for fractions outside (0, 1) or a part that would be empty, ERR_STATE for a
   * stratified split without labels
   */
  split(options: SplitOptions & { validation: number }): { train: Dataset; validation: Dataset };
  split(options: SplitOptions & { fractions: readonly number[] }): Dataset[];
  split(
    options: SplitOptions & { validation?: number; fractions?: readonly number[] },
  ): Dataset[] | { train: Dataset; validation: Dataset } {
    const known = ['validation', 'fractions', ...SPLIT_OPTIONS];
    const { validation, fractions: wanted, ...rest } = checkOptions('options of split', options, known);
    const division = checkDivision(rest);
    const { stratified } = division;
    if (stratified && !this.labels) {
      throw new TorchvaeError(
        'ERR_STATE',
        `A stratified split needs labels, and data set ${this.name} has none`,
      );
    }
    const fractions = checkFractions(validation, wanted);
    const parts = splitIndices(this.length, fractions, division, stratified ? this.labels : undefined);
    checkParts(parts, fractions, this.length, this.name);
    const datasets = parts.map((indices) => this.subset(indices));
    if (wanted) return datasets;
    return { train: datasets[0]!, validation: datasets[1]! };
  }

  /**
   * Windows of consecutive examples, such as the rows of a series: example i of the result are the examples from i * stride on. Divide
   * a series before, with `chronological`, so that no window of one part overlaps one of another.
   *
   * @param options.length examples in a window
   * @param options.stride examples between the starts of two windows; default 1
   * @returns examples of shape [length, size], with the label of the last example in each; the schema stays that of the single ones
   * @throws TorchvaeError ERR_TYPE, ERR_RANGE for fewer examples than `length`
   */
  windows(options: WindowOptions): Dataset {
    const windows = checkWindows(options, this.length);
    const count = countWindows(this.length, windows);
    const { data, labels, cells } = windowsOf(this, this.size, windows, count);
    const lasts = Uint32Array.from({ length: count }, (_, i) => windows.stride * i + windows.length - 1);
    return new Dataset({
      ...this.subset(lasts),
      shape: [windows.length, this.size],
      data,
      labels,
      cells,
    } as DatasetOptions);
  }

  /**
   * A data set of 0 and 1 from one of values in [0, 1]; values that are 0 or 1 stay. With `dynamic` the values stay: training and evaluation draw from
   * them, and methods that take examples one by one (`VAE.losses` and the like) draw once, from their own seed.
   *
   * @throws TorchvaeError ERR_STATE for values that are not in [0, 1] or are binarized already
   */
  binarize(options: BinarizeOptions): Dataset {
    const known = ['mode', 'threshold', 'seed'];
    const { mode, threshold, seed } = checkBinarize(checkOptions('options of binarize', options, known));
    if ((this.kind !== 'unit' && this.kind !== 'binary') || this.binarization !== 'none') {
      const state =
        this.binarization === 'none' ? `of kind '${this.kind}'` : `binarized (${this.binarization})`;
      throw new TorchvaeError(
        'ERR_STATE',
        `Expected data of kind 'unit' to binarize, but ${this.name} is ${state}; scale the values to [0, 1] first`,
      );
    }
    if (mode === 'dynamic' || this.kind === 'binary')
      return new Dataset({ ...this, binarization: mode } as DatasetOptions);
    const data = mode === 'threshold' ? thresholded(this.data, threshold) : drawn(this.data, seed);
    return new Dataset({ ...this, data, kind: 'binary', binarization: mode } as DatasetOptions);
  }

  /** The values as 0 and 1 (bytes 0 and 255), drawn from `seed`, where the binarization is `dynamic`; else as they are. */
  drawn(seed: number): Uint8Array | Float32Array {
    return this.binarization === 'dynamic' ? drawn(this.data, seed) : this.data;
  }

  /**
   * The examples with these indices as float32, [indices, ...shape], bytes divided by 255.
   *
   * @throws TorchvaeError ERR_RANGE for an index outside the data set, ERR_SHAPE for no index at all
   */
  batch(indices: ArrayLike<number>): Float32Array {
    this.#checkIndices(indices);
    const rows = gather(this.data, indices, this.size);
    return types.isFloat32Array(rows) ? rows : Float32Array.from(rows, (byte) => byte / 255);
  }

  /** One line for people, such as `mnist (train): 60,000 examples of 1x28x28, unit, uint8, 10 classes`, and the notes. */
  describe(): string {
    const classes = this.classes?.length ?? (this.labels ? new Set(this.labels).size : 0);
    const parts = [
      `${this.name}: ${counted(this.length, 'example')} of ${this.shape.join('x')}`,
      this.kind,
      ...(this.binarization === 'none' ? [] : [`${this.binarization} binarization`]),
      types.isUint8Array(this.data) ? 'uint8' : 'float32',
      ...(classes ? [counted(classes, 'class', 'classes')] : []),
      ...(this.factors.length ? [`factors ${this.factors.map((factor) => factor.name).join(', ')}`] : []),
    ];
    return [parts.join(', '), ...this.notes].join('; ');
  }

  #with(
    data: Uint8Array | Float32Array,
    labels: Int32Array | undefined,
    factorValues: Int32Array | Float32Array | undefined,
    cells: CellCounts | undefined,
  ): Dataset {
    const { name, shape, kind, classes, factors, binarization, schema, notes } = this;
    return new Dataset({
      name,
      notes,
      shape,
      kind,
      binarization,
      data,
      factors,
      ...(labels && { labels }),
      ...(classes && { classes }),
      ...(factorValues && { factorValues }),
      ...(schema && { schema }),
      ...(cells && { cells }),
    });
  }

  #checkIndices(indices: ArrayLike<number>): void {
    if (!Array.isArray(indices) && !ArrayBuffer.isView(indices)) {
      throw new TorchvaeError('ERR_TYPE', expected('an array of indices', 'indices', indices));
    }
    if (!(indices.length > 0))
      throw new TorchvaeError('ERR_SHAPE', expected('at least one index', 'indices', indices));
    for (let i = 0; i < indices.length; i++) checkInteger(`indices[${i}]`, indices[i], 0, this.length - 1);
  }
}
