import { checkBoolean, checkOneOf, checkOptions, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import type { DataKind } from '../examples/checks.ts';
import { allocate, badData } from '../files/source.ts';
import { checkFields, type Field, type LabelField } from './fields.ts';
import { TableLearner } from './learner.ts';
import { type Column, categoriesOfNumbers, columnOf, numberIn, placeOf, type Table } from './table.ts';

export type { CategoricalField, Field, LabelField, NumericField } from './fields.ts';

/** How {@link TableSchema.learn} turns columns into numbers. */
export interface TableSchemaOptions {
  /** The column that becomes the labels, and no part of an example. Default: none. */
  labelColumn?: string;
  /**
   * `refuse` (default) throws for a missing value. `impute` puts the training mean of a numeric column or the most frequent
   * category there, and in place of a category that was not in the training rows.
   */
  onMissing?: 'refuse' | 'impute';
  /** Whether numeric columns get mean 0 and standard deviation 1 over the training rows. Default true. */
  standardize?: boolean;
}

export const TABLE_SCHEMA_OPTIONS = ['labelColumn', 'onMissing', 'standardize'] as const;

/** Encoded rows, in the form that the constructor of `Dataset` takes. */
export interface EncodedTable {
  shape: readonly [number];
  kind: DataKind;
  /** [rows, size]. */
  data: Float32Array;
  labels?: Int32Array;
  classes?: readonly string[];
}

/** The JSON form of a {@link TableSchema}. */
export interface TableSchemaJson {
  type: 'table';
  fields: readonly Field[];
  label?: LabelField;
  onMissing: 'refuse' | 'impute';
}

/** More numbers than one array of every supported Node holds. */
const MAX_VALUES = 2 ** 30;

/**
 * How rows of a table become examples, and examples rows again: numeric columns are standardized, categorical ones become a
 * one-hot group each, in the order of the columns. Learned from training rows alone, and kept as JSON.
 */
export class TableSchema {
  readonly type = 'table';
  /** The columns that make up an example. */
  readonly fields: readonly Field[];
  /** The column of the labels, if there is one. */
  readonly label: LabelField | undefined;
  readonly onMissing: 'refuse' | 'impute';
  /** Numbers in an example. */
  readonly size: number;

  private constructor({ fields, label, onMissing }: Omit<TableSchemaJson, 'type'>) {
    this.fields = Object.freeze([...fields]);
    this.label = label;
    this.onMissing = onMissing;
    this.size = fields.reduce((sum, field) => sum + widthOf(field), 0);
  }

  /**
   * The schema of these rows, which should be the training rows alone.
   *
   * @param labeled the rows whose labels are classes; default the same
   * @throws TorchvaeError ERR_RANGE for a label column that is not there, ERR_DATA_FORMAT for a column without any value, with too
   * many categories (4096), or of which the mean is not finite; for labels that are missing or no classes
   */
  static learn(table: Table, options: TableSchemaOptions = {}, labeled: Table = table): TableSchema {
    const { labelColumn, onMissing, standardize } = checkLearning(options);
    const learner = new TableLearner(table.name, { labelColumn, standardize });
    learner.add(table, labeled);
    return TableSchema.learned(learner, onMissing);
  }

  /** @internal The schema of all tables that the learner has seen. */
  static learned(learner: TableLearner, onMissing: 'refuse' | 'impute'): TableSchema {
    return new TableSchema({ ...learner.finish(), onMissing });
  }

  /** @throws TorchvaeError ERR_DATA_FORMAT unless the value has the form that {@link toJSON} gives */
  static fromJSON(value: unknown): TableSchema {
    const { fields, label, onMissing } = (value ?? {}) as Partial<TableSchemaJson>;
    if (onMissing !== 'refuse' && onMissing !== 'impute') {
      throw badData('table schema', expected('refuse or impute', 'onMissing', onMissing));
    }
    const checked = checkFields(fields, label);
    return new TableSchema({ ...checked, onMissing });
  }

  toJSON(): TableSchemaJson {
    const { fields, label, onMissing } = this;
    return { type: 'table', fields, ...(label && { label }), onMissing };
  }

  /**
   * The rows as examples. Columns are found by name; columns that the schema does not have are left out. Rows get labels
   * if the table has the label column.
   *
   * @throws TorchvaeError ERR_RANGE for a column that is not there, ERR_DATA_FORMAT naming row and column of a value that is
   * missing, no number, not finite as float32, or a category that the training rows did not have
   */
  encode(table: Table): EncodedTable {
    const { length } = table;
    if (length * this.size > MAX_VALUES) {
      throw badData(
        table.name,
        `expected at most ${MAX_VALUES} numbers but ${length} rows of ${this.size} are more`,
      );
    }
    const data = allocate(table.name, 4 * length * this.size, () => new Float32Array(length * this.size));
    let start = 0;
    for (const field of this.fields) {
      const column = columnOf(table, field.name);
      if (field.type === 'numeric') this.#encodeNumbers(field, column, data, start, table);
      else this.#encodeCategories(field, column, data, start, table);
      start += widthOf(field);
    }
    const label = this.label && table.columns.find(({ name }) => name === this.label!.name);
    return {
      shape: [this.size],
      kind: this.kindOf(() => data.every((value) => value >= 0 && value <= 1)),
      data,
      ...(label && { labels: this.#labels(label, table), classes: this.label!.categories }),
    };
  }

  /**
   * The rows that examples stand for, as records by column: numbers in the column's units, and the category with the largest
   * value.
   *
   * @param values [rows, size], such as the `data` of what `VAE.reconstruct` or `sample` returns
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE
   */
  decode(values: Float32Array): Record<string, number | string>[] {
    if (!(values instanceof Float32Array)) {
      throw new TorchvaeError('ERR_TYPE', expected('a Float32Array', 'values', values));
    }
    if (values.length % this.size !== 0) {
      throw new TorchvaeError('ERR_SHAPE', expected(`a multiple of ${this.size} values`, 'values', values));
    }
    return Array.from({ length: values.length / this.size }, (_, row) => {
      let at = row * this.size;
      return Object.fromEntries(
        this.fields.map((field) => {
          const part = values.subarray(at, at + widthOf(field));
          at += part.length;
          return [field.name, decodeField(field, part)];
        }),
      );
    });
  }

  #encodeNumbers(
    field: Extract<Field, { type: 'numeric' }>,
    column: Column,
    data: Float32Array,
    start: number,
    table: Table,
  ): void {
    const numbers = numbersOf(column, table);
    for (let row = 0; row < numbers.length; row++) {
      let value = numbers[row]!;
      if (Number.isNaN(value)) value = this.#missing(row, field.name, table, field.fill);
      const at = row * this.size + start;
      data[at] = (value - field.center) / field.scale;
      if (Number.isFinite(data[at]!)) continue;
      throw badData(
        table.name,
        `${placeOf(row, field.name, table)}: expected a number that is finite as float32 but received ${value}`,
      );
    }
  }

  #encodeCategories(
    field: Extract<Field, { type: 'categorical' }>,
    column: Column,
    data: Float32Array,
    start: number,
    table: Table,
  ): void {
    const places = new Map(field.categories.map((name, i) => [name, i]));
    const { codes, names } = namesOf(column);
    const known = names.map((name) => places.get(name) ?? -1);
    for (let row = 0; row < codes.length; row++) {
      const code = codes[row]!;
      let place = code < 0 ? this.#missing(row, field.name, table, field.usual) : known[code]!;
      if (place < 0) {
        if (this.onMissing === 'refuse') throw unknownCategory(row, field, names[code]!, table);
        place = field.usual;
      }
      data[row * this.size + start + place] = 1;
    }
  }

  #labels(column: Column, table: Table): Int32Array {
    const { name, categories } = this.label!;
    const places = new Map(categories.map((category, i) => [category, i]));
    const { codes, names } = namesOf(column);
    return Int32Array.from(codes, (code, row) => {
      const place = code < 0 ? undefined : places.get(names[code]!);
      if (place !== undefined) return place;
      if (code < 0) throw missingLabel(table, row, name);
      throw unknownCategory(row, this.label!, names[code]!, table);
    });
  }

  #missing(row: number, column: string, table: Table, substitute: number): number {
    if (this.onMissing === 'impute') return substitute;
    throw missingValue(table, row, column);
  }

  /**
   * @internal The kind of the encoded values.
   * @param isUnit whether all lie in [0, 1]; not called where columns are standardized
   */
  kindOf(isUnit: () => boolean): DataKind {
    if (this.fields.every((field) => field.type === 'categorical')) return 'binary';
    const isPlain = this.fields.every(
      (field) => field.type === 'categorical' || (field.center === 0 && field.scale === 1),
    );
    return isPlain && isUnit() ? 'unit' : 'real';
  }
}

