import { types } from 'node:util';
import { expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import type { DataKind } from './checks.ts';
import { darkNotes, Spread } from './scale-notes.ts';

/** The examples that a caller may give: a flat array, or one row of numbers for each example. */
export type Values = Uint8Array | Float32Array | Float64Array | readonly (readonly number[])[];

type FlatValues = Uint8Array | Float32Array | Float64Array;

/** `binary` where all finite values are 0 or 1 (or all bytes 0 or 255), else `unit` where all lie in [0, 1], else `real`. */
export function inferKind(values: Values): DataKind {
  const rows = flatRows(values);
  if (rows.every((row) => every(row, (value) => value === 0 || value === 1 || !Number.isFinite(value))))
    return 'binary';
  if (types.isUint8Array(values))
    return every(values, (byte) => byte === 0 || byte === 255) ? 'binary' : 'unit';
  return rows.every((row) => every(row, (value) => (value >= 0 && value <= 1) || !Number.isFinite(value)))
    ? 'unit'
    : 'real';
}

/** A copy of the values in the form that `Dataset` keeps, and the length of a row if there were rows. */
export function convertValues(
  values: Values,
  kind: DataKind,
): { data: Uint8Array | Float32Array; rowLength: number | undefined } {
  if (types.isUint8Array(values) && (kind === 'unit' || kind === 'binary')) {
    return { data: kind === 'unit' ? values.slice() : binaryBytes(values), rowLength: undefined };
  }
  const rows = flatRows(values);
  const rowLength = Array.isArray(values) ? checkRows(rows) : undefined;
  const data = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
  let offset = 0;
  rows.forEach((row, i) => {
    put(row, data, offset, rowLength === undefined ? '' : `[${i}]`);
    offset += row.length;
  });
  return { data, rowLength };
}

/** For people: what stands out of the values of examples of this shape, as they were given. */
export function notesOnScale(values: Values, kind: DataKind, shape: readonly number[]): string[] {
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (types.isUint8Array(values)) return kind === 'unit' ? darkNotes(values, values.length / size, true) : [];
  if (kind !== 'real') return [];
  const spread = new Spread(shape.length > 1 ? 1 : shape[0]!);
  for (const row of flatRows(values)) spread.add(row);
  return spread.notes;
}

function flatRows(values: Values): readonly (readonly number[] | FlatValues)[] {
  if (Array.isArray(values)) {
    values.forEach((row, i) => {
      if (Array.isArray(row) || ArrayBuffer.isView(row)) return;
      throw new TorchvaeError('ERR_TYPE', expected('an array of numbers', `values[${i}]`, row));
    });
    return values;
  }
  if (types.isUint8Array(values) || types.isFloat32Array(values) || types.isFloat64Array(values)) {
    return [values];
  }
  const what = 'a Uint8Array, Float32Array, Float64Array or an array of rows of numbers';
  throw new TorchvaeError('ERR_TYPE', expected(what, 'values', values));
}

function every(row: readonly number[] | FlatValues, test: (value: number) => boolean): boolean {
  for (let i = 0; i < row.length; i++) if (!test(row[i]!)) return false;
  return true;
}

/** The length that all rows have. */
function checkRows(rows: readonly (readonly number[] | FlatValues)[]): number {
  const first = rows[0]?.length ?? 0;
  if (first === 0)
    throw new TorchvaeError('ERR_SHAPE', expected('rows of at least one number', 'values', rows));
  rows.forEach((row, i) => {
    if (row.length !== first) {
      throw new TorchvaeError('ERR_SHAPE', expected(`${first} numbers, as in row 0,`, `values[${i}]`, row));
    }
  });
  return first;
}

/** Copies a row into `data`; refuses values that are not numbers. `Dataset` checks the rest. */
function put(row: readonly number[] | FlatValues, data: Float32Array, offset: number, at: string): void {
  for (let i = 0; i < row.length; i++) {
    const value = row[i]!;
    if (typeof value !== 'number') {
      throw new TorchvaeError('ERR_TYPE', expected('a number', `values${at}[${i}]`, value));
    }
    data[offset + i] = value;
  }
}

/** 0 and 1 become the bytes 0 and 255; other bytes stay as they are, and `Dataset` refuses all but 0 and 255. */
function binaryBytes(values: Uint8Array): Uint8Array {
  return every(values, (value) => value <= 1) ? values.map((value) => value * 255) : values.slice();
}
