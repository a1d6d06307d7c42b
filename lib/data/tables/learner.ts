import { badData } from '../files/source.ts';
import type { Decimal } from './cells.ts';
import { FieldLearner } from './field-learner.ts';
import { type Field, type LabelField, MAX_CATEGORIES, MOST_COLUMNS } from './fields.ts';
import { inOrder, noValue, tooMany } from './learning.ts';
import { type Column, categoriesOf, columnsOf, type LeftOut, placeOf, type Table } from './table.ts';
import { isElement } from './vectors.ts';

/** Learns the fields of a schema from the rows of a table, which may come in parts. */
export class TableLearner {
  readonly #file: string;
  readonly #labelColumn: string | undefined;
  readonly #standardize: boolean;
  #fields: FieldLearner[] | undefined;
  #label: LabelLearner | undefined;
  #leftOut: readonly LeftOut[] = [];
  #decimal: Decimal | undefined;

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
    if (!this.#fields) this.#leftOut = table.leftOut ?? [];
    this.#decimal = table.decimal;
    this.#fields ??= table.columns
      .filter(({ name }) => name !== label)
      .map(({ name }) => new FieldLearner(name, this.#standardize, this.#file));
    if (this.#fields.length === 0)
      throw badData(this.#file, 'expected at least one column beside that of the labels');
    const columnOf = columnsOf(table);
    for (const field of this.#fields) field.add(columnOf(field.name), table);
    if (label === undefined) return;
    this.#label ??= new LabelLearner(label, this.#file);
    this.#label.add(columnsOf(labeled)(label), labeled);
  }

  finish(): { fields: Field[]; label?: LabelField; leftOut: readonly LeftOut[]; decimal?: Decimal } {
    const label = this.#label?.finish();
    const all = this.#fields ?? [];
    const isNarrow = all.length <= MOST_COLUMNS;
    const fields = all.map((field) => field.finish(isNarrow && !isElement(field.name)));
    const decimal = this.#decimal;
    return { fields, ...(label && { label }), leftOut: this.#leftOut, ...(decimal && { decimal }) };
  }

  /** Whether all numbers so far lie in [0, 1] as float32. */
  get isUnit(): boolean {
    return (this.#fields ?? []).every((field) => field.isUnit);
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
    const { values, categories } = categoriesOf(column);
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
