import { badData } from '../files/source.ts';
import type { Decimal } from './cells.ts';
import { ColumnBuilder } from './column-builder.ts';
import type { ColumnType } from './column-types.ts';
import { MissingValues } from './missing.ts';
import { noColumn, placeOf, type Table } from './table.ts';

/** More cells than 4 GiB of numbers hold. */
export const MAX_CELLS = 2 ** 29;

/** How a {@link TableBuilder} takes cells. */
export interface BuilderOptions {
  /** The types of columns, where their cells do not show them. */
  types?: Readonly<Record<string, ColumnType>>;
  /** Rows of the same source that come before, for messages. Default 0. */
  first?: number;
  /** Of numbers in texts. Default a point. */
  decimal?: Decimal;
  /** Columns that had no name in the file: those that count the rows, or have no value at all, are left out. */
  unnamed?: ReadonlySet<string>;
  /** Whether a cell that its column cannot have is kept as unreadable, and an infinite number as it is, where types are given. Default no. */
  isLenient?: boolean;
  /** Whether a schema says what the types are. Default no. */
  ofSchema?: boolean;
  /** Texts that stand for a missing value. Default {@link MISSING}. */
  missing?: readonly string[] | undefined;
}

/**
 * Takes rows and keeps them by columns. A column is numeric or of dates as long as all its cells are, and categorical from the
 * first other one on.
 */
export class TableBuilder {
  readonly #name: string;
  readonly #columns: ColumnBuilder[];
  readonly #first: number;
  readonly #unnamed: ReadonlySet<string>;
  /** What else can be done about a bad cell. */
  readonly #advice: string;
  #length = 0;

  /** @throws TorchvaeError ERR_DATA_FORMAT for names that come twice, ERR_RANGE for types of columns that the table does not have */
  constructor(name: string, names: readonly string[], options: BuilderOptions = {}) {
    const { types = {}, first = 0, decimal = '.', unnamed = new Set(), isLenient = false } = options;
    const cells = { decimal, isLenient, missing: new MissingValues(options.missing) };
    const known = new Set<string>();
    for (const column of names) {
      if (known.has(column))
        throw badData(
          name,
          `expected columns of different names but ${JSON.stringify(column)} comes twice; rename one`,
        );
      known.add(column);
    }
    const unknown = Object.keys(types).find((column) => !known.has(column));
    if (unknown !== undefined) throw noColumn(name, unknown, names);
    this.#name = name;
    this.#first = first;
    this.#unnamed = unnamed;
    this.#advice = options.ofSchema ? "; give onMissing: 'impute' to have such cells counted" : '';
    this.#columns = names.map((column) => {
      const type = Object.hasOwn(types, column) ? types[column] : undefined;
      return new ColumnBuilder(column, type, cells);
    });
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
        throw badData(
          this.#name,
          `${placeOf(this.#first + this.#length - 1, column.name)}: ${trouble}${this.#advice}`,
        );
    });
  }

  /** @throws TorchvaeError ERR_DATA_FORMAT for a table without rows or columns */
  build(): Table {
    const found = this.#columns.map((column) => column.build(this.#unnamed.has(column.name)));
    const columns = found.flatMap((column) => ('reason' in column ? [] : [column]));
    const leftOut = found.flatMap((column) => ('reason' in column ? [column] : []));
    if (columns.length === 0) throw badData(this.#name, 'expected at least one column');
    if (this.#length === 0)
      throw badData(this.#name, 'expected at least one row after the names of the columns');
    return { name: this.#name, length: this.#length, first: this.#first, columns, leftOut };
  }
}
