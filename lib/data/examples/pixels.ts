import { types } from 'node:util';
import { checkBoolean, checkInteger, checkOneOf, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { allocate, badData } from '../files/source.ts';
import type { DataKind } from './checks.ts';

/** How numbers of a file become the values of examples, for arrays and images alike. */
export interface PixelOptions {
  /**
   * What the values are. Default: `binary` where all are 0 or 1 (of bytes also 0 or 255), else `unit` where they are bytes or levels, or
   * lie in [0, 1], else `real`. Bytes and levels of kind `real` or `categorical` are taken as the numbers that they are.
   */
  kind?: DataKind;
  /** The level of 16-bit images that becomes 1. Default: the least of 255, 1023, 4095, 16383 and 65535 that holds all levels. */
  maxLevel?: number;
  /** Whether black and white change places: values v of kind `binary` and `unit` become 1 - v. Default false. */
  invert?: boolean;
}

export const PIXEL_OPTIONS = ['kind', 'maxLevel', 'invert'] as const;

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

/** Numbers of a file: truth values, pixels of 8 bits (`bytes`), pixels of 16 bits (`levels`), or any others. */
export interface Numbers {
  readonly type: 'bits' | 'bytes' | 'levels' | 'numbers';
  readonly data: NumericData;
}

/** What numbers have been seen: enough to know what all of them are. */
export interface Survey {
  readonly kind: DataKind;
  /** The greatest byte, level or truth value. */
  readonly max: number;
}

/** How numbers become values, settled once for all examples of a data set. */
export interface Conversion {
  readonly kind: DataKind;
  /** The level that becomes 1. */
  readonly maxLevel: number;
  readonly invert: boolean;
}

/** The greatest levels of cameras and scanners: 8, 10, 12, 14 and 16 bits. */
const LEVELS = [255, 1023, 4095, 16_383, 65_535];

/** Kinds from narrow to wide: the values of each are also values of the next. */
export const NUMBER_KINDS = ['binary', 'unit', 'real'] as const;

/** How wide a kind is among {@link NUMBER_KINDS}; -1 for `categorical`. */
export function kindWidth(kind: DataKind): number {
  return NUMBER_KINDS.indexOf(kind as (typeof NUMBER_KINDS)[number]);
}

/** @throws TorchvaeError ERR_TYPE, ERR_RANGE */
export function checkPixelOptions({ kind, maxLevel, invert }: PixelOptions): void {
  if (kind !== undefined) checkOneOf('kind', kind, ['binary', 'unit', 'real', 'categorical']);
  if (maxLevel !== undefined) checkInteger('maxLevel', maxLevel, 1, 65_535);
  if (invert !== undefined) checkBoolean('invert', invert);
}

/** The narrowest kind of the numbers that are finite. */
export function survey({ type, data }: Numbers): Survey {
  if (type === 'bits') return { kind: 'binary', max: 1 };
  let max = 0;
  if (type === 'bytes' || type === 'levels') {
    let isBinary = true;
    for (let i = 0; i < data.length; i++) {
      const value = data[i] as number;
      if (value > max) {
        isBinary &&= max === 0 && (value === 1 || (value === 255 && type === 'bytes'));
        max = value;
      } else if (value < max && value !== 0) isBinary = false;
      if (!isBinary && type === 'bytes') return { kind: 'unit', max: 255 };
    }
    return { kind: isBinary ? 'binary' : 'unit', max };
  }
  let kind: DataKind = 'binary';
  for (let i = 0; i < data.length; i++) {
    const value = Math.fround(Number(data[i]));
    if (!Number.isFinite(value)) continue;
    if (kind === 'binary' && value !== 0 && value !== 1) kind = 'unit';
    if (!(value >= 0 && value <= 1)) return { kind: 'real', max };
  }
  return { kind, max };
}

/** The survey of two parts together. */
export function merged(a: Survey, b: Survey): Survey {
  const max = Math.max(a.max, b.max);
  const isMixed = a.max > 0 && b.max > 0 && a.max !== b.max;
  const kind = kindWidth(a.kind) > kindWidth(b.kind) ? a.kind : b.kind;
  return { kind: kind === 'binary' && isMixed ? 'unit' : kind, max };
}

/** Whether nothing that follows can change what is known of numbers of this type. */
export function isSettled({ kind, max }: Survey, type: Numbers['type']): boolean {
  if (type === 'bits') return true;
  if (type === 'bytes') return kind === 'unit';
  return type === 'levels' ? max === 65_535 && kind === 'unit' : kind === 'real';
}

/** The conversion that the options ask for, with what the survey found for those that are not given. */
export function conversionOf({ kind, max }: Survey, options: PixelOptions): Conversion {
  const found = options.kind ?? kind;
  const least = found === 'binary' ? 1 : LEVELS.find((level) => max <= level)!;
  return { kind: found, maxLevel: options.maxLevel ?? least, invert: options.invert ?? false };
}

/** Whether the values are kept as bytes b that mean b/255. */
export function isBytes(type: Numbers['type'], kind: DataKind): boolean {
  return (type === 'bits' || type === 'bytes') && (kind === 'binary' || kind === 'unit');
}

/**
 * The numbers as values of examples; beyond float32 they are infinite.
 *
 * @param file for messages
 * @param placeOf names the place of a number, such as `example 3, number 7`
 * @throws TorchvaeError ERR_DATA_FORMAT for levels above the greatest; ERR_RANGE where values are to be inverted that do not lie in [0, 1]
 */
export function convert(
  numbers: Numbers,
  conversion: Conversion,
  file: string,
  placeOf: (index: number) => string,
): Uint8Array | Float32Array {
  const { kind, invert } = conversion;
  if (invert && kind !== 'binary' && kind !== 'unit') {
    throw new TorchvaeError(
      'ERR_RANGE',
      `${expected('data in [0, 1]', 'invert', kind)} (${file}); leave it out`,
    );
  }
  if (isBytes(numbers.type, kind)) {
    const bytes = numbers.data as Uint8Array;
    const isBits = numbers.type === 'bits' || (kind === 'binary' && bytes.every((byte) => byte <= 1));
    if (isBits) return bytes.map((bit) => (bit > 0 !== invert ? 255 : 0));
    return invert ? bytes.map((byte) => 255 - byte) : bytes;
  }
  const isScaled = numbers.type === 'levels' && (kind === 'binary' || kind === 'unit');
  const values = isScaled
    ? scaled(numbers.data, conversion.maxLevel, file, placeOf)
    : asFloats(numbers.data, file);
  return invert ? values.map((value) => 1 - value) : values;
}

function scaled(
  levels: NumericData,
  maxLevel: number,
  file: string,
  placeOf: (index: number) => string,
): Float32Array {
  const values = allocate(file, 4 * levels.length, () => new Float32Array(levels.length));
  for (let i = 0; i < values.length; i++) {
    const level = levels[i] as number;
    if (level > maxLevel)
      throw badData(
        file,
        `expected levels of at most ${maxLevel} but received ${level} at ${placeOf(i)}; give maxLevel`,
      );
    values[i] = level / maxLevel;
  }
  return values;
}

function asFloats(data: NumericData, file: string): Float32Array {
  if (types.isFloat32Array(data)) return data;
  return allocate(file, 4 * data.length, () => {
    const copy = new Float32Array(data.length);
    for (let i = 0; i < copy.length; i++) copy[i] = Number(data[i]);
    return copy;
  });
}
