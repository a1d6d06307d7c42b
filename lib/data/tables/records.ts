import { checkOptions, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import type { DatasetOptions } from '../dataset.ts';
import { badData } from '../files/source.ts';
import { checkColumnTypes } from './column-types.ts';
import { checkGivenSchema, TABLE_SCHEMA_OPTIONS, TableSchema, type TableSchemaOptions } from './schema.ts';
import { type ColumnType, type Table, TableBuilder } from './table.ts';

/** How `Dataset.fromRecords` reads. */
export interface RecordOptions extends TableSchemaOptions {
  /** Shown in reports; `records` if not given. */
  name?: string;
  /** What keys are taken for, where their values do not tell. */
  columns?: Readonly<Record<string, ColumnType>>;
  /** That of the training records, for others: nothing is learned then, and the options of learning have no meaning. */
  schema?: TableSchema;
}

/** The keys of {@link RecordOptions}. */
export const RECORD_OPTIONS = ['name', 'columns', 'schema', ...TABLE_SCHEMA_OPTIONS] as const;

/** What `Dataset` is made of: the records as a table, encoded by a schema that is given or learned from them. */
export async function readRecords(
  records: Iterable<object> | AsyncIterable<object>,
  options: RecordOptions,
): Promise<DatasetOptions> {
  const { name, columns, schema, learning } = checkRecordOptions('options of fromRecords', options);
  checkIterable(records);
  const builder = new RecordTable(name, columns, schema);
  for await (const record of records) builder.add(record);
  const table = builder.build();
  const found = schema ?? TableSchema.learn(table, learning);
  return { name, ...found.encode(table), schema: found };
}

/** @throws TorchvaeError ERR_TYPE, ERR_RANGE */
export function checkRecordOptions(what: string, options: RecordOptions) {
  const { name = 'records', columns, schema, ...learning } = checkOptions(what, options, RECORD_OPTIONS);
  if (typeof name !== 'string') throw new TorchvaeError('ERR_TYPE', expected('a string', 'name', name));
  checkGivenSchema(schema);
  return { name, columns: checkColumnTypes(columns), schema, learning };
}

/** Takes records one by one, and gives them as tables of as many as have come since the last one. */
export class RecordTable {
  readonly #name: string;
  readonly #columns: Readonly<Record<string, ColumnType>>;
  readonly #schema: TableSchema | undefined;
  /** Those that are read, and what they are taken for; settled by the first record. */
  #keys: string[] | undefined;
  #types: Readonly<Record<string, ColumnType>> = {};
  #builder: TableBuilder | undefined;
  #first = 0;

  constructor(name: string, columns: Readonly<Record<string, ColumnType>>, schema: TableSchema | undefined) {
    this.#name = name;
    this.#columns = columns;
    this.#schema = schema;
  }

  /** Records since the last table. */
  get length(): number {
    return this.#builder?.length ?? 0;
  }

  /** @throws TorchvaeError ERR_TYPE for what is no record, ERR_DATA_FORMAT for keys that the first did not have, and for cells */
  add(record: unknown): void {
    const place = `record ${this.#first + this.length}`;
    if (typeof record !== 'object' || record === null || Array.isArray(record)) {
      throw new TorchvaeError('ERR_TYPE', expected('an object of values by column', place, record));
    }
    const keys = this.#keys ?? this.#settle(record);
    this.#builder ??= new TableBuilder(this.#name, keys, this.#types, this.#first);
    if (!this.#schema) checkKeys(record, keys, this.#name, place);
    this.#builder.add(keys.map((key) => (record as Record<string, unknown>)[key]));
  }

  #settle(record: object): string[] {
    const keys = this.#schema ? recordKeys(this.#schema, record) : Object.keys(record);
    // A schema leaves other keys out, such as those that it was learned without.
    const isLeftOut = (name: string) => !keys.includes(name) && Object.hasOwn(record, name);
    this.#types = Object.fromEntries(Object.entries(this.#columns).filter(([name]) => !isLeftOut(name)));
    this.#keys = keys;
    return keys;
  }

  /** @throws TorchvaeError ERR_DATA_FORMAT where no record has come */
  build(): Table {
    if (!this.#builder) throw badData(this.#name, 'expected at least one record');
    const table = this.#builder.build();
    this.#first += table.length;
    this.#builder = undefined;
    return table;
  }
}

/** Those that the schema knows; a label may be left out. */
function recordKeys({ fields, label }: TableSchema, record: object): string[] {
  return [
    ...fields.map((field) => field.name),
    ...(label && Object.hasOwn(record, label.name) ? [label.name] : []),
  ];
}

function checkKeys(record: object, keys: readonly string[], name: string, place: string): void {
  const unknown = Object.keys(record).find((key) => !keys.includes(key));
  if (unknown === undefined) return;
  throw badData(
    name,
    `${place}: expected the keys of record 0 (${keys.slice(0, 20).join(', ')}) but it has ${JSON.stringify(unknown)}`,
  );
}

/** @throws TorchvaeError ERR_TYPE for what `for await` cannot go over; a text is refused too, though it can be iterated */
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
