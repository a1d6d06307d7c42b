import type { TorchvaeError } from '../../../errors.ts';
import { Dataset } from '../../dataset.ts';
import type { DataKind } from '../../examples/checks.ts';
import { allocate, badData } from '../../files/source.ts';

/** The typed arrays that numbers of a file come in. */
export type NumericData =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** Numbers in an arrangement, as a file holds them. */
export interface NumericArray {
  /** The extents, slowest first. */
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: NumericData;
  /** Whether the numbers are truth values. */
  readonly isBoolean?: boolean;
}

/** What {@link datasetOf} needs beside the numbers. */
export interface ArrayNames {
  /** Of the data set. */
  name: string;
  /** What error messages call the array. */
  file: string;
  /** One for each example. */
  labels?: NumericArray;
}

/**
 * Examples of an array whose first extent counts them. Bytes are pixels (`unit`), truth values `binary`; other numbers are
 * `binary`, `unit` or `real` by their range. Images get a channel: 60000 x 28 x 28 numbers are examples of [1, 28, 28].
 * Four extents whose last is 1 or 3, and whose second is neither, are images with the channels last, which are put first.
 *
 * @throws TorchvaeError ERR_DATA_FORMAT for fewer than two or more than five extents, no number at all, or numbers that are not
 * finite as float32
 */
export function datasetOf(array: NumericArray, { name, file, labels }: ArrayNames): Dataset {
  const layout = layoutOf(array.shape, file);
  const { data, kind } = valuesOf(array, file);
  return new Dataset({
    name,
    shape: layout.shape,
    kind,
    data: layout.arrange(data),
    ...(labels && { labels: labelsOf(labels, array.shape[0]!, file) }),
  });
}

/**
 * The shape of an example of such an array, and a function that arranges examples in that shape.
 *
 * @throws TorchvaeError ERR_DATA_FORMAT for fewer than two or more than five extents, or no number at all
 */
export function layoutOf(
  shape: readonly number[],
  file: string,
): { shape: readonly number[]; arrange<T extends Uint8Array | Float32Array>(data: T): T } {
  const isEmpty = shape.length < 2 || shape.includes(0);
  if (isEmpty || shape.length > 5) {
    const what = isEmpty ? 'examples of at least one number' : 'at most five extents';
    const advice = 'Name the file of the examples, not that of the labels.';
    throw badData(file, `expected ${what} but received an array of ${shape.join(' x ')}. ${advice}`);
  }
  const inner = shape.slice(1);
  if (isChannelsLast(inner)) {
    const [height, width, channels] = inner as [number, number, number];
    return {
      shape: [channels, height, width],
      arrange: (data) => channelsFirst(data, height * width, channels),
    };
  }
  return { shape: inner.length === 2 ? [1, ...inner] : inner, arrange: (data) => data };
}

/**
 * Labels from an array of [n] or [n, 1] whole numbers.
 *
 * @throws TorchvaeError ERR_DATA_FORMAT
 */
export function labelsOf({ shape, data }: NumericArray, count: number, file: string): Int32Array {
  if (data.length !== count || shape[0] !== count) {
    throw badData(
      file,
      `expected ${count} labels, one an example, but their array is ${shape.join(' x ') || 'a single number'}`,
    );
  }
  const labels = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const value = Number(data[i]);
    if (!Number.isInteger(value) || value < 0 || value > 2 ** 31 - 1) {
      throw badData(file, `expected whole numbers from 0 as labels but that of example ${i} is ${value}`);
    }
    labels[i] = value;
  }
  return labels;
}

/**
 * The numbers as a data set holds them, and their narrowest kind.
 *
 * @param first the place of the first example among all, for messages
 * @throws TorchvaeError ERR_DATA_FORMAT for numbers that are not finite as float32
 */
export function valuesOf(
  { data, shape, isBoolean }: NumericArray,
  file: string,
  first = 0,
): { data: Uint8Array | Float32Array; kind: DataKind } {
  if (data instanceof Uint8Array) {
    return isBoolean ? { data: data.map((bit) => (bit ? 255 : 0)), kind: 'binary' } : { data, kind: 'unit' };
  }
  const floats =
    data instanceof Float32Array
      ? data
      : allocate(file, 4 * data.length, () => {
          const copy = new Float32Array(data.length);
          for (let i = 0; i < copy.length; i++) copy[i] = Number(data[i]);
          return copy;
        });
  let kind: DataKind = 'binary';
  for (let i = 0; i < floats.length; i++) {
    const value = floats[i]!;
    if (!Number.isFinite(value)) throw notFinite(file, Number(data[i]), i, shape, first);
    if (kind === 'binary' && value !== 0 && value !== 1) kind = 'unit';
    if (kind === 'unit' && (value < 0 || value > 1)) kind = 'real';
  }
  return { data: floats, kind };
}

function notFinite(
  file: string,
  value: number,
  index: number,
  shape: readonly number[],
  first: number,
): TorchvaeError {
  const size = shape.slice(1).reduce((product, extent) => product * extent, 1);
  const place = `example ${first + Math.floor(index / size)}, number ${index % size}`;
  return badData(file, `expected numbers that are finite as float32 but received ${value} at ${place}`);
}

function isChannelsLast(inner: readonly number[]): boolean {
  const isColor = (extent: number | undefined) => extent === 1 || extent === 3;
  return inner.length === 3 && isColor(inner[2]) && !isColor(inner[0]);
}

/** [n, height, width, channels] to [n, channels, height, width]. */
function channelsFirst<T extends Uint8Array | Float32Array>(data: T, pixels: number, channels: number): T {
  if (channels === 1) return data;
  const moved = data.slice() as T;
  for (let start = 0; start < data.length; start += pixels * channels) {
    for (let i = 0; i < pixels; i++) {
      for (let c = 0; c < channels; c++) moved[start + c * pixels + i] = data[start + i * channels + c]!;
    }
  }
  return moved;
}
