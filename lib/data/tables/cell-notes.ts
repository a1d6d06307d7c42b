import { type CellCounts, totalCells } from '../examples/cells.ts';
import { ColumnNotes } from './column-notes.ts';
import { placesOf } from './encoding.ts';
import type { Field } from './fields.ts';
import {
  categoriesOf,
  columnsOf,
  type DateColumn,
  type NumericColumn,
  placeOf,
  type Table,
} from './table.ts';

/** What people should know of cells that are not encoded as they are, in rows that may come in pieces. */
export class CellNotes {
  #imputed = 0;
  #unseen = 0;
  #unread = 0;
  /** The first cell that could not be read, with its place. */
  #first: string | undefined;
  /** The first category that no training row has. */
  #firstUnseen: string | undefined;
  readonly #columns = new ColumnNotes();

  /**
   * @param cells of the rows of the table
   * @param fields of the schema that the rows are read for; none for training rows
   */
  add(cells: CellCounts, table: Table, fields: readonly Field[] = []): void {
    const odd = table.columns.flatMap((column) =>
      column.type === 'categorical' ? [] : unreadableIn(column),
    );
    const [first] = odd;
    const { imputed, unseen } = totalCells(cells);
    if (first) this.#first ??= `${placeOf(first.row, first.column, table)}: ${first.trouble}`;
    this.#unread += odd.length;
    this.#unseen += unseen - odd.length;
    if (unseen > odd.length) this.#firstUnseen ??= unseenIn(fields, table);
    this.#imputed += imputed;
  }

  /** Looks at the columns of rows as a whole. */
  addColumns(table: Table, fields: readonly Field[]): void {
    this.#columns.add(table, fields);
  }

  addImputed(count: number): void {
    this.#imputed += count;
  }

  get notes(): string[] {
    const [unread, imputed, unseen] = [this.#unread, this.#imputed, this.#unseen];
    return [
      ...this.#columns.notes,
      ...(unread > 0
        ? [`${unread} ${unread === 1 ? 'cell' : 'cells'} could not be read, such as ${this.#first}`]
        : []),
      ...(imputed > 0 ? [`${imputed} missing ${imputed === 1 ? 'cell was' : 'cells were'} imputed`] : []),
      ...(unseen > 0
        ? [
            `${unseen} ${unseen === 1 ? 'cell has a category' : 'cells have categories'} that no training row has${this.#firstUnseen ? `, such as ${this.#firstUnseen}` : ''}`,
          ]
        : []),
    ];
  }
}

function unreadableIn({ name, unreadable }: NumericColumn | DateColumn) {
  return Array.from(unreadable ?? [], ([row, trouble]) => ({ row, column: name, trouble }));
}

/** `"RED" in row 3, column "kind" (training rows have "red")`. */
function unseenIn(fields: readonly Field[], table: Table): string | undefined {
  const columnOf = columnsOf(table);
  for (const { name, ...field } of fields) {
    if (field.type !== 'categorical') continue;
    const { values, categories } = categoriesOf(columnOf(name));
    const placeOfKnown = placesOf(field.categories);
    const isUnseen = categories.map((category) => placeOfKnown(category) < 0);
    const row = values.findIndex((code) => code >= 0 && isUnseen[code]!);
    if (row < 0) continue;
    const found = categories[values[row]!]!;
    const alike = field.categories.find((known) => known.toLowerCase() === found.toLowerCase());
    const known = alike === undefined ? '' : ` (training rows have ${JSON.stringify(alike.slice(0, 60))})`;
    return `${JSON.stringify(found.slice(0, 60))} in ${placeOf(row, name, table)}${known}`;
  }
  return undefined;
}
