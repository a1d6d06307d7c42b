import type { CellCounts } from '../data/examples/cells.ts';
import { decodeNumber } from '../data/tables/decoding.ts';
import { type DateField, type NumericField, widthOf } from '../data/tables/fields.ts';
import type { TableSchema } from '../data/tables/schema.ts';

/** A column of numbers or dates; NaN where a cell is missing. */
export interface NumberColumn {
  readonly name: string;
  readonly values: Float64Array;
}

/** A column of categories, as places among them; -1 where a cell is missing. */
export interface CategoryColumn {
  readonly name: string;
  readonly categories: readonly string[];
  readonly values: Int32Array;
}

/** Rows of a table by their columns, as far as they are compared with others. */
export interface TableColumns {
  readonly numbers: readonly NumberColumn[];
  readonly categories: readonly CategoryColumn[];
}

/** The columns of rows that a model of a table drew: [rows, schema.size]. */
export function drawnColumns(schema: TableSchema, draws: Float32Array): TableColumns {
  return readColumns(schema, draws, (field, cell) => decodeNumber(field, cell, true));
}

/**
 * The columns of rows as examples, [rows, schema.size]. Examples say how many of their cells were filled in, but not which: in such rows a number
 * that is the filling counts as missing, and all categories do unless those numbers account for every cell that was filled in.
 */
export function readTable(
  schema: TableSchema,
  examples: Float32Array,
  cells: CellCounts | undefined,
): TableColumns {
  const filled = Uint32Array.from({ length: examples.length / schema.size }, (_, row) =>
    cells ? cells.imputed[row]! + cells.unseen[row]! : 0,
  );
  const unexplained = filled.slice();
  const { numbers, categories } = readColumns(schema, examples, (field, cell, row) => {
    if (filled[row] === 0 || !isFilling(field, cell)) return decodeNumber(field, cell, false);
    unexplained[row]!--;
    return Number.NaN;
  });
  const known = categories.map((column) => ({
    ...column,
    values: column.values.map((place, row) => (unexplained[row]! > 0 ? -1 : place)),
  }));
  return { numbers, categories: known };
}

function readColumns(
  schema: TableSchema,
  rows: Float32Array,
  numberOf: (field: NumericField | DateField, cell: Float32Array, row: number) => number,
): TableColumns {
  const length = rows.length / schema.size;
  const [numbers, categories]: [NumberColumn[], CategoryColumn[]] = [[], []];
  let start = 0;
  for (const field of schema.fields) {
    const [width, first] = [widthOf(field), start];
    const cellOf = (row: number, at = row * schema.size + first) => rows.subarray(at, at + width);
    const { name } = field;
    if (field.type === 'categorical') {
      const values = Int32Array.from({ length }, (_, row) => cellOf(row).indexOf(1));
      categories.push({ name, categories: field.categories, values });
    } else {
      const values = Float64Array.from({ length }, (_, row) => numberOf(field, cellOf(row), row));
      numbers.push({ name, values });
    }
    start += width;
  }
  return { numbers, categories };
}

/** Whether a cell holds what its column has in place of a missing number. */
function isFilling({ fill, center, scale, ...field }: NumericField | DateField, cell: Float32Array): boolean {
  const zeros = field.type === 'numeric' ? field.zeros : undefined;
  if (zeros !== undefined && cell[1] !== (fill === 0 ? 1 : Math.fround(zeros))) return false;
  return cell[0] === Math.fround((fill - center) / scale);
}
