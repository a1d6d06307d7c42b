import { badData } from '../files/source.ts';
import { isCode, numberIn, PRECISIONS, type Precision, timeIn, timeText } from './cells.ts';
import {
  type CategoricalField,
  type DateField,
  type Field,
  MAX_CATEGORIES,
  type NumericField,
} from './fields.ts';
import { inOrder, noValue, option, tooMany } from './learning.ts';
import { NumberLearner, PeriodLearner } from './number-learner.ts';
import { type CategoricalColumn, type Column, categoriesOfNumbers, placeOf, type Table } from './table.ts';

/** The share of numbers, or of dates, from which the other cells are taken for mistakes. */
const NEARLY_ALL = 0.9;
/** Rows from which the words of a column are compared with their number. */
const ENOUGH_ROWS = 20;
/** The share of different words among all, from which they are taken for names of the rows. */
const NEARLY_DISTINCT = 0.8;

/** Learns one column, which is numeric or of dates as long as all its parts are. */
export class FieldLearner {
  readonly name: string;
  readonly #standardize: boolean;
  readonly #file: string;
  readonly #numbers = new NumberLearner();
  readonly #periods = new PeriodLearner();
  /** Of dates; undefined for numbers. */
  #precision: Precision | undefined;
  /** How often each category came, from the first word on. */
  #counts: Map<string, number> | undefined;
  #isGiven = false;
  /** The place of the first cell that is neither a number nor a date, and the cell. */
  #odd: { place: string; cell: string } | undefined;

  constructor(name: string, standardize: boolean, file: string) {
    this.name = name;
    this.#standardize = standardize;
    this.#file = file;
  }

  /** Whether all numbers so far lie in [0, 1] as float32. */
  get isUnit(): boolean {
    return this.#numbers.isUnit;
  }

  add(column: Column, table: Table): void {
    const isOther = column.type === 'date' ? this.#precision === undefined : this.#precision !== undefined;
    if (isOther && this.#numbers.count > 0 && hasValues(column)) this.#counts ??= this.#numbersAsNames();
    if (column.type === 'date') {
      const finer = Math.max(
        PRECISIONS.indexOf(column.precision),
        PRECISIONS.indexOf(this.#precision ?? 'day'),
      );
      this.#precision = PRECISIONS[finer];
      for (const value of column.values) this.#periods.add(value);
    }
    if (column.type !== 'categorical' && !this.#counts) {
      for (const value of column.values) this.#numbers.add(value);
      return;
    }
    this.#counts ??= this.#numbersAsNames();
    const { values, categories } =
      column.type === 'categorical' ? column : categoriesOfNumbers(column.values);
    if (column.type === 'categorical') {
      this.#isGiven ||= column.isGiven;
      this.#odd ??= firstOdd(column, table);
    }
    for (const code of values) {
      if (code < 0) continue;
      const category = categories[code]!;
      this.#counts.set(category, (this.#counts.get(category) ?? 0) + 1);
    }
    if (this.#counts.size > MAX_CATEGORIES) {
      this.#checkKind(this.#counts);
      throw tooMany(this.name, String(this.#counts.size), this.#file);
    }
  }

  /** @throws TorchvaeError ERR_DATA_FORMAT, as `TableSchema.learn` does */
  finish(): Field {
    if (this.#counts) return this.#category(this.#counts);
    const { count, mean, deviation, min, max } = this.#numbers;
    const { name } = this;
    if (count === 0) throw noValue(name, this.#file);
    if (!Number.isFinite(mean) || !Number.isFinite(deviation)) {
      throw badData(
        this.#file,
        `column ${JSON.stringify(name)}: expected numbers whose mean and deviation are finite; scale them`,
      );
    }
    const standard = { center: mean, scale: deviation || 1, fill: mean, min, max };
    if (this.#precision) {
      const periods = this.#periods.shown(max - min);
      return { name, type: 'date', ...standard, precision: this.#precision, periods } satisfies DateField;
    }
    const { decimals } = this.#numbers;
    const plain = { center: 0, scale: 1, fill: mean, min, max };
    return {
      name,
      type: 'numeric',
      ...(this.#standardize ? standard : plain),
      ...(decimals !== undefined && { decimals }),
    } satisfies NumericField;
  }

  #numbersAsNames(): Map<string, number> {
    const { values } = this.#numbers;
    if (!values) throw tooMany(this.name, 'more', this.#file);
    const nameOf = (value: number) => (this.#precision ? timeText(value, this.#precision) : String(value));
    return new Map([...values].map(([value, count]) => [nameOf(value), count]));
  }

  #category(counts: ReadonlyMap<string, number>): CategoricalField {
    const { name } = this;
    if (counts.size === 0) throw noValue(name, this.#file);
    this.#checkKind(counts);
    const categories = [...counts.keys()].sort(inOrder);
    const most = Math.max(...counts.values());
    const usual = categories.findIndex((category) => counts.get(category) === most);
    return { name, type: 'categorical', categories, usual };
  }

  /** @throws TorchvaeError ERR_DATA_FORMAT for numbers or dates among which are a few other cells, and for names of rows */
  #checkKind(counts: ReadonlyMap<string, number>): void {
    if (this.#isGiven) return;
    let [all, numbers, dates] = [0, 0, 0];
    for (const [cell, count] of counts) {
      all += count;
      if (isNumber(cell)) numbers += count;
      else if (timeIn(cell)) dates += count;
    }
    const { name } = this;
    for (const [what, type, share] of [
      ['numbers', 'numeric', numbers / all],
      ['dates', 'date', dates / all],
    ] as const) {
      if (share < NEARLY_ALL || share === 1 || !this.#odd) continue;
      const { place, cell } = this.#odd;
      const shown = JSON.stringify(cell.slice(0, 60));
      throw badData(
        this.#file,
        `${place}: expected ${type === 'numeric' ? 'a number' : 'a date'}, since nearly all cells of the column are ${what}, but received ` +
          `${shown}; correct it, say that it stands for a missing value (missing: [${shown}]), or that the column holds categories ` +
          `(${option(name, 'categorical')})`,
      );
    }
    if (all < ENOUGH_ROWS || counts.size < NEARLY_DISTINCT * all) return;
    throw badData(
      this.#file,
      `column ${JSON.stringify(name)}: expected words that come again but ${counts.size} of ${all} are different` +
        `${this.#odd ? `, such as ${JSON.stringify(this.#odd.cell.slice(0, 60))} (${this.#odd.place})` : ''}; leave it out ` +
        `(${option(name, 'ignore')}), or say that it holds categories (${option(name, 'categorical')})`,
    );
  }
}

/** A code, such as a postcode with a leading zero, goes with words. */
function isNumber(cell: string): boolean {
  return !isCode(cell) && numberIn(cell) !== undefined;
}

/** The first cell that is neither a number nor a date. */
function firstOdd({ name, values, categories }: CategoricalColumn, table: Table) {
  const isOdd = categories.map((cell) => !isNumber(cell) && !timeIn(cell));
  const row = values.findIndex((code) => code >= 0 && isOdd[code]!);
  return row < 0 ? undefined : { place: placeOf(row, name, table), cell: categories[values[row]!]! };
}

function hasValues({ values }: Column): boolean {
  return values.some((value) => !Number.isNaN(value));
}
