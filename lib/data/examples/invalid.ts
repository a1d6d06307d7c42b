import { types } from 'node:util';

/** Examples that hold NaN or an infinity: they have no score, and training refuses them. */
export interface InvalidExamples {
  readonly count: number;
  /** The first value that is not finite, by its example and its number within that. */
  readonly first: { readonly example: number; readonly number: number; readonly value: number };
}

/** Whether a row of `size` values holds NaN or an infinity. */
export function isInvalid(data: Uint8Array | Float32Array, size: number, row: number): boolean {
  if (types.isUint8Array(data)) return false;
  for (let i = row * size; i < (row + 1) * size; i++) if (!Number.isFinite(data[i])) return true;
  return false;
}

/**
 * The invalid ones among examples of `size` values; undefined where there are none.
 *
 * @param before examples of the same source that come before these
 */
export function invalidIn(
  data: Uint8Array | Float32Array,
  size: number,
  before = 0,
): InvalidExamples | undefined {
  if (types.isUint8Array(data)) return undefined;
  let count = 0;
  let first = -1;
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) continue;
    if (first < 0) first = i;
    count++;
    // The rest of this example changes nothing.
    i += size - 1 - (i % size);
  }
  if (first < 0) return undefined;
  const example = before + Math.floor(first / size);
  return { count, first: { example, number: first % size, value: data[first]! } };
}

/** The invalid examples of two parts together, of which `b` comes behind. */
export function joinedInvalid(
  a: InvalidExamples | undefined,
  b: InvalidExamples | undefined,
): InvalidExamples | undefined {
  return a && b ? { ...a, count: a.count + b.count } : (a ?? b);
}

/** For people: `2 of 600 examples hold NaN or an infinity, the first is example 66, number 20 (NaN); ...`. */
export function notesOnInvalid(invalid: InvalidExamples | undefined, length: number): string[] {
  if (!invalid) return [];
  const { count, first } = invalid;
  const which = `the first is example ${first.example}, number ${first.number} (${first.value})`;
  return [
    `${count} of ${length} examples ${count === 1 ? 'holds' : 'hold'} NaN or an infinity, ${which}; such examples have no score, and training refuses them`,
  ];
}
