import { TorchvaeError } from '../../errors.ts';
import { categoryName, type Decimal, type Precision, timeText } from './cells.ts';

/** The rows whose cells the column cannot have, such as a word among numbers, and what is wrong with each. */
export type Unreadable = ReadonlyMap<number, string>;

/** Numbers, NaN where a value is missing. */
export interface NumericColumn {
  readonly name: string;
  readonly type: 'numeric';
  readonly values: Float64Array;
  readonly unreadable?: Unreadable;
}

/** Points in time as seconds since 1970 in UTC, NaN where a value is missing. */
export interface DateColumn {
  readonly name: string;
  readonly type: 'date';
  readonly values: Float64Array;
  /** Of the most precise one. */
  readonly precision: Precision;
  readonly unreadable?: Unreadable;
}

/** Words, as places in `categories`; -1 where a value is missing. */
export interface CategoricalColumn {
  readonly name: string;
  readonly type: 'categorical';
  readonly values: Int32Array;
  readonly categories: readonly string[];
  /** Whether the caller said that the column is categorical, so that its cells need not look like it. */
  readonly isGiven: boolean;
}

/** A column of a {@link Table}. */
export type Column = NumericColumn | DateColumn | CategoricalColumn;

/** A column that was not read, and why. */
export interface LeftOut {
  readonly name: string;
  readonly reason: string;
}

/** The reason where the caller or a schema ignores a column. */
export const AS_ASKED = 'as asked';

/** Rows in memory, column by column. */
export interface Table {
  /** The name for error messages; the path of a file. */
  readonly name: string;
  /** The number of rows, at least 1. */
  readonly length: number;
  /** Rows of the same source that come before these, for messages. Default 0. */
  readonly first?: number;
  /** The places of the rows in their source, for messages, unless they follow one another from `first` on. */
  readonly rows?: Uint32Array;
  readonly columns: readonly Column[];
  readonly leftOut?: readonly LeftOut[];
  /** For people: what was passed over. */
  readonly notes?: readonly string[];
  /** Of a table of text: between the whole and the fractional part of its numbers. */
  readonly decimal?: Decimal;
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

/**
 * Finds the columns of a table by name.
 *
 * @returns a function that throws TorchvaeError ERR_RANGE for a column that the table does not have
 */
export function columnsOf({ name, columns }: Table): (wanted: string) => Column {
  const byName = new Map(columns.map((column) => [column.name, column]));
  return (wanted) => {
    const column = byName.get(wanted);
    if (column) return column;
    throw noColumn(name, wanted, [...byName.keys()]);
  };
}

/** The name of a column that has none, by its place from 0. */
export function placeName(column: number): string {
  return `column${column + 1}`;
}

/** Whether a name is such a one. */
export function isPlaceName(name: string): boolean {
  return /^column\d+$/.test(name);
}

/** The rows with these indices. */
export function rowsOf(table: Table, indices: ArrayLike<number>): Table {
  const columns = table.columns.map((column): Column => {
    const values = new (column.values.constructor as typeof Float64Array)(indices.length);
    for (let i = 0; i < values.length; i++) values[i] = column.values[indices[i]!]!;
    return { ...column, values, ...unreadableOf(column, indices) } as Column;
  });
  const rows = Uint32Array.from(indices, (index) => table.rows?.[index] ?? (table.first ?? 0) + index);
  return { ...table, length: indices.length, rows, columns };
}

/** Of the rows with these indices. */
function unreadableOf(column: Column, indices: ArrayLike<number>): { unreadable?: Unreadable } {
  if (column.type === 'categorical' || !column.unreadable) return {};
  const found = Array.from(indices).flatMap((index, row) => {
    const trouble = column.unreadable!.get(index);
    return trouble === undefined ? [] : [[row, trouble] as const];
  });
  return { unreadable: new Map(found) };
}

/** The cells of a column as categories: numbers are named by their shortest text, dates by ISO 8601. */
export function categoriesOf(column: Column): Pick<CategoricalColumn, 'values' | 'categories'> {
  if (column.type === 'categorical') return column;
  const nameOf = (value: number) =>
    column.type === 'date' ? timeText(value, column.precision) : categoryName(value);
  const codes = new Map<string, number>();
  const values = Int32Array.from(column.values, (value) => {
    if (Number.isNaN(value)) return -1;
    const name = nameOf(value);
    const known = codes.get(name) ?? codes.size;
    codes.set(name, known);
    return known;
  });
  return { values, categories: [...codes.keys()] };
}

/** Cells of the column that hold no value. */
export function emptyIn({ type, values }: Column): number {
  let count = 0;
  for (const value of values) if (type === 'categorical' ? value === -1 : Number.isNaN(value)) count++;
  return count;
}
