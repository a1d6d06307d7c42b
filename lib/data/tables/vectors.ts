import { types } from 'node:util';

/** The name of a number of a vector: `emb[3]`. */
export function elementName(column: string, index: number): string {
  return `${column}[${index}]`;
}

/** Whether a column is a number of a vector. */
export function isElement(column: string): boolean {
  return /\[\d+\]$/.test(column);
}

/** Whether the value is a list of values: an array, or a typed one. */
export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !types.isDataView(value));
}

/**
 * The record with the elements of each list under names such as `emb[3]`, except those of the keys in `except`. A list of nothing is a missing
 * value of its key, so that it does not vanish.
 */
export function flattened(
  record: Readonly<Record<string, unknown>>,
  except: (key: string) => boolean,
): Readonly<Record<string, unknown>> {
  if (!Object.values(record).some(isList)) return record;
  const flat: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(record)) {
    if (!isList(value) || except(key)) flat[key] = value;
    else if (value.length === 0) flat[key] = null;
    else for (let i = 0; i < value.length; i++) flat[elementName(key, i)] = value[i];
  }
  return flat;
}

/** Elements of a column among these names, such as those of a schema; undefined unless it is a vector. */
export function widthIn(names: ReadonlySet<string>, column: string): number | undefined {
  let width = 0;
  while (names.has(elementName(column, width))) width++;
  return width > 0 ? width : undefined;
}

/** Cells for a list of another length than its column's vectors: which numbers they are is not known, so none can be read. */
export function oddList(width: number, found: number): string[] {
  return Array<string>(width).fill(`a list of ${found}`);
}

/** Whether a value is the missing one of a list of nothing, whose elements other records name one by one. */
export function isEmptyVector(key: string, value: unknown, keys: { has(name: string): boolean }): boolean {
  return value === null && keys.has(elementName(key, 0));
}
