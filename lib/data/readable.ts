import type { Dataset } from './dataset.ts';
import type { CellCounts } from './examples/cells.ts';
import { invalidIn, isInvalid } from './examples/invalid.ts';
import { MAX_FLOAT32 } from './tables/encoding.ts';

/** Rows of a table as examples. */
interface EncodedRows {
  readonly data: Uint8Array | Float32Array;
  readonly cells?: CellCounts | undefined;
}

/**
 * Whether a row of a table can be read: not one with a cell that its column cannot have, with a category that no training row had, or with an
 * infinite number.
 *
 * @param size values of an example
 */
export function isReadable({ data, cells }: EncodedRows, size: number, row: number): boolean {
  if ((cells?.unseen[row] ?? 0) > 0) return false;
  return data.subarray(row * size, (row + 1) * size).every((value) => Math.abs(value) < MAX_FLOAT32);
}

/** The rows of a table that can be read, of other data the examples that are finite; all where none is. */
export function readableRows(data: Dataset): Dataset {
  const rows = rowsThatAreReadable(data);
  return !rows || rows.length === 0 ? data : data.subset(rows);
}

/** Whether any row can be read. */
export function hasReadableRow(data: Dataset): boolean {
  return rowsThatAreReadable(data)?.length !== 0;
}

/** Their places; undefined where all are. */
function rowsThatAreReadable(data: Dataset): number[] | undefined {
  const isTable = data.schema?.type === 'table';
  if (!isTable && !invalidIn(data.data, data.size)) return undefined;
  const all = Array.from({ length: data.length }, (_, row) => row);
  const rows = all.filter((row) =>
    isTable ? isReadable(data, data.size, row) : !isInvalid(data.data, data.size, row),
  );
  return rows.length === data.length ? undefined : rows;
}
