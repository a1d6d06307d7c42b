import { badData } from '../files/source.ts';

/** A numeric column: an example holds (value - center) / scale. */
export interface NumericField {
  readonly name: string;
  readonly type: 'numeric';
  /** The mean of the training rows, in the column's units; 0 where nothing is standardized. */
  readonly center: number;
  /** Their standard deviation, or 1 if it is 0; 1 where nothing is standardized. */
  readonly scale: number;
  /** What a missing value becomes: their mean. */
  readonly fill: number;
}

/** A categorical column: an example holds a 1 at the place of its category and 0 at those of the others. */
export interface CategoricalField {
  readonly name: string;
  readonly type: 'categorical';
  /** The values of the training rows, sorted. */
  readonly categories: readonly string[];
  /** What a missing value becomes: the place of the most frequent one. */
  readonly usual: number;
}

/** A column as an example holds it. */
export type Field = NumericField | CategoricalField;

/** The column of the labels: label i is `categories[i]`. */
export interface LabelField {
  readonly name: string;
  readonly categories: readonly string[];
}

/** More would make examples too long; such a column usually identifies the row. */
export const MAX_CATEGORIES = 4096;

/**
 * Validates the fields of a schema that was read from a file.
 *
 * @throws TorchvaeError ERR_DATA_FORMAT
 */
export function checkFields(fields: unknown, label: unknown): { fields: Field[]; label?: LabelField } {
  if (!Array.isArray(fields) || fields.length === 0) throw damaged('fields');
  const checked = fields.map((field, i): Field => {
    const { name, type, center, scale, fill, categories, usual } = (field ?? {}) as Record<string, unknown>;
    if (typeof name !== 'string') throw damaged(`fields[${i}].name`);
    if (type === 'numeric') {
      if (![center, scale, fill].every(Number.isFinite) || !((scale as number) > 0))
        throw damaged(`fields[${i}]`);
      return { name, type, center: Number(center), scale: Number(scale), fill: Number(fill) };
    }
    if (type !== 'categorical') throw damaged(`fields[${i}].type`);
    const names = checkNames(categories, `fields[${i}].categories`);
    if (!Number.isInteger(usual) || names[usual as number] === undefined) throw damaged(`fields[${i}].usual`);
    return { name, type, categories: names, usual: Number(usual) };
  });
  if (new Set(checked.map(({ name }) => name)).size !== checked.length) throw damaged('fields');
  if (label === undefined) return { fields: checked };
  const { name, categories } = (label ?? {}) as Record<string, unknown>;
  if (typeof name !== 'string') throw damaged('label.name');
  return { fields: checked, label: { name, categories: checkNames(categories, 'label.categories') } };
}

function checkNames(value: unknown, field: string): string[] {
  const isGood =
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= MAX_CATEGORIES &&
    value.every((name) => typeof name === 'string') &&
    new Set(value).size === value.length;
  if (!isGood) throw damaged(field);
  return [...value];
}

function damaged(field: string): Error {
  return badData('table schema', `expected what a TableSchema was saved as, but ${field} is damaged`);
}
