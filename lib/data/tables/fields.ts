import { defined } from '../../check.ts';
import { badData } from '../files/source.ts';
import { PRECISIONS, type Precision } from './cells.ts';
import type { LeftOut } from './table.ts';

/**
 * A numeric column: an example holds (value - center) / scale. Where many rows are exactly 0, as amounts of rain are, it holds 0 for these, and
 * then 1 for them and 0 for the others; all but `zeros` then describes the others.
 */
export interface NumericField {
  readonly name: string;
  readonly type: 'numeric';
  /** The mean of the training rows, in the column's units; 0 where nothing is standardized. */
  readonly center: number;
  /** Their standard deviation, or 1 if it is 0; 1 where nothing is standardized. */
  readonly scale: number;
  /** The value in place of a missing one: their mean. */
  readonly fill: number;
  /** The least of the training rows. */
  readonly min: number;
  /** The greatest of the training rows. */
  readonly max: number;
  /** Decimals of the training rows, 0 for whole numbers; undefined for more than {@link MAX_DECIMALS}. */
  readonly decimals?: number | undefined;
  /** The share of the training rows that are 0, where these are kept apart. */
  readonly zeros?: number | undefined;
  /** All values of the training rows in their order, where these are few and not all that lie between the bounds: draws have no others. */
  readonly values?: readonly number[] | undefined;
}

/**
 * A column of points in time, in seconds since 1970 in UTC: an example holds (value - center) / scale, and then sine and cosine of the
 * place within each period.
 */
export interface DateField {
  readonly name: string;
  readonly type: 'date';
  readonly center: number;
  readonly scale: number;
  readonly fill: number;
  readonly min: number;
  readonly max: number;
  readonly precision: Precision;
  /** Those that show in the training rows. */
  readonly periods: readonly Period[];
  /** As of a number: such as the ends of quarters. */
  readonly values?: readonly number[] | undefined;
}

/** A categorical column: an example holds a 1 at the place of its category and 0 at those of the others. */
export interface CategoricalField {
  readonly name: string;
  readonly type: 'categorical';
  /** The values of the training rows, sorted. */
  readonly categories: readonly string[];
  /** The category in place of a missing one: the index of the most frequent. */
  readonly usual: number;
}

/** A column as an example holds it. */
export type Field = NumericField | DateField | CategoricalField;

/** The column of the labels: label i is `categories[i]`. */
export interface LabelField {
  readonly name: string;
  readonly categories: readonly string[];
}

/** More would make examples too long; such a column usually identifies the row. */
export const MAX_CATEGORIES = 4096;
/** Numbers with more have no fixed number of decimals. */
export const MAX_DECIMALS = 9;
/** A column of more different numbers is one of quantities, which may have any. */
export const MOST_VALUES = 100;

/** Seconds of the periods that dates can have. 1970 began on a Thursday, which is place 0 of the week. */
export const PERIODS = { day: 86_400, week: 604_800, year: 31_556_952 } as const;
export type Period = keyof typeof PERIODS;

/** The number of values in an example. */
export function widthOf(field: Field): number {
  if (field.type === 'categorical') return field.categories.length;
  if (field.type === 'date') return 1 + 2 * field.periods.length;
  return field.zeros === undefined ? 1 : 2;
}

/** Wider tables are pictures or bags of words, in which 0 is the usual value, and whose places have a meaning. */
export const MOST_COLUMNS = 64;

/** Whether a column has numbers that are not whole. */
export function hasFractions(field: Field): boolean {
  return field.type === 'numeric' && field.decimals !== 0;
}

/** What the JSON of a schema says of columns. */
export interface CheckedFields {
  fields: Field[];
  label?: LabelField;
  leftOut: LeftOut[];
}

/**
 * Validates the fields of a schema that was read from a file.
 *
 * @throws TorchvaeError ERR_DATA_FORMAT
 */
