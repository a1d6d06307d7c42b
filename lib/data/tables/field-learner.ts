import { defined } from '../../check.ts';
import { badData } from '../files/source.ts';
import { PRECISIONS, type Precision, timeText } from './cells.ts';
import {
  type CategoricalField,
  type DateField,
  type Field,
  MAX_CATEGORIES,
  type NumericField,
} from './fields.ts';
import { checkKind, firstOdd, type OddCell, oddCell } from './kind-check.ts';
import { inOrder, noValue, tooMany } from './learning.ts';
import { NumberLearner, PeriodLearner } from './number-learner.ts';
import { type Column, categoriesOf, type DateColumn, type NumericColumn, type Table } from './table.ts';

/** Seconds from one date to the next of a column; months differ, and finer dates have no fixed step. */
const STEPS: Partial<Record<Precision, number>> = { day: 86_400, minute: 60, second: 1 };

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
  #odd: OddCell | undefined;

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
    if (column.type === 'categorical') {
      this.#isGiven ||= column.isGiven;
      this.#odd ??= firstOdd(column, table);
    }
    if (!this.#counts && this.#fits(column)) this.#addNumbers(column);
    else this.#addNames(column);
  }

  /** Whether a part is of the type of those before: numbers, or dates. A part without values fits any. */
  #fits(column: Column): column is NumericColumn | DateColumn {
    if (column.type === 'categorical') return false;
    const isDate = column.type === 'date';
    return (
      this.#numbers.count === 0 ||
      isDate === (this.#precision !== undefined) ||
      column.values.every(Number.isNaN)
    );
  }

  #addNumbers(column: NumericColumn | DateColumn): void {
    for (const value of column.values) this.#numbers.add(value);
    if (column.type === 'numeric') return;
    for (const value of column.values) this.#periods.add(value);
    const units = [column.precision, this.#precision ?? PRECISIONS[0]].map((unit) =>
      PRECISIONS.indexOf(unit),
    );
    this.#precision = PRECISIONS[Math.max(...units)];
  }

  #addNames(column: Column): void {
    this.#counts ??= this.#numbersAsNames();
    const { values, categories } = categoriesOf(column);
    for (const code of values) {
      if (code < 0) continue;
      const category = categories[code]!;
      this.#counts.set(category, (this.#counts.get(category) ?? 0) + 1);
    }
    if (this.#counts.size <= MAX_CATEGORIES) return;
    this.#checkKind(this.#counts);
    throw tooMany(this.name, String(this.#counts.size), this.#file);
  }

  /**
   * @param isNarrow whether the table has so few columns that each may have a meaning: many zeros of a numeric column may be kept apart, and
   * few values listed
   * @throws TorchvaeError ERR_DATA_FORMAT, as `TableSchema.learn` does
   */
  finish(isNarrow: boolean): Field {
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
      // The days on which months begin tell nothing of a week.
      const periods = this.#periods
        .shown(max - min)
        .filter((period) => period === 'year' || this.#precision !== 'month');
      const values = isNarrow ? this.#numbers.fewValues(STEPS[this.#precision]) : undefined;
      const date = { ...standard, precision: this.#precision, periods, ...defined({ values }) };
      return { name, type: 'date', ...date } satisfies DateField;
    }
    const plain = { center: 0, scale: 1, fill: mean, min, max };
    const apart = isNarrow && this.#standardize ? this.#apartFromZero() : undefined;
    const { decimals } = this.#numbers;
    const values = isNarrow
      ? this.#numbers.fewValues(decimals === undefined ? undefined : 10 ** -decimals)
      : undefined;
    return {
      name,
      type: 'numeric',
      ...(apart ?? (this.#standardize ? standard : plain)),
      ...defined({ decimals, values: apart ? values?.filter((value) => value !== 0) : values }),
    } satisfies NumericField;
  }

  #apartFromZero() {
    const apart = this.#numbers.apartFromZero;
    if (!apart || !(apart.deviation > 0)) return undefined;
    const { mean, deviation, min, max, zeros } = apart;
    // Over all rows an example's number has mean 0 and deviation 1, as other columns have.
    const scale = deviation * Math.sqrt(1 - zeros);
    return { center: mean, scale, fill: mean, min, max, zeros };
  }

  #numbersAsNames(): Map<string, number> {
    const { values } = this.#numbers;
    if (!values) {
      const what = this.#precision ? 'date' : 'number';
      throw this.#odd && !this.#isGiven
        ? oddCell(this.name, what, this.#odd, this.#file)
        : tooMany(this.name, 'more', this.#file);
    }
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

  #checkKind(counts: ReadonlyMap<string, number>): void {
    if (!this.#isGiven) checkKind(this.name, counts, this.#odd, this.#file);
  }
}
