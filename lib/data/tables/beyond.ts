import { short } from '../../counted.ts';
import { timeText } from './cells.ts';
import type { DateField, Field, NumericField } from './fields.ts';
import { option } from './learning.ts';
import { columnsOf, type Table } from './table.ts';

/** The share of dates beyond those of the training rows from which these are no few that chance left out. */
const MANY_DATES = 0.05;
/** The same of numbers, from which the column as a whole seems to hold something else. */
const MANY_NUMBERS = 0.5;
/** Fewer numbers may all be far out by chance, or be what is looked for. */
const MANY_ROWS = 20;

type Bounded = NumericField | DateField;

/** Counts the numbers and dates of rows that lie beyond those of the training rows, in rows that may come in pieces. */
export class Beyond {
  readonly #counts = new Map<Bounded, { beyond: number; known: number }>();

  /** @param fields of the schema that the rows are read for */
  add(table: Table, fields: readonly Field[]): void {
    const columnOf = columnsOf(table);
    for (const field of fields) {
      if (field.type === 'categorical') continue;
      const counts = this.#counts.get(field) ?? { beyond: 0, known: 0 };
      const isBeyond = isConstant(field) ? isOther(field) : isOutside(field);
      for (const value of columnOf(field.name).values) {
        if (Number.isNaN(value)) continue;
        counts.known++;
        if (isBeyond(value as number)) counts.beyond++;
      }
      this.#counts.set(field, counts);
    }
  }

  /** For people. */
  get notes(): string[] {
    return [...this.#counts].flatMap(([field, { beyond, known }]) => {
      if (beyond === 0) return [];
      if (field.type === 'date') return beyond > MANY_DATES * known ? [dateNote(field, beyond, known)] : [];
      if (isConstant(field)) return [otherNote(field, beyond, known)];
      return known >= MANY_ROWS && beyond >= MANY_NUMBERS * known ? [numberNote(field, beyond, known)] : [];
    });
  }
}

/** Whether all numbers of the training rows are one. Where zeros are kept apart, the others differ. */
function isConstant({ type, min, max }: Bounded): boolean {
  return type === 'numeric' && min === max;
}

function isOutside(field: Bounded): (value: number) => boolean {
  const { min, max } = field;
  const hasZeros = field.type === 'numeric' && field.zeros !== undefined;
  return (value) => (value < min || value > max) && !(hasZeros && value === 0);
}

/** Files of float32 beside files of text have the same number a little otherwise. */
function isOther({ min }: Bounded): (value: number) => boolean {
  const single = Math.fround(min);
  return (value) => Math.fround(value) !== single;
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
