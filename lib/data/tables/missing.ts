import { types } from 'node:util';
import { expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { numberIn } from './cells.ts';

/** The texts that stand for a missing value, unless others are given. */
export const MISSING: readonly string[] = [
  '',
  ...[
    'NA',
    'N/A',
    'n/a',
    'n.a.',
    'N.A.',
    '#N/A',
    '#N/A N/A',
    '#NA',
    '<NA>',
    'NaN',
    'nan',
    '-nan',
    '-NaN',
    'NaT',
  ],
  ...['null', 'NULL', 'Null', '(null)', '\\N', 'None', '-', '--', '.', '?'],
  // Of Excel, and of Microsoft's C.
  ...['#DIV/0!', '#VALUE!', '#REF!', '#NAME?', '#NUM!', '#NULL!'],
  ...['1.#IND', '-1.#IND', '1.#QNAN', '-1.#QNAN'],
];

/** Tells which cells hold no value: null, undefined, NaN, invalid dates and what is named, a number in whatever form: `-999` and `-999.0`. */
export class MissingValues {
  readonly #texts: ReadonlySet<string>;
  readonly #numbers: ReadonlySet<number>;

  /** @param texts that stand for a missing value */
  constructor(texts: readonly string[] = MISSING) {
    this.#texts = new Set(texts);
    this.#numbers = new Set(
      texts.flatMap((text) => numberIn(text) ?? []).filter((number) => !Number.isNaN(number)),
    );
  }

  /** Whether numbers stand for missing values. */
  get hasNumbers(): boolean {
    return this.#numbers.size > 0;
  }

  has(cell: unknown): boolean {
    if (cell === null || cell === undefined) return true;
    if (typeof cell === 'string') {
      if (this.#texts.has(cell.trim())) return true;
      return this.#numbers.size > 0 && this.#numbers.has(numberIn(cell) ?? Number.NaN);
    }
    if (typeof cell === 'number') return Number.isNaN(cell) || this.#numbers.has(cell);
    if (typeof cell === 'bigint') return this.#numbers.has(Number(cell));
    return types.isDate(cell) && Number.isNaN(cell.getTime());
  }
}

/** @throws TorchvaeError ERR_TYPE unless these are texts, if they are given */
export function checkMissing(texts: unknown): asserts texts is readonly string[] | undefined {
  if (texts === undefined || (Array.isArray(texts) && texts.every((text) => typeof text === 'string')))
    return;
  throw new TorchvaeError('ERR_TYPE', expected('an array of strings', 'missing', texts));
}
