import { badData } from '../files/source.ts';
import { isCode, numberIn, timeIn } from './cells.ts';
import { option } from './learning.ts';
import { type CategoricalColumn, placeOf, type Table } from './table.ts';
import { UNREAD } from './unread.ts';

/** The share of numbers, or of dates, from which the other cells are taken for mistakes. */
const NEARLY_ALL = 0.9;
/** The share from which they are where the numbers are as many different ones as no categories are. */
const MANY = { share: 0.5, different: 20 };
/** Words are taken for names of the rows from this share of different ones on, in so many rows. */
const NEARLY_DISTINCT = [
  { rows: 20, share: 0.8 },
  { rows: 100, share: 0.5 },
];

/** A cell that is neither a number nor a date, and its place. */
export interface OddCell {
  readonly place: string;
  readonly cell: string;
}

/** The first odd cell of a column. */
export function firstOdd({ name, values, categories }: CategoricalColumn, table: Table): OddCell | undefined {
  const isOdd = categories.map((cell) => !isNumber(cell) && !isDate(cell));
  const row = values.findIndex((code) => code >= 0 && isOdd[code]!);
  return row < 0 ? undefined : { place: placeOf(row, name, table), cell: categories[values[row]!]! };
}

/**
 * Refuses a column that would become categories by mistake.
 *
 * @param counts how often each category came
 * @throws TorchvaeError ERR_DATA_FORMAT for other cells among numbers or dates, for dates and numbers that are written in a way which is
 * not read, and for words that are nearly all different; it names row, column, cell and the options that settle it
 */
export function checkKind(
  name: string,
  counts: ReadonlyMap<string, number>,
  odd: OddCell | undefined,
  file: string,
): void {
  const all = sum(counts, () => true);
  for (const [what, isOne] of [
    ['number', isNumber],
    ['date', isDate],
  ] as const) {
    const share = sum(counts, isOne) / all;
    const different = [...counts.keys()].filter(isOne).length;
    const isMeant = share >= NEARLY_ALL || (share >= MANY.share && different >= MANY.different);
    if (odd && isMeant && share < 1) throw oddCell(name, what, odd, file);
  }
  for (const unread of UNREAD) if (odd) checkUnread(name, counts, odd, unread, file);
  const isName = NEARLY_DISTINCT.some(({ rows, share }) => all >= rows && counts.size >= share * all);
  if (!isName) return;
  const example = odd ? `, such as ${JSON.stringify(odd.cell.slice(0, 60))} (${odd.place})` : '';
  throw badData(
    file,
    `column ${JSON.stringify(name)}: expected words that come again but ${counts.size} of ${all} are different${example}; ${ways(name)}`,
  );
}

/** Refuses a column of cells of one form that is not read, beside numbers or dates. */
function checkUnread(
  name: string,
  counts: ReadonlyMap<string, number>,
  odd: OddCell,
  { kind, isOne, what, advice, different = 1 }: (typeof UNREAD)[number],
  file: string,
): void {
  const found = [...counts.keys()].filter(isOne);
  if (found.length < different) return;
  const isRead = kind === 'date' ? isDate : isNumber;
  if (sum(counts, (cell) => isOne(cell) || isRead(cell)) < NEARLY_ALL * sum(counts, () => true)) return;
  const shown = JSON.stringify((isOne(odd.cell) ? odd.cell : found[0]!).slice(0, 60));
  throw badData(
    file,
    `${odd.place}: expected a number or a date in ISO 8601 but the cells are ${what}, such as ${shown}; ${advice}, or ${ways(name)}`,
  );
}

/** The error for another cell among numbers or dates. */
export function oddCell(
  name: string,
  what: 'number' | 'date',
  { place, cell }: OddCell,
  file: string,
): Error {
  const shown = JSON.stringify(cell.slice(0, 60));
  return badData(
    file,
    `${place}: expected a ${what}, as most cells of the column are, but received ${shown}; correct it, take out the row if it holds units, names or totals, say that it stands for a ` +
      `missing value (missing: ['', 'NA', ${shown}], instead of the usual texts), or that the column holds categories (${option(name, 'categorical')})`,
  );
}

function ways(name: string): string {
  return `leave the column out (${option(name, 'ignore')}), or say that it holds categories (${option(name, 'categorical')})`;
}

function sum(counts: ReadonlyMap<string, number>, isCounted: (cell: string) => boolean): number {
  let total = 0;
  for (const [cell, count] of counts) if (isCounted(cell)) total += count;
  return total;
}

/** A code, such as a postcode with a leading zero, goes with words. */
function isNumber(cell: string): boolean {
  return !isCode(cell) && numberIn(cell) !== undefined;
}

function isDate(cell: string): boolean {
  return timeIn(cell) !== undefined;
}
