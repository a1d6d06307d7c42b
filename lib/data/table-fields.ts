import { badData } from './source.ts';
import { type Column, categoriesOfNumbers } from './table.ts';

/** A numeric column: an example holds (value - centre) / scale. */
export interface NumericField {
  readonly name: string;
  readonly type: 'numeric';
  /** The mean of the training rows, in the column's units; 0 where nothing is standardised. */
  readonly centre: number;
  /** Their standard deviation, or 1 if it is 0; 1 where nothing is standardised. */
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

/** More make an example too long, and mean that the column is a name of the row. */
const MAX_CATEGORIES = 4096;

/** What the rows of one column say about it. */
export function learnField(column: Column, standardise: boolean, file: string): Field {
  return column.type === 'numeric'
    ? learnNumbers(column.name, column.values, standardise, file)
    : learnCategories(column, file);
}

function learnNumbers(name: string, values: Float64Array, standardise: boolean, file: string): NumericField {
  // Welford's update, which large means do not spoil.
  let [count, mean, squares] = [0, 0, 0];
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    count++;
    const before = value - mean;
    mean += before / count;
    squares += before * (value - mean);
  }
  if (count === 0) throw noValue(name, file);
  const deviation = Math.sqrt(squares / count);
  if (!Number.isFinite(mean) || !Number.isFinite(deviation)) {
    throw badData(
      file,
      `column ${JSON.stringify(name)}: expected numbers whose mean and deviation are finite; scale them`,
    );
  }
  if (!standardise) return { name, type: 'numeric', centre: 0, scale: 1, fill: mean };
  return { name, type: 'numeric', centre: mean, scale: deviation || 1, fill: mean };
}

function learnCategories(column: Extract<Column, { type: 'categorical' }>, file: string): CategoricalField {
  const { name } = column;
  const counts = new Map<string, number>();
  for (const code of column.values) {
    if (code < 0) continue;
    const category = column.categories[code]!;
    counts.set(category, (counts.get(category) ?? 0) + 1);
  }
  if (counts.size === 0) throw noValue(name, file);
  if (counts.size > MAX_CATEGORIES) throw tooMany(name, counts.size, file);
  const categories = [...counts.keys()].sort(inOrder);
  const most = Math.max(...counts.values());
  return {
    name,
    type: 'categorical',
    categories,
    usual: categories.findIndex((category) => counts.get(category) === most),
  };
}

/** The classes of a column, sorted: numbers by their size. */
export function learnLabel(column: Column, file: string): LabelField {
  const { name } = column;
  if (column.type === 'numeric') {
    const row = column.values.findIndex((value) => !Number.isInteger(value) && !Number.isNaN(value));
    if (row >= 0) {
      const found = `row ${row + 1}, column ${JSON.stringify(name)}`;
      throw badData(
        file,
        `${found}: expected a class as label, a word or a whole number, but received ${column.values[row]}`,
      );
    }
  }
  const { values, categories } = column.type === 'numeric' ? categoriesOfNumbers(column.values) : column;
  const used = new Set(values);
  const found = categories.filter((_, code) => used.has(code)).sort(inOrder);
  if (found.length === 0) throw noValue(name, file);
  if (found.length > MAX_CATEGORIES) throw tooMany(name, found.length, file);
  return { name, categories: found };
}

/** Whole numbers by their size, before words by their characters; the same on every machine. */
function inOrder(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => (/^-?\d+$/.test(text) ? Number(text) : Infinity)) as [number, number];
  return x === y ? (a < b ? -1 : a > b ? 1 : 0) : x - y;
}

function noValue(name: string, file: string): Error {
  return badData(
    file,
    `column ${JSON.stringify(name)}: expected values but all training rows miss theirs; ignore the column`,
  );
}

function tooMany(name: string, count: number, file: string): Error {
  const advice = 'is it a name of the row? Say that it is numeric, or ignore it';
  return badData(
    file,
    `column ${JSON.stringify(name)}: expected at most ${MAX_CATEGORIES} categories but there are ${count}; ${advice}`,
  );
}

/**
 * Holds what a file says against what was learnt once.
 *
 * @throws TorchvaeError ERR_DATA_FORMAT
 */
export function checkFields(fields: unknown, label: unknown): { fields: Field[]; label?: LabelField } {
  if (!Array.isArray(fields) || fields.length === 0) throw damaged('fields');
  const checked = fields.map((field, i): Field => {
    const { name, type, centre, scale, fill, categories, usual } = (field ?? {}) as Record<string, unknown>;
    if (typeof name !== 'string') throw damaged(`fields[${i}].name`);
    if (type === 'numeric') {
      if (![centre, scale, fill].every(Number.isFinite) || !((scale as number) > 0))
        throw damaged(`fields[${i}]`);
      return { name, type, centre: Number(centre), scale: Number(scale), fill: Number(fill) };
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
