import type { TorchvaeError } from '../../errors.ts';
import type { CellCounts } from '../examples/cells.ts';
import { badData } from '../files/source.ts';
import {
  type CategoricalField,
  type DateField,
  type Field,
  type LabelField,
  MAX_CATEGORIES,
  type NumericField,
  PERIODS,
} from './fields.ts';
import { inOrder, tooMany } from './learning.ts';
import {
  type Column,
  categoriesOf,
  type DateColumn,
  type NumericColumn,
  placeOf,
  type Table,
} from './table.ts';

/** What a category does that the training rows did not have: `leave` encodes it by zeros alone, and counts it. */
export type OnUnseen = 'refuse' | 'leave';

/** What a missing value does. */
export type OnMissing = 'refuse' | 'impute';

/** What an infinite number becomes in a row that takes no other with it. */
export const MAX_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

/** Where a field is encoded to. */
export interface Target {
  /** [rows, size]. */
  readonly data: Float32Array;
  /** The place of the field's first value in an example. */
  readonly start: number;
  /** Values in an example. */
  readonly size: number;
  readonly onMissing: OnMissing;
  readonly onUnseen: OnUnseen;
  readonly counts: CellCounts;
}

/** @throws TorchvaeError as `TableSchema.encode` does */
export function encodeField(field: Field, column: Column, table: Table, target: Target): void {
  if (field.type === 'categorical') {
    encodeCategories(field, column, table, target);
    return;
  }
  if (column.type !== field.type) {
    const place = `column ${JSON.stringify(field.name)}`;
    throw badData(table.name, `${place}: expected type ${field.type} but received ${column.type}`);
  }
  encodeNumbers(field, column, table, target);
}

function encodeNumbers(
  field: NumericField | DateField,
  { values: numbers, unreadable }: NumericColumn | DateColumn,
  table: Table,
  { data, start, size, onMissing, counts }: Target,
): void {
  const periods = field.type === 'date' ? field.periods : [];
  const zeros = field.type === 'numeric' ? field.zeros : undefined;
  for (let row = 0; row < numbers.length; row++) {
    let value = numbers[row]!;
    if (Number.isNaN(value)) {
      if (onMissing === 'refuse') throw missingValue(table, row, field.name);
      value = field.fill;
      if (zeros !== undefined) data[row * size + start + 1] = zeros;
      counts[unreadable?.has(row) ? 'unseen' : 'imputed'][row]!++;
    }
    let at = row * size + start;
    if (value === 0 && zeros !== undefined) {
      data[at + 1] = 1;
      continue;
    }
    data[at] = (value - field.center) / field.scale;
    if (!Number.isFinite(data[at]!) && onMissing === 'impute') {
      // The row is as far out as a row can be; it does not take the others with it.
      data[at] = Math.sign(data[at]!) * MAX_FLOAT32;
    } else if (!Number.isFinite(data[at]!)) {
      throw badData(
        table.name,
        `${placeOf(row, field.name, table)}: expected a number that is finite as float32 but received ${value}`,
      );
    }
    for (const period of periods) {
      const angle = (2 * Math.PI * value) / PERIODS[period];
      data[++at] = Math.sin(angle);
      data[++at] = Math.cos(angle);
    }
  }
}

function encodeCategories(
  field: CategoricalField,
  column: Column,
  table: Table,
  { data, start, size, onMissing, onUnseen, counts }: Target,
): void {
  const { values: codes, categories: names } = categoriesOf(column);
  const known = names.map(placesOf(field.categories));
  for (let row = 0; row < codes.length; row++) {
    const code = codes[row]!;
    const place = code < 0 ? field.usual : known[code]!;
    if (code < 0) {
      if (onMissing === 'refuse') throw missingValue(table, row, field.name);
      counts.imputed[row]!++;
    }
    if (place < 0) {
      if (onUnseen === 'refuse') {
        const advice = "; give onMissing: 'impute' to have such cells counted";
        throw unknownCategory(row, field, names[code]!, table, advice);
      }
      counts.unseen[row]!++;
      continue;
    }
    data[row * size + start + place] = 1;
  }
}

/**
 * The place of a name among categories, or -1. Truth values are the same in whatever capitals: `True` of pandas, `true` of JSON, `TRUE` of
 * Excel.
 */
export function placesOf(categories: readonly string[]): (name: string) => number {
  const places = new Map(categories.map((name, i) => [name, i]));
  const truths = new Map(categories.flatMap((name, i) => (isTruth(name) ? [[name.toLowerCase(), i]] : [])));
  return (name) => places.get(name) ?? (isTruth(name) ? truths.get(name.toLowerCase()) : undefined) ?? -1;
}

function isTruth(name: string): boolean {
  return /^(?:true|false)$/i.test(name);
}

/**
 * What a label does that is missing, or that no training row has: become one more class by its name, or, where it is not known before which
 * there are, the one class behind the known ones.
 */
export type OnUnknownLabel = 'add' | 'other';

/** The class of rows without a label. */
export const NO_LABEL = '(none)';
/** The class of rows whose labels no training row has. */
export const OTHER_LABEL = '(other)';

/** @throws TorchvaeError ERR_DATA_FORMAT for too many classes */
export function encodeLabels(
  label: LabelField,
  column: Column,
  table: Table,
  onUnknown: OnUnknownLabel,
): { labels: Int32Array; classes: readonly string[] } {
  const { values: codes, categories: names } = categoriesOf(column);
  const nameOf = (code: number) => (code < 0 ? NO_LABEL : names[code]!);
  const placeOfKnown = placesOf(label.categories);
  const others = new Set([...new Set(codes)].map(nameOf).filter((name) => placeOfKnown(name) < 0));
  const added = onUnknown === 'other' ? [OTHER_LABEL] : [...others].sort(inOrder);
  const classes = others.size > 0 ? [...label.categories, ...added] : label.categories;
  if (classes.length > MAX_CATEGORIES) throw tooMany(label.name, `${classes.length}`, table.name);
  const placeOfClass = placesOf(classes);
  const other = label.categories.length;
  const labelOf = (code: number) => {
    const place = placeOfClass(nameOf(code));
    return place < 0 ? other : place;
  };
  return { labels: Int32Array.from(codes, labelOf), classes };
}

/** The error for a row that has no value in a column. */
export function missingValue(table: Table, row: number, column: string): TorchvaeError {
  const advice = "fill it in, leave the row out, or give onMissing: 'impute'";
  const place = placeOf(row, column, table);
  return badData(table.name, `${place}: expected a value but it is missing; ${advice}`);
}

function unknownCategory(
  row: number,
  { name, categories }: { name: string; categories: readonly string[] },
  found: string,
  table: Table,
  advice = '',
): TorchvaeError {
  const known = categories.slice(0, 12).join(', ') + (categories.length > 12 ? ', ...' : '');
  const received = JSON.stringify(found.slice(0, 60));
  return badData(
    table.name,
    `${placeOf(row, name, table)}: expected one of the training rows' values (${known}) but received ${received}${advice}`,
  );
}
