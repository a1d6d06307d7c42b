import { types } from 'node:util';
import { checkBoolean, checkOneOf, checkOptions, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { isBranded } from '../brand.ts';
import { type CellCounts, noCells, totalCells } from '../examples/cells.ts';
import type { DataKind } from '../examples/checks.ts';
import { allocate, badData } from '../files/source.ts';
import { CellNotes } from './cell-notes.ts';
import type { Decimal } from './cells.ts';
import type { ColumnType } from './column-types.ts';
import { decodeField } from './decoding.ts';
import { type ColumnSummary, labelSummary, summariesOf } from './description.ts';
import { encodeField, encodeLabels, type OnMissing, type OnUnknownLabel, type OnUnseen } from './encoding.ts';
import { checkFields, type Field, type LabelField, upgradeFields, widthOf } from './fields.ts';
import { TableLearner } from './learner.ts';
import { columnsOf, isPlaceName, type LeftOut, type Table } from './table.ts';

export type { ColumnSummary } from './description.ts';
export type { CategoricalField, DateField, Field, LabelField, NumericField } from './fields.ts';

/** How {@link TableSchema.learn} turns columns into numbers. */
export interface TableSchemaOptions {
  /**
   * The column that becomes the labels, and no part of an example. Default: none. Of a table that is read for the schema of rows without
   * labels, the column that says what its rows are.
   */
  labelColumn?: string;
  /**
   * `refuse` (default) throws for a missing value. `impute` puts the training mean of a numeric column or the most frequent
   * category there; of a table that is read for a given schema, a category that was not in the training rows is encoded by zeros
   * alone, a cell that its column cannot have (`abc` among numbers) by the usual value, and an infinite number by the largest. Such cells are
   * counted for each row (`Dataset.cells`).
   */
  onMissing?: OnMissing;
  /** Whether numeric columns get mean 0 and standard deviation 1 over the training rows; dates always do. Default true. */
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
  /** For people: how many cells were imputed, and how many have categories that the training rows did not have. */
  notes: readonly string[];
  /** The same for each row; missing where there are none. */
  cells?: CellCounts;
}

/** The JSON form of a {@link TableSchema}. */
export interface TableSchemaJson {
  type: 'table';
  /** Of this form. Schemas of version 1 have none, and no bounds, dates and columns that were left out. */
  version: 2;
  fields: readonly Field[];
  label?: LabelField;
  leftOut: readonly LeftOut[];
  /** Of the training rows, if these were text. */
  decimal?: Decimal;
  onMissing: OnMissing;
}

/** More numbers than one array of every supported Node holds. */
const MAX_VALUES = 2 ** 30;

const BRAND = Symbol.for('torchvae.TableSchema');

/**
 * How rows of a table become examples, and examples rows again: numeric columns are standardized, dates become standardized seconds and
 * their places in the periods that show, categorical columns a one-hot group each, in the order of the columns. Learned from training
 * rows alone, and kept as JSON.
 */
export class TableSchema {
  /** @internal */
  get [BRAND](): true {
    return true;
  }

  /** @internal Of any copy of the package. */
  static [Symbol.hasInstance](value: unknown): value is TableSchema {
    return isBranded(BRAND, value);
  }

  readonly type = 'table';
  /** The columns that make up an example. */
  readonly fields: readonly Field[];
  /** The column of the labels, if there is one. */
  readonly label: LabelField | undefined;
  /** The columns of the training rows that were not read. */
  readonly leftOut: readonly LeftOut[];
  readonly onMissing: OnMissing;
  /** Between the whole and the fractional part of numbers, where the training rows were text. */
  readonly decimal: Decimal | undefined;
  /** Numbers in an example. */
  readonly size: number;

  private constructor({
    fields,
    label,
    leftOut,
    onMissing,
    decimal,
  }: Omit<TableSchemaJson, 'type' | 'version'>) {
    this.fields = Object.freeze([...fields]);
    this.label = label;
    this.leftOut = Object.freeze([...leftOut]);
    this.onMissing = onMissing;
    this.decimal = decimal;
    this.size = fields.reduce((sum, field) => sum + widthOf(field), 0);
  }

  /**
   * The schema of these rows, which should be the training rows alone.
   *
   * @param labeled the rows whose labels are classes; default the same
   * @throws TorchvaeError ERR_RANGE for a label column that the table does not have; ERR_DATA_FORMAT for a column without any value,
   * with too many categories (4096), with a mean that is not finite, with a few other cells among numbers or dates, or with words that
   * are nearly all different; for labels that are missing or not classes
   */
  static learn(table: Table, options: TableSchemaOptions = {}, labeled: Table = table): TableSchema {
    const { labelColumn, onMissing, standardize } = checkLearning(options);
    const learner = new TableLearner(table.name, { labelColumn, standardize });
    learner.add(table, labeled);
    return TableSchema.learned(learner, onMissing);
  }

  /** @internal The schema of all tables that the learner has seen. */
  static learned(learner: TableLearner, onMissing: OnMissing): TableSchema {
    return new TableSchema({ ...learner.finish(), onMissing });
  }

  /** @throws TorchvaeError ERR_DATA_FORMAT unless the value has the form that {@link toJSON} gives, or gave in version 1 */
  static fromJSON(value: unknown): TableSchema {
    const { version, fields, label, leftOut, onMissing, decimal } = (value ?? {}) as Partial<TableSchemaJson>;
    if (version !== undefined && version !== 2) {
      throw badData('table schema', expected('2, or none for version 1,', 'version', version));
    }
    if (onMissing !== 'refuse' && onMissing !== 'impute') {
      throw badData('table schema', expected('refuse or impute', 'onMissing', onMissing));
    }
    if (decimal !== undefined && decimal !== '.' && decimal !== ',') {
      throw badData('table schema', expected("'.' or ','", 'decimal', decimal));
    }
    const checked =
      version === 2 ? checkFields(fields, label, leftOut) : checkFields(upgradeFields(fields), label, []);
    return new TableSchema({ ...checked, onMissing, ...(decimal && { decimal }) });
  }

  toJSON(): TableSchemaJson {
    const { fields, label, leftOut, onMissing, decimal } = this;
    return {
      type: 'table',
      version: 2,
      fields,
      ...(label && { label }),
      leftOut,
      ...(decimal && { decimal }),
      onMissing,
    };
  }

  /**
   * The rows as examples. Columns are found by name; columns that the schema does not have are left out. Rows get labels
   * if the table has the label column.
   *
   * @param options.onMissing what a missing value does; default as the schema was learned
   * @param options.onUnseen what a category does that the training rows did not have: `leave` encodes it by zeros alone and counts
   * it. Default `leave` where missing values are imputed, else `refuse`
   * @param options.onUnknownLabel what a label does that is missing, or that no training row has: `add` (default) makes it a class behind
   * the known ones, of which models that are conditioned on labels know nothing; `other` puts all of these into one
   * @throws TorchvaeError ERR_RANGE for a column that the table does not have; ERR_DATA_FORMAT naming row and column of a value that
   * is missing, of another type, not finite as float32, or a category that the training rows did not have
   */
  encode(
    table: Table,
    options: { onMissing?: OnMissing; onUnseen?: OnUnseen; onUnknownLabel?: OnUnknownLabel } = {},
  ): EncodedTable {
    const { onMissing = this.onMissing, onUnknownLabel = 'add' } = options;
    const { onUnseen = onMissing === 'impute' ? 'leave' : 'refuse' } = options;
    const { length } = table;
    if (length * this.size > MAX_VALUES) {
      throw badData(
        table.name,
        `expected at most ${MAX_VALUES} numbers but ${length} rows of ${this.size} are more`,
      );
    }
    const data = allocate(table.name, 4 * length * this.size, () => new Float32Array(length * this.size));
    const columnOf = columnsOf(table);
    let start = 0;
    const counts = noCells(length);
    for (const field of this.fields) {
      const target = { data, start, size: this.size, onMissing, onUnseen, counts };
      encodeField(field, columnOf(field.name), table, target);
      start += widthOf(field);
    }
    const { imputed, unseen } = totalCells(counts);
    const cellNotes = new CellNotes();
    cellNotes.add(counts, table, this.fields);
    cellNotes.addColumns(table, this.fields);
    const label = this.label && table.columns.find(({ name }) => name === this.label!.name);
    return {
      shape: [this.size],
      kind: this.kindOf(() => data.every((value) => value >= 0 && value <= 1)),
      data,
      ...(label && encodeLabels(this.label!, label, table, onUnknownLabel)),
      notes: cellNotes.notes,
      ...(imputed + unseen > 0 && { cells: counts }),
    };
  }

  /**
   * The rows that examples stand for, as records by column: numbers in the column's units with as many decimals as the training rows
   * have, dates in ISO 8601 and UTC, and the category with the largest value; missing values (NaN, or no text) where the examples hold NaN, as
   * `VAE.reconstruct` gives them for a row that cannot be read.
   *
   * @param values [rows, size], such as the `data` of what `VAE.reconstruct` or `sample` returns
   * @param options.bounded whether numbers and dates are kept within those of the training rows. Default true; give false for
   * examples that are encoded rows, which may lie beyond
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE
   */
  decode(values: Float32Array, options: { bounded?: boolean } = {}): Record<string, number | string>[] {
    const { bounded = true } = checkOptions('options of decode', options, ['bounded']);
    checkBoolean('bounded', bounded);
    if (!types.isFloat32Array(values)) {
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
          return [field.name, decodeField(field, part, bounded)];
        }),
      );
    });
  }

  /** Each column and what it became, for people: `{ column: 'age', became: 'number, 17 to 90, whole' }`. */
  describe(): ColumnSummary[] {
    return [
      ...summariesOf(this.fields),
      ...(this.label ? [labelSummary(this.label)] : []),
      ...this.leftOut.map(({ name, reason }) => ({ column: name, became: `left out: ${reason}` })),
    ];
  }

  /**
   * @internal The schema by which other rows are read: where the training rows had no labels, those of this column are classes, such as what
   * each row of a test set is.
   *
   * @throws TorchvaeError ERR_RANGE for a column that is part of the examples
   */
  forRows(labelColumn: string | undefined): TableSchema {
    if (labelColumn === undefined || this.label) return this;
    if (this.fields.some(({ name }) => name === labelColumn)) {
      const trouble = `column ${JSON.stringify(labelColumn)} is part of the examples, so that it cannot hold their labels`;
      throw new TorchvaeError('ERR_RANGE', `${trouble}; name another column for labelColumn`);
    }
    return new TableSchema({ ...this.toJSON(), label: { name: labelColumn, categories: [] } });
  }

  /** @internal The schema by which rows are read whose labels are these. */
  withClasses(categories: readonly string[]): TableSchema {
    if (!this.label) return this;
    return new TableSchema({ ...this.toJSON(), label: { name: this.label.name, categories } });
  }

  /**
   * @internal Whether a bad cell of a table that is read for this schema is counted, instead of refusing the table.
   * @param onMissing as the caller says
   */
  isLenient(onMissing: OnMissing | undefined): boolean {
    return (onMissing ?? this.onMissing) === 'impute';
  }

  /**
   * @internal The types of the columns of a table that is read for this schema; columns that it does not have are ignored.
   * @param source the table's name, for messages
   * @param given types that the caller sets
   * @throws TorchvaeError ERR_RANGE for a column that is missing
   */
  typesOf(
    source: string,
    names: readonly string[],
    given: Readonly<Record<string, ColumnType>> = {},
  ): Record<string, ColumnType> {
    const present = new Set(names);
    const missing = this.fields.find(({ name }) => !present.has(name));
    if (missing) {
      const found =
        names.slice(0, 20).join(', ') + (names.length > 20 ? `, ... (${names.length} in all)` : '');
      const what = `expected the columns of the training data but ${JSON.stringify(missing.name)} is not among ${found}`;
      const advice = names.every(isPlaceName)
        ? 'write the names of the columns into the first line'
        : 'name it so';
      throw new TorchvaeError('ERR_RANGE', `${source}: ${what}; ${advice}, or train without it`);
    }
    const types = new Map(names.map((name): [string, ColumnType] => [name, 'ignore']));
    for (const { name, type } of this.fields) types.set(name, type);
    if (this.label && present.has(this.label.name)) types.set(this.label.name, 'categorical');
    return { ...Object.fromEntries(types), ...given };
  }

  /**
   * @internal The kind of the encoded values.
   * @param isUnit whether all lie in [0, 1]; not called where columns are standardized
   */
  kindOf(isUnit: () => boolean): DataKind {
    if (this.fields.every((field) => field.type === 'categorical')) return 'binary';
    const isPlain = this.fields.every(
      (field) =>
        field.type === 'categorical' || (field.type === 'numeric' && field.center === 0 && field.scale === 1),
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