export function checkFields(fields: unknown, label: unknown, leftOut: unknown): CheckedFields {
  if (!Array.isArray(fields) || fields.length === 0) throw damaged('fields');
  const checked = fields.map((field, i) =>
    checkField((field ?? {}) as Record<string, unknown>, `fields[${i}]`),
  );
  if (new Set(checked.map(({ name }) => name)).size !== checked.length) throw damaged('fields');
  const out = checkLeftOut(leftOut);
  if (label === undefined) return { fields: checked, leftOut: out };
  const { name, categories } = (label ?? {}) as Record<string, unknown>;
  if (typeof name !== 'string') throw damaged('label.name');
  return {
    fields: checked,
    // Rows may be read for labels of which the training rows had none.
    label: { name, categories: checkNames(categories, 'label.categories', 0) },
    leftOut: out,
  };
}

/** Fields of version 1 in the form of version 2: nothing is known of the bounds and decimals of their training rows. */
export function upgradeFields(fields: unknown): unknown {
  if (!Array.isArray(fields)) return fields;
  const unbounded = { min: -Number.MAX_VALUE, max: Number.MAX_VALUE };
  return fields.map((field) => (field?.type === 'numeric' ? { ...unbounded, ...field } : field));
}

function checkField(field: Record<string, unknown>, place: string): Field {
  const { name, type } = field;
  if (typeof name !== 'string') throw damaged(`${place}.name`);
  if (type === 'categorical') {
    const categories = checkNames(field.categories, `${place}.categories`);
    const { usual } = field;
    if (!Number.isInteger(usual) || categories[usual as number] === undefined)
      throw damaged(`${place}.usual`);
    return { name, type, categories, usual: Number(usual) };
  }
  if (type !== 'numeric' && type !== 'date') throw damaged(`${place}.type`);
  const { center, scale, fill, min, max } = field as Record<string, number>;
  if (![center, scale, fill, min, max].every(Number.isFinite) || !(scale! > 0) || !(min! <= max!))
    throw damaged(place);
  const values = checkListed(field.values, `${place}.values`);
  const numbers = {
    center: center!,
    scale: scale!,
    fill: fill!,
    min: min!,
    max: max!,
    ...defined({ values }),
  };
  if (type === 'numeric') {
    const { decimals, zeros } = field as Record<string, number | undefined>;
    const isGood = Number.isInteger(decimals) && decimals! >= 0 && decimals! <= MAX_DECIMALS;
    if (decimals !== undefined && !isGood) throw damaged(`${place}.decimals`);
    if (zeros !== undefined && !(Number.isFinite(zeros) && zeros > 0 && zeros < 1))
      throw damaged(`${place}.zeros`);
    return { name, type, ...numbers, ...defined({ decimals, zeros }) };
  }
  const { precision, periods } = field;
  if (!PRECISIONS.includes(precision as Precision)) throw damaged(`${place}.precision`);
  const isGood =
    Array.isArray(periods) &&
    periods.every((period) => Object.hasOwn(PERIODS, period)) &&
    new Set(periods).size === periods.length;
  if (!isGood) throw damaged(`${place}.periods`);
  return { name, type, ...numbers, precision: precision as Precision, periods: [...periods] };
}

function checkListed(value: unknown, field: string): number[] | undefined {
  if (value === undefined) return undefined;
  const isGood =
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= MOST_VALUES &&
    value.every((each, i) => Number.isFinite(each) && (i === 0 || each > value[i - 1]));
  if (!isGood) throw damaged(field);
  return [...value];
}

function checkLeftOut(value: unknown): LeftOut[] {
  const isGood =
    Array.isArray(value) &&
    value.every((column) => typeof column?.name === 'string' && typeof column.reason === 'string');
  if (!isGood) throw damaged('leftOut');
  return value.map(({ name, reason }) => ({ name, reason }));
}

function checkNames(value: unknown, field: string, least = 1): string[] {
  const isGood =
    Array.isArray(value) &&
    value.length >= least &&
    value.length <= MAX_CATEGORIES &&
    value.every((name) => typeof name === 'string') &&
    new Set(value).size === value.length;
  if (!isGood) throw damaged(field);
  return [...value];
}

function damaged(field: string): Error {
  return badData('table schema', `expected what a TableSchema was saved as, but ${field} is damaged`);
}
