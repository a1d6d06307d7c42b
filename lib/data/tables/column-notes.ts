import { short } from '../../counted.ts';
import { timeText } from './cells.ts';
import type { DateField, Field, NumericField } from './fields.ts';
import { option } from './learning.ts';
import { columnsOf, emptyIn, type Table } from './table.ts';

/** The share of dates beyond those of the training rows from which these are no few that chance left out. */
const MANY_DATES = 0.05;
/** The same of numbers, from which the column as a whole seems to hold something else. */
const MANY_NUMBERS = 0.5;
/** Fewer numbers may all be far out by chance, or be what is looked for. */
const MANY_ROWS = 20;

/** Fewer rows may all miss a value by chance. */
const MANY_EMPTY = 10;

type Bounded = NumericField | DateField;

/** What was counted of a column. */
interface Counts {
  rows: number;
  /** Cells without a value, also those that cannot be read. */
  empty: number;
  unreadable: number;
  /** Numbers and dates beyond those of the training rows. */
  beyond: number;
}

/** What people should know of whole columns of rows that are read for a schema, in rows that may come in pieces. */
export class ColumnNotes {
  readonly #counts = new Map<Field, Counts>();

  /** @param fields of the schema */
  add(table: Table, fields: readonly Field[]): void {
    const columnOf = columnsOf(table);
    for (const field of fields) {
      const counts = this.#counts.get(field) ?? { rows: 0, empty: 0, unreadable: 0, beyond: 0 };
      this.#counts.set(field, counts);
      const column = columnOf(field.name);
      counts.rows += table.length;
      if (column.type === 'categorical') counts.empty += emptyIn(column);
      else {
        counts.unreadable += column.unreadable?.size ?? 0;
        if (field.type !== 'categorical') countIn(column.values, field, counts);
        else counts.empty += emptyIn(column);
      }
    }
  }

  get notes(): string[] {
    return [...this.#counts].flatMap(([field, counts]) => [
      ...emptyNotes(field, counts),
      ...beyondNotes(field, counts),
    ]);
  }
}

/** One comparison of most values: a stream is looked at in every epoch. */
function countIn(values: Float64Array, field: Bounded, counts: Counts): void {
  const { min, max } = field;
  const isKept = field.type === 'numeric' && field.zeros !== undefined;
  // Files of float32 beside files of text have the same number a little otherwise.
  const single = isConstant(field) ? Math.fround(min) : undefined;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value >= min && value <= max) continue;
    if (Number.isNaN(value)) counts.empty++;
    else if (!(isKept && value === 0) && Math.fround(value) !== single) counts.beyond++;
  }
}

function emptyNotes({ name }: Field, { rows, empty, unreadable }: Counts): string[] {
  if (empty < rows || unreadable > 0 || rows < MANY_EMPTY) return [];
  return [
    `column ${name} has no value in any of the ${rows} rows, and is filled in; look whether it has another name there`,
  ];
}

function beyondNotes(field: Field, { rows, empty, beyond }: Counts): string[] {
  if (beyond === 0 || field.type === 'categorical') return [];
  const known = rows - empty;
  if (field.type === 'date') return beyond > MANY_DATES * known ? [dateNote(field, beyond, known)] : [];
  if (isConstant(field)) return [otherNote(field, beyond, known)];
  return known >= MANY_ROWS && beyond >= MANY_NUMBERS * known ? [numberNote(field, beyond, known)] : [];
}

/** Whether all numbers of the training rows are one. */
function isConstant({ type, min, max }: Bounded): boolean {
  return type === 'numeric' && min === max;
}

function dateNote({ name, min, max, precision }: DateField, beyond: number, known: number): string {
  const [from, to] = [min, max].map((seconds) => timeText(seconds, precision));
  return (
    `column ${name}: ${beyond} of ${known} dates lie beyond those of the training rows (${from} to ${to}), for which alone a model finds such rows ` +
    `unlikely; train without the column (${option(name, 'ignore')}) if later rows are to be scored`
  );
}

function numberNote({ name, min, max }: NumericField, beyond: number, known: number): string {
  return (
    `column ${name}: ${beyond} of ${known} numbers lie beyond those of the training rows (${short(min)} to ${short(max)}); look whether it has ` +
    'another unit, or goes on rising'
  );
}

function otherNote({ name, min }: NumericField, beyond: number, known: number): string {
  return (
    `column ${name}: ${beyond} of ${known} numbers are other than ${min}, the only one of the training rows, so that a model cannot know how unusual ` +
    'they are; train on rows that differ there, or judge the column without a model'
  );
}
