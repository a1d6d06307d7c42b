import { checkOneOf, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';

/** The type of a column that the caller sets; `ignore` leaves the column out. */
export type ColumnType = 'numeric' | 'categorical' | 'date' | 'ignore';

/** @throws TorchvaeError ERR_TYPE or ERR_RANGE unless every column has a type */
export function checkColumnTypes(columns: unknown): Readonly<Record<string, ColumnType>> {
  if (columns === undefined) return {};
  if (typeof columns !== 'object' || columns === null || Array.isArray(columns)) {
    throw new TorchvaeError('ERR_TYPE', expected('an object of types by column', 'columns', columns));
  }
  for (const [name, type] of Object.entries(columns)) {
    checkOneOf(`columns[${JSON.stringify(name)}]`, type, ['numeric', 'categorical', 'date', 'ignore']);
  }
  return { ...columns } as Record<string, ColumnType>;
}

/** Whether pandas gave an index this name. */
export function isPandasIndex(name: string): boolean {
  return /^__index_level_\d+__$/.test(name);
}
