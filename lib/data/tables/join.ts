import { badData } from '../files/source.ts';
import { PRECISIONS } from './cells.ts';
import { type Column, categoriesOf, type NumericColumn, type Table } from './table.ts';

/**
 * Tables of the same columns, one below the other. A column is numeric or of dates where it is so in all of them.
 *
 * @param name of the whole
 * @throws TorchvaeError ERR_DATA_FORMAT for a table that has other columns than the first
 */
export function joinedTables(name: string, tables: readonly Table[]): Table {
  const [first, ...others] = tables as [Table, ...Table[]];
  if (others.length === 0) return { ...first, name };
  for (const table of others) checkSameColumns(first, table);
  const columns = first.columns.map(({ name: wanted }) =>
    joinedColumns(tables.map((table) => table.columns.find((column) => column.name === wanted)!)),
  );
  return { ...first, name, length: tables.reduce((sum, { length }) => sum + length, 0), columns };
}

/** @throws TorchvaeError ERR_DATA_FORMAT for a table that has other columns than the first */
export function checkSameColumns(
  first: Pick<Table, 'name' | 'columns'>,
  table: Pick<Table, 'name' | 'columns'>,
): void {
  checkSameNames(
    first.name,
    first.columns.map((column) => column.name),
    table.name,
    table.columns.map((column) => column.name),
  );
}

/** @throws TorchvaeError ERR_DATA_FORMAT for a file that has other columns than the first */
export function checkSameNames(
  first: string,
  wanted: readonly string[],
  name: string,
  found: readonly string[],
): void {
  const odd =
    wanted.find((column) => !found.includes(column)) ?? found.find((column) => !wanted.includes(column));
  if (odd === undefined) return;
  const has = found.includes(odd) ? 'has' : 'lacks';
  throw badData(
    name,
    `expected the columns of ${first} (${wanted.slice(0, 20).join(', ')}) but it ${has} ${JSON.stringify(odd)}; move it away, or ` +
      'name one of the files',
  );
}

function joinedColumns(parts: readonly Column[]): Column {
  const [{ name, type }] = parts as [Column, ...Column[]];
  if (type !== 'categorical' && parts.every((part) => part.type === type || isEmpty(part))) {
    const numbers = parts.map((part) =>
      part.type === 'categorical' ? new Float64Array(part.values.length).fill(Number.NaN) : part.values,
    );
    const values = joinedValues(numbers, new Float64Array(lengthOf(parts)));
    const unreadable = unreadableIn(parts);
    if (type === 'numeric') return { name, type, values, ...unreadable } satisfies NumericColumn;
    const places = parts.map((part) => (part.type === 'date' ? PRECISIONS.indexOf(part.precision) : 0));
    return { name, type, values, precision: PRECISIONS[Math.max(...places)]!, ...unreadable };
  }
  const codes = new Map<string, number>();
  const renamed = parts.map((part) => {
    const { values: own, categories } = categoriesOf(part);
    const known = categories.map((category) => {
      const code = codes.get(category) ?? codes.size;
      codes.set(category, code);
      return code;
    });
    return own.map((code) => (code < 0 ? -1 : known[code]!));
  });
  const values = joinedValues(renamed, new Int32Array(lengthOf(parts)));
  const isGiven = parts.some((part) => part.type === 'categorical' && part.isGiven);
  return {
    name,
    type: 'categorical',
    values,
    categories: [...codes.keys()],
    isGiven,
  };
}

function lengthOf(parts: readonly Column[]): number {
  return parts.reduce((sum, { values }) => sum + values.length, 0);
}

/** The parts one after the other, in `into`. */
function joinedValues<T extends Float64Array | Int32Array>(parts: readonly T[], into: T): T {
  let at = 0;
  for (const part of parts) {
    into.set(part, at);
    at += part.length;
  }
  return into;
}

function isEmpty({ type, values }: Column): boolean {
  return type === 'categorical' ? values.every((code) => code < 0) : values.every(Number.isNaN);
}

/** Of all parts, by the rows of the whole. */
function unreadableIn(parts: readonly Column[]): Pick<NumericColumn, 'unreadable'> {
  let before = 0;
  const found: [number, string][] = [];
  for (const part of parts) {
    if (part.type !== 'categorical') {
      for (const [row, trouble] of part.unreadable ?? []) found.push([before + row, trouble]);
    }
    before += part.values.length;
  }
  return found.length > 0 ? { unreadable: new Map(found) } : {};
}
