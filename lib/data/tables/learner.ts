import { badData } from '../files/source.ts';
import {
  type CategoricalField,
  type Field,
  type LabelField,
  MAX_CATEGORIES,
  type NumericField,
} from './fields.ts';
import { type Column, categoriesOfNumbers, columnOf, placeOf, type Table } from './table.ts';

/** Learns the fields of a schema from the rows of a table, which may come in parts. */
export class TableLearner {
  readonly #file: string;
  readonly #labelColumn: string | undefined;
  readonly #standardize: boolean;
  #fields: FieldLearner[] | undefined;
  #label: LabelLearner | undefined;

  constructor(
    file: string,
    { labelColumn, standardize }: { labelColumn?: string | undefined; standardize: boolean },
  ) {
    this.#file = file;
    this.#labelColumn = labelColumn;
    this.#standardize = standardize;
  }

  /**
   * @param labeled the rows whose labels are classes
   * @throws TorchvaeError what `TableSchema.learn` throws
   */
  add(table: Table, labeled: Table = table): void {
    const label = this.#labelColumn;
    this.#fields ??= table.columns
      .filter(({ name }) => name !== label)
      .map(({ name }) => new FieldLearner(name, this.#standardize, this.#file));
    if (this.#fields.length === 0)
      throw badData(this.#file, 'expected at least one column beside that of the labels');
    for (const field of this.#fields) field.add(columnOf(table, field.name));
    if (label === undefined) return;
    this.#label ??= new LabelLearner(label, this.#file);
    this.#label.add(columnOf(labeled, label), labeled);
  }

  finish(): { fields: Field[]; label?: LabelField } {
    const label = this.#label?.finish();
    return { fields: (this.#fields ?? []).map((field) => field.finish()), ...(label && { label }) };
  }

  /** Whether all numbers so far lie in [0, 1] as float32. */
  get isUnit(): boolean {
    return (this.#fields ?? []).every((field) => field.isUnit);
  }
}

/** Learns one column, which is numeric as long as all its parts are. */
class FieldLearner {
  readonly name: string;
  readonly #standardize: boolean;
  readonly #file: string;
  // Of numbers: Welford's update, which large means do not spoil.
  #count = 0;
  #mean = 0;
  #squares = 0;
  isUnit = true;
  /** How often each number came, in case the column turns out to be categorical; undefined once there are too many. */
  #numbers: Map<number, number> | undefined = new Map();
  /** How often each category came, from the first word on. */
  #counts: Map<string, number> | undefined;

  constructor(name: string, standardize: boolean, file: string) {
    this.name = name;
    this.#standardize = standardize;
    this.#file = file;
  }

  add(column: Column): void {
    if (column.type === 'numeric' && !this.#counts) {
      for (const value of column.values) this.#addNumber(value);
      return;
    }
    this.#counts ??= this.#numbersAsNames();
    const { values, categories } = column.type === 'numeric' ? categoriesOfNumbers(column.values) : column;
    for (const code of values) {
      if (code < 0) continue;
      const category = categories[code]!;
      this.#counts.set(category, (this.#counts.get(category) ?? 0) + 1);
    }
    if (this.#counts.size > MAX_CATEGORIES) throw tooMany(this.name, String(this.#counts.size), this.#file);
  }

  finish(): Field {
    return this.#counts ? this.#category(this.#counts) : this.#number();
  }

  #addNumber(value: number): void {
    if (Number.isNaN(value)) return;
    this.#count++;
    const before = value - this.#mean;
    this.#mean += before / this.#count;
    this.#squares += before * (value - this.#mean);
    const single = Math.fround(value);
    if (single < 0 || single > 1) this.isUnit = false;
    if (!this.#numbers) return;
    this.#numbers.set(value, (this.#numbers.get(value) ?? 0) + 1);
    if (this.#numbers.size > MAX_CATEGORIES) this.#numbers = undefined;
  }

  #numbersAsNames(): Map<string, number> {
    if (!this.#numbers) throw tooMany(this.name, 'more', this.#file);
    return new Map([...this.#numbers].map(([value, count]) => [String(value), count]));
  }

  #number(): NumericField {
    const { name } = this;
    if (this.#count === 0) throw noValue(name, this.#file);
    const mean = this.#mean;
    const deviation = Math.sqrt(this.#squares / this.#count);
    if (!Number.isFinite(mean) || !Number.isFinite(deviation)) {
      throw badData(
        this.#file,
        `column ${JSON.stringify(name)}: expected numbers whose mean and deviation are finite; scale them`,
      );
    }
    if (!this.#standardize) return { name, type: 'numeric', center: 0, scale: 1, fill: mean };
    return { name, type: 'numeric', center: mean, scale: deviation || 1, fill: mean };
  }

  #category(counts: ReadonlyMap<string, number>): CategoricalField {
    const { name } = this;
    if (counts.size === 0) throw noValue(name, this.#file);
    const categories = [...counts.keys()].sort(inOrder);
    const most = Math.max(...counts.values());
    const usual = categories.findIndex((category) => counts.get(category) === most);
    return { name, type: 'categorical', categories, usual };
  }
}

/** The classes of a column, sorted: numbers by their size. */
class LabelLearner {
  readonly #name: string;
  readonly #file: string;
  readonly #found = new Set<string>();

  constructor(name: string, file: string) {
    this.#name = name;
    this.#file = file;
  }

  add(column: Column, table: Table): void {
    if (column.type === 'numeric') {
      const row = column.values.findIndex((value) => !Number.isInteger(value) && !Number.isNaN(value));
      if (row >= 0) {
        const found = `but received ${column.values[row]}`;
        const place = placeOf(row, this.#name, table);
        throw badData(this.#file, `${place}: expected a class as label, a word or a whole number, ${found}`);
      }
    }
    const { values, categories } = column.type === 'numeric' ? categoriesOfNumbers(column.values) : column;
    const used = new Set(values);
    categories.forEach((category, code) => {
      if (used.has(code)) this.#found.add(category);
    });
    if (this.#found.size > MAX_CATEGORIES) throw tooMany(this.#name, String(this.#found.size), this.#file);
  }

  finish(): LabelField {
    if (this.#found.size === 0) throw noValue(this.#name, this.#file);
    return { name: this.#name, categories: [...this.#found].sort(inOrder) };
  }
}

/** Whole numbers by their size, before words by their characters; the same on every machine. */
function inOrder(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => (/^-?\d+$/.test(text) ? Number(text) : Infinity)) as [number, number];
  return x === y ? (a < b ? -1 : a > b ? 1 : 0) : x - y;
}

function noValue(name: string, file: string): Error {
  return badData(
    file,
    `column ${JSON.stringify(name)}: expected values but all training rows miss theirs; ignore the column`,
  );
}

function tooMany(name: string, count: string, file: string): Error {
  const advice = 'is it a name of the row? Say that it is numeric, or ignore it';
  return badData(
    file,
    `column ${JSON.stringify(name)}: expected at most ${MAX_CATEGORIES} categories but there are ${count}; ${advice}`,
  );
}
