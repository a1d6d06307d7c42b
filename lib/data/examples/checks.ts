import { types } from 'node:util';
import { checkInteger, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';

/**
 * What the values of a data set are, which decides the likelihoods that suit it: `binary` 0 or 1; `unit` in [0, 1],
 * such as the intensities of pixels; `real` any finite number; `categorical` whole numbers from 0, such as tokens.
 */
export type DataKind = 'binary' | 'unit' | 'real' | 'categorical';

/** One known cause of variation: `size` values, numbered from 0; size 0 means that it is a continuous number. */
export interface Factor {
  readonly name: string;
  readonly size: number;
}

/** A frozen copy of the shape of one example: one to four extents of at least 1. */
export function checkShape(shape: unknown): readonly number[] {
  if (!Array.isArray(shape)) {
    throw new TorchvaeError('ERR_TYPE', expected('an array such as [1, 28, 28]', 'shape', shape));
  }
  if (shape.length < 1 || shape.length > 4) {
    throw new TorchvaeError('ERR_SHAPE', expected('one to four extents', 'shape', shape));
  }
  return Object.freeze(Array.from(shape, (extent, i) => checkInteger(`shape[${i}]`, extent, 1, 2 ** 31 - 1)));
}

/** Checks type and length of the data, and that `kind` allows every value that is finite. */
export function checkValues(data: unknown, shape: readonly number[], kind: DataKind): void {
  if (!types.isUint8Array(data) && !types.isFloat32Array(data)) {
    throw new TorchvaeError('ERR_TYPE', expected('a Uint8Array or Float32Array', 'data', data));
  }
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (data.length === 0 || data.length % size !== 0) {
    const what = `a multiple of ${size} values (examples of ${shape.join('x')})`;
    throw new TorchvaeError('ERR_SHAPE', expected(what, 'data', data));
  }
  if (types.isUint8Array(data) && (kind === 'real' || kind === 'categorical')) {
    const what = `a Float32Array (a byte means pixel/255, so bytes cannot be ${kind})`;
    throw new TorchvaeError('ERR_TYPE', expected(what, 'data', data));
  }
  const bad = types.isUint8Array(data) ? findBadByte(data, kind) : findBadFloat(data, kind);
  if (bad < 0) return;
  const bytes = types.isUint8Array(data) ? ' as bytes' : '';
  const what =
    kind === 'categorical'
      ? 'whole numbers from 0 to 16777215'
      : kind === 'unit'
        ? 'numbers in [0, 1]'
        : `0 or ${bytes ? 255 : 1}`;
  const message = `Expected ${what}${bytes} for data of kind ${kind} but received ${data[bad]} at ${place(bad, shape, size)}`;
  throw new TorchvaeError('ERR_RANGE', message);
}

function findBadByte(data: Uint8Array, kind: DataKind): number {
  return kind === 'binary' ? data.findIndex((byte) => byte !== 0 && byte !== 255) : -1;
}

/** Index of the first finite value that `kind` does not allow, or -1. */
function findBadFloat(data: Float32Array, kind: DataKind): number {
  if (kind === 'real') return -1;
  const { length } = data;
  for (let i = 0; i < length; i++) {
    const value = data[i]!;
    const good =
      kind === 'unit'
        ? value >= 0 && value <= 1
        : kind === 'binary'
          ? value === 0 || value === 1
          : value >= 0 && value < 2 ** 24 && Number.isInteger(value);
    if (!good && Number.isFinite(value)) return i;
  }
  return -1;
}

/** "index 795 (example 1, place [0, 0, 11])". */
function place(index: number, shape: readonly number[], size: number): string {
  const inside: number[] = [];
  let rest = index % size;
  for (const extent of [...shape].reverse()) {
    inside.unshift(rest % extent);
    rest = Math.floor(rest / extent);
  }
  return `index ${index} (example ${Math.floor(index / size)}, place [${inside.join(', ')}])`;
}

/** One label of at least 0 for each example, each with a name if there are names. */
export function checkLabels(labels: unknown, classes: unknown, length: number): void {
  if (classes !== undefined) checkClasses(classes, labels);
  if (labels === undefined) return;
  if (!types.isInt32Array(labels)) {
    throw new TorchvaeError('ERR_TYPE', expected('an Int32Array', 'labels', labels));
  }
  if (labels.length !== length) {
    throw new TorchvaeError('ERR_SHAPE', expected(`${length} numbers, one an example,`, 'labels', labels));
  }
  const limit = Array.isArray(classes) ? classes.length : 2 ** 31;
  const bad = labels.findIndex((label) => label < 0 || label >= limit);
  if (bad >= 0) checkInteger(`labels[${bad}]`, labels[bad], 0, limit - 1);
}

function checkClasses(classes: unknown, labels: unknown): void {
  if (!Array.isArray(classes) || !classes.every((name) => typeof name === 'string')) {
    throw new TorchvaeError('ERR_TYPE', expected('an array of strings', 'classes', classes));
  }
  if (labels === undefined)
    throw new TorchvaeError('ERR_TYPE', expected('labels beside classes', 'labels', labels));
}

/** `factorValues` is [length, factors], each value within its factor. */
export function checkFactors(factors: readonly Factor[], values: unknown, length: number): void {
  if (!Array.isArray(factors)) {
    throw new TorchvaeError('ERR_TYPE', expected('an array of { name, size }', 'factors', factors));
  }
  factors.forEach((factor, i) => {
    if (typeof factor?.name !== 'string') {
      throw new TorchvaeError('ERR_TYPE', expected('{ name, size }', `factors[${i}]`, factor));
    }
    checkInteger(`factors[${i}].size`, factor.size, 0);
  });
  if (values === undefined && factors.length === 0) return;
  if (!types.isInt32Array(values) && !types.isFloat32Array(values)) {
    throw new TorchvaeError('ERR_TYPE', expected('an Int32Array or Float32Array', 'factorValues', values));
  }
  if (values.length !== length * factors.length) {
    const what = `${length} x ${factors.length} numbers (examples x factors)`;
    throw new TorchvaeError('ERR_SHAPE', expected(what, 'factorValues', values));
  }
  for (let i = 0; i < values.length; i++) {
    const { name, size } = factors[i % factors.length]!;
    const value = values[i]!;
    const good = size === 0 ? Number.isFinite(value) : Number.isInteger(value) && value >= 0 && value < size;
    if (good) continue;
    const what = size === 0 ? 'a finite number' : `an integer from 0 to ${size - 1}`;
    throw new TorchvaeError('ERR_RANGE', expected(`${what} (factor ${name})`, `factorValues[${i}]`, value));
  }
}

/** @throws TorchvaeError ERR_TYPE, ERR_RANGE for labels that are not whole numbers */
export function wholeNumbers(labels: Int32Array | readonly number[]): Int32Array {
  if (types.isInt32Array(labels)) return Int32Array.from(labels);
  if (!Array.isArray(labels)) {
    throw new TorchvaeError('ERR_TYPE', expected('an Int32Array or an array of integers', 'labels', labels));
  }
  return Int32Array.from(labels, (label, i) => checkInteger(`labels[${i}]`, label, 0, 2 ** 31 - 1));
}
