import { badData } from '../files/source.ts';
import { MAX_CATEGORIES } from './fields.ts';

/** Whole numbers by their size, before words by their characters; the same on every machine. */
export function inOrder(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => (/^-?\d+$/.test(text) ? Number(text) : Infinity)) as [number, number];
  return x === y ? (a < b ? -1 : a > b ? 1 : 0) : x - y;
}

/** The error for a column without any value. */
export function noValue(name: string, file: string): Error {
  return badData(
    file,
    `column ${JSON.stringify(name)}: expected values but all training rows miss theirs; ignore the column (${option(name, 'ignore')})`,
  );
}

/** The error for a column of too many categories. */
export function tooMany(name: string, count: string, file: string): Error {
  const advice = `is it a name of the row? Ignore it (${option(name, 'ignore')}), or say that it is numeric (${option(name, 'numeric')})`;
  return badData(
    file,
    `column ${JSON.stringify(name)}: expected at most ${MAX_CATEGORIES} categories but there are ${count}; ${advice}`,
  );
}

/** The option that sets the type of a column, as it is written. */
export function option(name: string, type: string): string {
  return `columns: { ${JSON.stringify(name)}: '${type}' }`;
}