/** @throws TorchvaeError ERR_TYPE unless `schema` is one, if it is given */
export function checkGivenSchema(schema: unknown): asserts schema is TableSchema | undefined {
  if (schema === undefined || schema instanceof TableSchema) return;
  throw new TorchvaeError('ERR_TYPE', expected('a TableSchema', 'schema', schema));
}

/** @throws TorchvaeError ERR_TYPE, ERR_RANGE */
export function checkLearning(options: TableSchemaOptions) {
  const {
    labelColumn,
    onMissing = 'refuse',
    standardize = true,
  } = checkOptions('options of TableSchema.learn', options, TABLE_SCHEMA_OPTIONS);
  if (labelColumn !== undefined && typeof labelColumn !== 'string') {
    throw new TorchvaeError('ERR_TYPE', expected('the name of a column', 'labelColumn', labelColumn));
  }
  checkOneOf('onMissing', onMissing, ['refuse', 'impute']);
  checkBoolean('standardize', standardize);
  return { labelColumn, onMissing, standardize };
}

function widthOf(field: Field): number {
  return field.type === 'numeric' ? 1 : field.categories.length;
}

function decodeField(field: Field, values: Float32Array): number | string {
  if (field.type === 'numeric') return values[0]! * field.scale + field.center;
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return field.categories[best]!;
}

