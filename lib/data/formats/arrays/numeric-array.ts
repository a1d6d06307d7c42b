import { types } from 'node:util';
import { Dataset } from '../../dataset.ts';
import { invalidIn, notesOnInvalid } from '../../examples/invalid.ts';
import {
  type Conversion,
  checkPixelOptions,
  conversionOf,
  convert,
  type Numbers,
  type NumericData,
  type PixelOptions,
  survey,
} from '../../examples/pixels.ts';
import { darkNotes, Spread } from '../../examples/scale-notes.ts';
import { badData } from '../../files/source.ts';

/** Numbers in an arrangement, as a file holds them. */
export interface NumericArray {
  /** The extents, slowest first. */
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: NumericData;
  /** Whether the numbers are truth values. */
  readonly isBoolean?: boolean;
}

/** An array of an open file, whose rows are read a few at a time. A row is one index of the first extent. */
export interface ArrayRows {
  readonly shape: readonly number[];
  /** Bytes of one row in the file. */
  readonly rowLength: number;
  /** @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT where the file has ended before, naming the byte offset */
  read(first: number, count: number): Promise<NumericArray>;
}

/** What {@link datasetOf} needs beside the numbers. */
export interface ArrayNames {
  /** Of the data set. */
  name: string;
  /** What error messages call the array. */
  file: string;
  /** One for each example. */
  labels?: NumericArray;
  /** The names of the classes, by label. */
  classes?: readonly string[];
  /** For people, beside those on the numbers. */
  notes?: readonly string[];
}

/**
 * Examples of an array whose first extent counts them. Images get a channel: 60000 x 28 x 28 numbers are examples of [1, 28, 28]. Four
 * extents whose last is 1 to 4, and whose second is larger, are images with the channels last, which are put first.
 *
 * @throws TorchvaeError ERR_DATA_FORMAT for fewer than two or more than five extents, or no number at all; ERR_TYPE and ERR_RANGE for
 * options, and for values that `kind` does not allow
 */
export function datasetOf(
  array: NumericArray,
  { name, file, labels, classes, notes = [] }: ArrayNames,
  options: PixelOptions = {},
): Dataset {
  checkPixelOptions(options);
  const layout = layoutOf(array.shape, file);
  const numbers = numbersOf(array);
  const conversion = conversionOf(survey(numbers), options);
  const data = convert(numbers, conversion, file, placesIn(array.shape));
  const length = array.shape[0]!;
  return new Dataset({
    name,
    notes: [
      ...lookNotes(array.shape, numbers, conversion, liesInBytes(data)),
      ...notesOnInvalid(invalidIn(data, data.length / length), length),
      ...notes,
    ],
    shape: layout.shape,
    kind: conversion.kind,
    data: layout.arrange(data),
    ...(labels && { labels: labelsOf(labels, length, file) }),
    ...(labels && classes && { classes }),
  });
}

const AS_PIXELS = 'divide them by 255, or write them as uint8';

/** What people should know of numbers that look like pixels and are not taken for them. */
export const LIKE_PIXELS = `numbers up to 255 are kept as they are; if they are pixels, ${AS_PIXELS}`;

/**
 * What people should know of how the numbers of a whole array look, of which those of kind `real` are kept as they are, and bytes are divided
 * by 255.
 */
function lookNotes(
  shape: readonly number[],
  { type, data }: Numbers,
  { kind }: Conversion,
  isInBytes: boolean,
): string[] {
  if (mayBePixels(shape, type, { kind }) && isInBytes) return [LIKE_PIXELS];
  const dark = kind === 'categorical' ? [] : darkNotes(data, shape[0]!, type === 'bytes' && kind === 'unit');
  if (dark.length > 0 || kind !== 'real') return dark;
  const spread = spreadOf(shape);
  spread.add(data);
  return spread.notes;
}

/** For the spread at each place of a vector, and over all of a picture, whose edges vary little. */
export function spreadOf(shape: readonly number[]): Spread {
  return new Spread(shape.length > 2 ? 1 : shape[1]!);
}

/** Whether numbers of this arrangement, if all lie in those of a byte, look like pixels that are kept as they are. */
export function mayBePixels(
  shape: readonly number[],
  type: Numbers['type'],
  { kind }: Pick<Conversion, 'kind'>,
): boolean {
  return type === 'numbers' && kind === 'real' && shape.length > 2;
}

/** Whether all numbers lie between those of a byte. */
export function liesInBytes(data: Uint8Array | Float32Array): boolean {
  return data.every((value) => value >= 0 && value <= 255);
}

/** The numbers of an array: 16 bits without a sign are levels of pixels where the examples are images. */
export function numbersOf({ data, shape, isBoolean }: NumericArray): Numbers {
  if (isBoolean) return { type: 'bits', data };
  if (types.isUint8Array(data)) return { type: 'bytes', data };
  return { type: types.isUint16Array(data) && shape.length > 2 ? 'levels' : 'numbers', data };
}

/**
 * Names the places of numbers in an array.
 *
 * @param first the place of the first example among all
 */
export function placesIn(shape: readonly number[], first = 0): (index: number) => string {
  const size = shape.slice(1).reduce((product, extent) => product * extent, 1);
  return (index) => `example ${first + Math.floor(index / size)}, number ${index % size}`;
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
  const found = shape.length === 0 ? 'a single number' : `an array of ${shape.join(' x ')}`;
  if (shape.length > 5) {
    throw badData(
      file,
      `expected at most five extents but received ${found}; reshape the examples to vectors or images`,
    );
  }
  if (shape.length < 2 || shape.includes(0)) {
    const advice = shape.includes(0)
      ? 'it holds none'
      : 'name the file of the examples, not that of the labels; of one number an example, reshape(-1, 1) makes rows';
    throw badData(file, `expected examples of at least one number but received ${found}; ${advice}`);
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
    const advice = shape.length === 2 && shape[0] === count ? '; of a one-hot array take the argmax' : '';
    throw badData(
      file,
      `expected ${count} labels, one an example, but their array is ${shape.join(' x ') || 'a single number'}${advice}`,
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

/** 1 and 3 channels are more likely than 2 and 4, where both the first and the last extent can be meant. */
function isChannelsLast(inner: readonly number[]): boolean {
  const [first, , last] = inner;
  if (inner.length !== 3) return false;
  const isUsual = (extent: number) => extent === 1 || extent === 3;
  return isUsual(last!) ? !isUsual(first!) : last! <= 4 && first! > 4;
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
