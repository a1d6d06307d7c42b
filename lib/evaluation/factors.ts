import { types } from 'node:util';
import { checkInteger, checkOptions, expected } from '../check.ts';
import { Dataset } from '../data/dataset.ts';
import { Random } from '../data/random.ts';
import { TorchvaeError } from '../errors.ts';
import { checkFiniteValues, isTensor, type Tensor } from '../model/input.ts';

/** Codes beside the factors that they should represent. */
export interface CodesAndFactors {
  /** Examples. */
  rows: number;
  /** Dimensions of z, at least two. */
  dimensions: number;
  /** [rows, dimensions]. */
  codes: Float32Array;
  factors: readonly FactorColumn[];
}

/** The values of one factor. */
export interface FactorColumn {
  name: string;
  /** The number of its values, or 0 for a factor of real numbers. */
  size: number;
  /** [rows]. */
  values: Float64Array;
}

/**
 * The codes of a data set with known factors.
 *
 * @throws TorchvaeError ERR_TYPE for arguments that are not codes and a data set, ERR_STATE for data without factors, ERR_SHAPE for codes of
 * other examples or of one dimension, ERR_RANGE for codes that are not finite
 */
export function codesAndFactors(codes: Tensor, data: Dataset): CodesAndFactors {
  if (!isTensor(codes) || !types.isFloat32Array(codes.data) || !Array.isArray(codes.shape)) {
    throw new TorchvaeError('ERR_TYPE', expected('a Tensor', 'codes', codes));
  }
  if (!(data instanceof Dataset)) throw new TorchvaeError('ERR_TYPE', expected('a Dataset', 'data', data));
  const { factors, factorValues, length } = data;
  if (!factorValues || factors.length === 0) {
    throw new TorchvaeError(
      'ERR_STATE',
      `Expected data with known factors, such as sprites, but ${data.name} has none`,
    );
  }
  const [rows, dimensions = 0] = codes.shape;
  if (rows !== length || dimensions < 2 || codes.data.length !== rows * dimensions) {
    throw new TorchvaeError(
      'ERR_SHAPE',
      expected(`${length} codes of at least two dimensions`, 'codes', codes.shape),
    );
  }
  checkFiniteValues('codes', codes);
  return {
    rows,
    dimensions,
    codes: codes.data,
    factors: factors.map(({ name, size }, k) => ({
      name,
      size,
      values: Float64Array.from({ length }, (_, i) => factorValues[i * factors.length + k]!),
    })),
  };
}

/** Column `j` of row-major values. */
export function columnOf(values: Float32Array, columns: number, j: number): Float64Array {
  return Float64Array.from({ length: values.length / columns }, (_, i) => values[i * columns + j]!);
}

/** Numbers of equal bins between the ends of what is cut. */
export function equalBins(column: Float64Array, bins: number): Int32Array {
  const low = column.reduce((least, value) => Math.min(least, value), Infinity);
  const high = column.reduce((most, value) => Math.max(most, value), -Infinity);
  const scale = high > low ? bins / (high - low) : 0;
  return Int32Array.from(column, (value) => Math.min(bins - 1, Math.floor((value - low) * scale)));
}

/** How measures that fit something divide the examples. */
export interface DisentanglementOptions {
  /** Seed of the division in two halves, one to fit and one to judge by, and of the trees. Default 0. */
  seed?: number;
}

/** Some of the examples. */
class Part {
  readonly #indices: Uint32Array;

  constructor(indices: Uint32Array) {
    this.#indices = indices;
  }

  /** Their rows of [examples, columns]. */
  rows(values: Float32Array, columns: number): Float32Array {
    const rows = new Float32Array(this.#indices.length * columns);
    this.#indices.forEach((index, i) => {
      rows.set(values.subarray(index * columns, (index + 1) * columns), i * columns);
    });
    return rows;
  }

  /** Their values of [examples]. */
  values(values: Int32Array): Int32Array {
    return Int32Array.from(this.#indices, (index) => values[index]!);
  }
}

/** @throws TorchvaeError ERR_SHAPE for fewer than two examples, ERR_TYPE or ERR_RANGE for the seed */
export function halvesOf({ rows }: CodesAndFactors, options: DisentanglementOptions) {
  const { seed = 0 } = checkOptions('options', options, ['seed']);
  const order = new Random(checkInteger('seed', seed, 0)).permutation(rows);
  if (rows < 2) throw new TorchvaeError('ERR_SHAPE', `Expected at least two examples but received ${rows}`);
  const half = Math.ceil(rows / 2);
  return { seed, fit: new Part(order.subarray(0, half)), judge: new Part(order.subarray(half)) };
}

/** Classes of equal count that a factor of real numbers becomes. */
const CLASSES = 20;

/** The values of a factor as classes from 0. */
export function classesOf({ size, values }: FactorColumn): Int32Array {
  if (size > 0) return Int32Array.from(values);
  const sorted = Float64Array.from(values).sort();
  const ends = Array.from(
    { length: CLASSES - 1 },
    (_, c) => sorted[Math.ceil(((c + 1) * sorted.length) / CLASSES) - 1]!,
  );
  return Int32Array.from(values, (value) => ends.filter((end) => end < value).length);
}