/** A file read alone may have words in a column that was numeric in the training rows, or numbers in a categorical one. */
function numbersOf(column: Column, table: Table): Float64Array {
  if (column.type === 'numeric') return column.values;
  const numbers = column.categories.map(numberIn);
  return Float64Array.from(column.values, (code, row) => {
    const value = code < 0 ? Number.NaN : numbers[code];
    if (value !== undefined) return value;
    const found = JSON.stringify(column.categories[code]!.slice(0, 60));
    throw badData(table.name, `${placeOf(row, column.name, table)}: expected a number but received ${found}`);
  });
}

function namesOf(column: Column): { codes: Int32Array; names: readonly string[] } {
  if (column.type === 'categorical') return { codes: column.values, names: column.categories };
  const { values, categories } = categoriesOfNumbers(column.values);
  return { codes: values, names: categories };
}

/** The error for a row that has no value in a column. */
export function missingValue(table: Table, row: number, column: string): TorchvaeError {
  const advice = 'fill it in, leave the row out, or give onMissing: impute (--on-missing impute)';
  const place = placeOf(row, column, table);
  return badData(table.name, `${place}: expected a value but it is missing; ${advice}`);
}

/** The error for a row that has no label. */
export function missingLabel(table: Table, row: number, column: string): TorchvaeError {
  return badData(table.name, `${placeOf(row, column, table)}: expected a label but it is missing`);
}

function unknownCategory(
  row: number,
  { name, categories }: { name: string; categories: readonly string[] },
  found: string,
  table: Table,
): TorchvaeError {
  const known = categories.slice(0, 12).join(', ') + (categories.length > 12 ? ', ...' : '');
  const received = JSON.stringify(found.slice(0, 60));
  return badData(
    table.name,
    `${placeOf(row, name, table)}: expected one of the training rows' values (${known}) but received ${received}`,
  );
}
