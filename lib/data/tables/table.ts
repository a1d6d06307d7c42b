import { TorchvaeError } from '../../errors.ts';
import { badData } from '../files/source.ts';

/** What one cell of a table may hold; null, undefined and NaN are missing values. */
export type Cell = string | number | bigint | boolean | null | undefined;

/** Numbers, NaN where a value is missing. */
export interface NumericColumn {
  readonly name: string;
  readonly type: 'numeric';
  readonly values: Float64Array;
}

/** Words, as places in `categories`; -1 where a value is missing. */
export interface CategoricalColumn {
  readonly name: string;
  readonly type: 'categorical';
  readonly values: Int32Array;
  readonly categories: readonly string[];
}

/** A column of a {@link Table}. */
export type Column = NumericColumn | CategoricalColumn;

/** Rows in memory, column by column. */
export interface Table {
  /** What error messages call it; the path of a file. */
  readonly name: string;
  /** The number of rows, at least 1. */
  readonly length: number;
  /** Rows of the same source that come before these, for messages. Default 0. */
  readonly first?: number;
  /** Where the rows stand in their source, for messages, if not one after the other from `first` on. */
  readonly rows?: Uint32Array;
  readonly columns: readonly Column[];
}

/** The type of a column that the caller sets; `ignore` leaves the column out. */
export type ColumnType = 'numeric' | 'categorical' | 'ignore';

/** More cells than 4 GiB of numbers hold. */
export const MAX_CELLS = 2 ** 29;

/**
 * Takes rows and keeps them by columns. A column is numeric as long as all its cells are numbers or texts of numbers, and
 * categorical from the first other one on. A number with leading zeros or of more than 15 digits is a name, such as a postcode.
 */
export class TableBuilder {
  readonly #name: string;
  readonly #columns: ColumnBuilder[];
  readonly #first: number;
  #length = 0;

