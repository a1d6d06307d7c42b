import { type CellCounts, totalCells } from '../examples/cells.ts';
import { type DateColumn, type NumericColumn, placeOf, type Table } from './table.ts';

/** What people should know of cells that are not encoded as they are, in rows that may come in pieces. */
export class CellNotes {
  #imputed = 0;
  #unseen = 0;
  #unread = 0;
  /** The first cell that could not be read, with its place. */
  #first: string | undefined;

  /** @param cells of the rows of the table */
  add(cells: CellCounts, table: Table): void {
    const odd = table.columns.flatMap((column) =>
      column.type === 'categorical' ? [] : unreadableIn(column),
    );
    const [first] = odd;
    const { imputed, unseen } = totalCells(cells);
    if (first) this.#first ??= `${placeOf(first.row, first.column, table)}: ${first.trouble}`;
    this.#unread += odd.length;
    this.#unseen += unseen - odd.length;
    this.#imputed += imputed;
  }

  addImputed(count: number): void {
    this.#imputed += count;
  }

  get notes(): string[] {
    const [unread, imputed, unseen] = [this.#unread, this.#imputed, this.#unseen];
    return [
      ...(unread > 0
        ? [`${unread} ${unread === 1 ? 'cell' : 'cells'} could not be read, such as ${this.#first}`]
        : []),
      ...(imputed > 0 ? [`${imputed} missing ${imputed === 1 ? 'cell was' : 'cells were'} imputed`] : []),
      ...(unseen > 0
        ? [
            `${unseen} ${unseen === 1 ? 'cell has a category' : 'cells have categories'} that no training row has`,
          ]
        : []),
    ];
  }
}

function unreadableIn({ name, unreadable }: NumericColumn | DateColumn) {
  return Array.from(unreadable ?? [], ([row, trouble]) => ({ row, column: name, trouble }));
}
