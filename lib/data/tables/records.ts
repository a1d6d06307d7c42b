import { checkOptions, defined, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { badData } from '../files/source.ts';
import { TableBuilder } from './builder.ts';
import { type ColumnType, checkColumnTypes } from './column-types.ts';
import type { OnMissing } from './encoding.ts';
import { option } from './learning.ts';
import { checkMissing } from './missing.ts';
import {
  checkGivenSchema,
  type EncodedTable,
  TABLE_SCHEMA_OPTIONS,
  TableSchema,
  type TableSchemaOptions,
} from './schema.ts';
import { suspicionsOf } from './suspicions.ts';
import { columnsOf, placeOf, type Table } from './table.ts';
import { flattened, isEmptyVector, isList, oddList, widthIn } from './vectors.ts';

/** How `Dataset.fromRecords` reads. */
export interface RecordOptions extends TableSchemaOptions {
  /** Shown in reports; `records` if not given. */
  name?: string;
  /** The types of keys, where their values do not show them. */
  columns?: Readonly<Record<string, ColumnType>>;
  /** The schema of the training records: nothing is learned then, and the options of learning have no effect. */
  schema?: TableSchema;
  /** The texts that stand for a missing value, beside null, undefined and NaN. Default as `loadDataset` has them. */
  missing?: readonly string[];
}

/** The keys of {@link RecordOptions}. */
export const RECORD_OPTIONS = ['name', 'columns', 'schema', 'missing', ...TABLE_SCHEMA_OPTIONS] as const;

/** The records as a table, encoded by a schema that is given or learned from them. */
export async function readRecords(
  records: Iterable<object> | AsyncIterable<object>,
  options: RecordOptions,
): Promise<EncodedTable & { name: string; schema: TableSchema }> {
  const checked = checkRecordOptions('options of fromRecords', options);
  const { name, schema, reading, learning } = checked;
  checkIterable(records);
  const builder = new RecordTable(name, checked);
  for await (const record of records) builder.add(record);
  const table = builder.build();
  const found = schema ?? TableSchema.learn(table, learning);
  // The label of training records may be missing in others, but not what is asked for by name.
  if (reading !== schema) columnsOf(table)(learning.labelColumn!);
  const encoded = (reading ?? found).encode(table, defined({ onMissing: learning.onMissing }));
  const notes = schema ? encoded.notes : [...suspicionsOf(table, learning.labelColumn), ...encoded.notes];
  return { name, ...encoded, notes, schema: found };
}

/** @throws TorchvaeError ERR_TYPE, ERR_RANGE */
export function checkRecordOptions(what: string, options: RecordOptions) {
  const {
    name = 'records',
    columns,
    schema,
    missing,
    ...learning
  } = checkOptions(what, options, RECORD_OPTIONS);
  if (typeof name !== 'string') throw new TorchvaeError('ERR_TYPE', expected('a string', 'name', name));
  checkGivenSchema(schema);
  checkMissing(missing);
  const reading = schema?.forRows(learning.labelColumn);
  return { name, columns: checkColumnTypes(columns), schema, reading, missing, learning };
}

/** Collects records; `build` gives those since the last call as a table. */
export class RecordTable {
  readonly #name: string;
  readonly #columns: Readonly<Record<string, ColumnType>>;
  readonly #schema: TableSchema | undefined;
  readonly #isLenient: boolean;
  readonly #missing: readonly string[] | undefined;
  /** The keys that are read, and their types; settled by the first record. */
  #keys: ReadonlySet<string> | undefined;
  #types: Readonly<Record<string, ColumnType>> = {};
  #builder: TableBuilder | undefined;
  #first = 0;
  /** The columns of the schema. */
  readonly #fields: ReadonlySet<string>;
  /** Elements in the lists of each key. */
  readonly #widths = new Map<string, number>();

  /** @param how as {@link checkRecordOptions} gives it */
  constructor(
    name: string,
    {
      columns,
      reading: schema,
      missing,
      learning,
    }: {
      columns: Readonly<Record<string, ColumnType>>;
      reading: TableSchema | undefined;
      missing: readonly string[] | undefined;
      learning: { onMissing?: OnMissing | undefined };
    },
  ) {
    this.#name = name;
    this.#columns = columns;
    this.#schema = schema;
    this.#missing = missing;
    this.#fields = new Set(schema?.fields.map((field) => field.name));
    this.#isLenient = schema?.isLenient(learning.onMissing) ?? false;
  }

  /** Records since the last table. */
  get length(): number {
    return this.#builder?.length ?? 0;
  }

  /** Settles the keys by all of these records, instead of the first alone. */
  expect(records: Iterable<Readonly<Record<string, unknown>>>): void {
    const all: Record<string, unknown> = {};
    for (const record of records) this.addKeys(record, all);
    const names = new Set(Object.keys(all));
    for (const name of names) if (isEmptyVector(name, null, names)) delete all[name];
    if (names.size > 0) this.#settle(all);
  }

  /** Adds the keys of a record to those of others: together they can be given to {@link expect}. */
  addKeys(record: Readonly<Record<string, unknown>>, all: Record<string, unknown>): void {
    Object.assign(all, this.#flattened(record));
  }

  /** @throws TorchvaeError ERR_TYPE unless it is a record; ERR_DATA_FORMAT for keys that the first record lacks, and for bad cells */
  add(given: unknown): void {
    const place = `record ${this.#first + this.length}`;
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      throw new TorchvaeError('ERR_TYPE', expected('an object of values by column', place, given));
    }
    const record = this.#flattened(given as Record<string, unknown>);
    // A record with lists was taken apart.
    if (record !== given) this.#checkWidths(given as Record<string, unknown>);
    const keys = this.#keys ?? this.#settle(record);
    this.#builder ??= new TableBuilder(this.#name, [...keys], {
      types: this.#types,
      first: this.#first,
      isLenient: this.#isLenient,
      missing: this.#missing,
      ofSchema: this.#schema !== undefined,
    });
    if (!this.#schema) checkKeys(record, keys, this.#name, place);
    this.#builder.add(Array.from(keys, (key) => record[key]));
  }

  /** Lists of a key have one length: filling up those that are shorter would make values up. */
  #checkWidths(record: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(record)) {
      if (!isList(value) || value.length === 0 || this.#isWhole(key)) continue;
      const known = widthIn(this.#fields, key);
      // A schema leaves other keys out.
      if (this.#schema && known === undefined) continue;
      const width = this.#widths.get(key) ?? known ?? value.length;
      this.#widths.set(key, width);
      if (width === value.length || this.#isLenient) continue;
      const what = `expected ${width} values, as before, but received ${value.length}`;
      const advice = `cut or fill the lists to one length, or ignore the column (${option(key, 'ignore')})`;
      throw badData(this.#name, `${placeOf(this.#first + this.length, key)}: ${what}; ${advice}`);
    }
  }

  /** Whether a list is left as it is: of a key that is ignored, or of one value in the schema, which is a cell that its column cannot have. */
  #isWhole(key: string): boolean {
    return this.#columns[key] === 'ignore' || this.#fields.has(key);
  }

  #flattened(record: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    return flattened(this.#isLenient ? this.#withOddLists(record) : record, (key) => this.#isWhole(key));
  }

  /** The record with cells that cannot be read in place of the lists that have not the length of the schema's vectors. */
  #withOddLists(record: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    const odd = Object.entries(record).flatMap(([key, value]) => {
      if (!isList(value) || value.length === 0) return [];
      const width = widthIn(this.#fields, key);
      return width === undefined || width === value.length
        ? []
        : [[key, oddList(width, value.length)] as const];
    });
    return odd.length === 0 ? record : { ...record, ...Object.fromEntries(odd) };
  }

  #settle(record: Readonly<Record<string, unknown>>): ReadonlySet<string> {
    const keys = this.#schema ? recordKeys(this.#schema, record) : Object.keys(record);
    this.#keys = new Set(keys);
    // A schema leaves other keys out, such as those that it was learned without.
    const isRead = (name: string) => this.#keys!.has(name) || !Object.hasOwn(record, name);
    const given = Object.fromEntries(Object.entries(this.#columns).filter(([name]) => isRead(name)));
    this.#types = this.#schema?.typesOf(this.#name, keys, given) ?? given;
    return this.#keys;
  }

  /** @throws TorchvaeError ERR_DATA_FORMAT if there was no record */
  build(): Table {
    if (!this.#builder) throw badData(this.#name, 'expected at least one record');
    const table = this.#builder.build();
    this.#first += table.length;
    this.#builder = undefined;
    return table;
  }
}

/** The keys that the schema knows; the label may be missing. */
function recordKeys({ fields, label }: TableSchema, record: object): string[] {
  return [
    ...fields.map((field) => field.name),
    ...(label && Object.hasOwn(record, label.name) ? [label.name] : []),
  ];
}

function checkKeys(record: object, keys: ReadonlySet<string>, name: string, place: string): void {
  const unknown = Object.keys(record).find(
    (key) => !keys.has(key) && !isEmptyVector(key, (record as Record<string, unknown>)[key], keys),
  );
  if (unknown === undefined) return;
  const known = [...keys].slice(0, 20).join(', ');
  throw badData(
    name,
    `${place}: expected the keys of record 0 (${known}) but it has ${JSON.stringify(unknown)}`,
  );
}

/** @throws TorchvaeError ERR_TYPE unless `for await` can iterate it; also for a string, whose characters are not records */
export function checkIterable(records: unknown): void {
  const value = records as
    | { [Symbol.iterator]?: unknown; [Symbol.asyncIterator]?: unknown }
    | null
    | undefined;
  const isIterable =
    typeof value?.[Symbol.iterator] === 'function' || typeof value?.[Symbol.asyncIterator] === 'function';
  if (isIterable && typeof value === 'object') return;
  throw new TorchvaeError('ERR_TYPE', expected('an iterable of records', 'records', records));
}