  /**
   * @param first rows of the same source that come before
   * @throws TorchvaeError ERR_DATA_FORMAT for names that come twice, ERR_RANGE for types of columns that the table does not have
   */
  constructor(
    name: string,
    names: readonly string[],
    types: Readonly<Record<string, ColumnType>> = {},
    first = 0,
  ) {
    const twice = names.find((column, i) => names.indexOf(column) !== i);
    if (twice !== undefined)
      throw badData(name, `expected columns of different names but ${JSON.stringify(twice)} comes twice`);
    const unknown = Object.keys(types).find((column) => !names.includes(column));
    if (unknown !== undefined) throw noColumn(name, unknown, names);
    this.#name = name;
    this.#first = first;
    this.#columns = names.map(
      (column) => new ColumnBuilder(column, Object.hasOwn(types, column) ? types[column] : undefined),
    );
  }

  /** The number of rows so far. */
  get length(): number {
    return this.#length;
  }

  /** @throws TorchvaeError ERR_DATA_FORMAT naming row and column of a cell that has another type than the column */
  add(row: readonly unknown[]): void {
    if ((this.#length + 1) * this.#columns.length > MAX_CELLS) {
      throw badData(
        this.#name,
        `expected at most ${MAX_CELLS} cells; row ${this.#length + 1} goes beyond. Divide the table`,
      );
    }
    this.#length++;
    this.#columns.forEach((column, i) => {
      const trouble = column.add(row[i]);
      if (trouble)
        throw badData(this.#name, `${placeOf(this.#first + this.#length - 1, column.name)}: ${trouble}`);
    });
  }

  /** @throws TorchvaeError ERR_DATA_FORMAT for a table without rows or columns */
  build(): Table {
    const columns = this.#columns.flatMap((column) => column.build() ?? []);
    if (columns.length === 0) throw badData(this.#name, 'expected at least one column');
    if (this.#length === 0)
      throw badData(this.#name, 'expected at least one row after the names of the columns');
    return { name: this.#name, length: this.#length, first: this.#first, columns };
  }
}

/** "row 3, column "age"" for the row of this index of a table: people count from 1. */
export function placeOf(
  index: number,
  column: string,
  { first = 0, rows }: Pick<Table, 'first' | 'rows'> = {},
): string {
  return `row ${(rows?.[index] ?? first + index) + 1}, column ${JSON.stringify(column)}`;
}

/** The error for a column that the table does not have. */
export function noColumn(table: string, name: string, names: readonly string[]): TorchvaeError {
  const shown = names.slice(0, 20).join(', ') + (names.length > 20 ? `, ... (${names.length} in all)` : '');
  return new TorchvaeError(
    'ERR_RANGE',
    `${table}: expected one of the columns ${shown} but received ${JSON.stringify(name)}`,
  );
}

/** @throws TorchvaeError ERR_RANGE for a column that the table does not have */
export function columnOf(table: Table, name: string): Column {
  const column = table.columns.find((other) => other.name === name);
  if (column) return column;
  throw noColumn(
    table.name,
    name,
    table.columns.map((other) => other.name),
  );
}

/** The rows with these indices. */
export function rowsOf(table: Table, indices: ArrayLike<number>): Table {
  const columns = table.columns.map((column): Column => {
    const values = new (column.values.constructor as typeof Float64Array)(indices.length);
    for (let i = 0; i < values.length; i++) values[i] = column.values[indices[i]!]!;
    return { ...column, values } as Column;
  });
  const rows = Uint32Array.from(indices, (index) => table.rows?.[index] ?? (table.first ?? 0) + index);
  return { name: table.name, length: indices.length, rows, columns };
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const NAME_OF_DIGITS = /^[+-]?(?:0\d|\d{16})/;

/** The number that the text shows, or undefined. */
export function numberIn(text: string): number | undefined {
  const trimmed = text.trim();
  if (!NUMBER.test(trimmed)) return undefined;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : undefined;
}

/** What a category is called: a number by its shortest text, so that 1, 1.0 and "1.0" are the same. */
export function categoryName(cell: string | number | bigint | boolean): string {
  if (typeof cell !== 'string') return String(cell);
  const value = NAME_OF_DIGITS.test(cell.trim()) ? undefined : numberIn(cell);
  return value === undefined ? cell : String(value);
}

/** Numbers as categories, called by their shortest text. */
export function categoriesOfNumbers(numbers: Float64Array): { values: Int32Array; categories: string[] } {
  const codes = new Map<string, number>();
  const values = Int32Array.from(numbers, (number) => {
    if (Number.isNaN(number)) return -1;
    const name = categoryName(number);
    const known = codes.get(name) ?? codes.size;
    codes.set(name, known);
    return known;
  });
  return { values, categories: [...codes.keys()] };
}

/** Whether the cell holds no value. */
export function isMissing(cell: unknown): cell is null | undefined {
  return cell === null || cell === undefined || (typeof cell === 'number' && Number.isNaN(cell));
}

class ColumnBuilder {
  readonly name: string;
  readonly #type: ColumnType | undefined;
  #isNumeric: boolean;
  #values: Float64Array | Int32Array;
  #length = 0;
  readonly #categories = new Map<string, number>();

  constructor(name: string, type: ColumnType | undefined) {
    this.name = name;
    this.#type = type;
    this.#isNumeric = type !== 'categorical';
    this.#values = this.#isNumeric ? new Float64Array(64) : new Int32Array(64);
  }

  /** Returns what is wrong with the cell, or undefined. */
  add(cell: unknown): string | undefined {
    if (this.#type === 'ignore') return undefined;
    if (this.#length === this.#values.length) this.#grow();
    const at = this.#length++;
    if (isMissing(cell)) {
      this.#values[at] = this.#isNumeric ? Number.NaN : -1;
      return undefined;
    }
    if (
      typeof cell !== 'string' &&
      typeof cell !== 'number' &&
      typeof cell !== 'bigint' &&
      typeof cell !== 'boolean'
    ) {
      return `expected a number, a text, a truth value or null but received ${typeof cell}`;
    }
    if (typeof cell === 'number' && !Number.isFinite(cell))
      return `expected a finite number but received ${cell}`;
    if (this.#isNumeric) {
      const value = this.#number(cell);
      if (value !== undefined) {
        this.#values[at] = value;
        return undefined;
      }
      if (this.#type === 'numeric')
        return `expected a number but received ${JSON.stringify(String(cell).slice(0, 60))}`;
      this.#becomeCategorical(at);
    }
    this.#values[at] = this.#code(categoryName(cell));
    return undefined;
  }

  build(): Column | undefined {
    const { name } = this;
    if (this.#type === 'ignore') return undefined;
    const values = this.#values.slice(0, this.#length);
    if (values instanceof Float64Array) return { name, type: 'numeric', values };
    return { name, type: 'categorical', values, categories: [...this.#categories.keys()] };
  }

  #number(cell: string | number | bigint | boolean): number | undefined {
    if (typeof cell === 'number') return cell;
    if (typeof cell === 'bigint') return Number(cell);
    if (typeof cell === 'boolean') return this.#type === 'numeric' ? Number(cell) : undefined;
    return this.#type !== 'numeric' && NAME_OF_DIGITS.test(cell.trim()) ? undefined : numberIn(cell);
  }

  #code(name: string): number {
    const known = this.#categories.get(name);
    if (known !== undefined) return known;
    this.#categories.set(name, this.#categories.size);
    return this.#categories.size - 1;
  }

  /** The numbers before `end` become names. */
  #becomeCategorical(end: number): void {
    const numbers = this.#values;
    this.#isNumeric = false;
    this.#values = new Int32Array(numbers.length);
    for (let i = 0; i < end; i++) {
      this.#values[i] = Number.isNaN(numbers[i]!) ? -1 : this.#code(String(numbers[i]!));
    }
  }

  #grow(): void {
    const larger = new (this.#values.constructor as typeof Float64Array)(2 * this.#values.length);
    larger.set(this.#values);
    this.#values = larger;
  }
}
