import { checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { checkColumnTypes } from './column-types.ts';
import type { DatasetOptions } from './dataset.ts';
import { badData } from './source.ts';
import { type ColumnType, TableBuilder } from './table.ts';
import { TABLE_SCHEMA_OPTIONS, TableSchema, type TableSchemaOptions } from './table-schema.ts';

/** How `Dataset.fromRecords` reads. */
export interface RecordOptions extends TableSchemaOptions {
  /** Shown in reports; `records` if not given. */
  name?: string;
  /** What keys are taken for, where their values do not tell. */
  columns?: Readonly<Record<string, ColumnType>>;
  /** That of the training records, for others: nothing is learnt then, and the options of learning have no meaning. */
  schema?: TableSchema;
}

/** What `Dataset` is made of: the records as a table, encoded by a schema that is given or learnt from them. */
export async function readRecords(
  records: Iterable<object> | AsyncIterable<object>,
  options: RecordOptions,
): Promise<DatasetOptions> {
  const known = ['name', 'columns', 'schema', ...TABLE_SCHEMA_OPTIONS];
  const {
    name = 'records',
    columns,
    schema,
    ...learning
  } = checkOptions('options of fromRecords', options, known);
  const types = checkColumnTypes(columns);
  checkIterable(records);
  if (schema !== undefined && !(schema instanceof TableSchema)) {
    throw new TorchvaeError('ERR_TYPE', expected('a TableSchema', 'schema', schema));
  }
  let builder: TableBuilder | undefined;
  let keys: string[] = [];
  for await (const record of records) {
    const place = `record ${builder?.length ?? 0}`;
    if (typeof record !== 'object' || record === null || Array.isArray(record)) {
      throw new TorchvaeError('ERR_TYPE', expected('an object of values by column', place, record));
    }
    if (!builder) {
      keys = schema ? recordKeys(schema, record) : Object.keys(record);
      builder = new TableBuilder(name, keys, types);
    }
    if (!schema) checkKeys(record, keys, name, place);
    builder.add(keys.map((key) => (record as Record<string, unknown>)[key]));
  }
  if (!builder) throw badData(name, 'expected at least one record');
  const table = builder.build();
  const found = schema ?? TableSchema.learn(table, learning);
  return { name, ...found.encode(table), schema: found };
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

function checkIterable(records: unknown): void {
  const value = records as
    | { [Symbol.iterator]?: unknown; [Symbol.asyncIterator]?: unknown }
    | null
    | undefined;
  const isIterable =
    typeof value?.[Symbol.iterator] === 'function' || typeof value?.[Symbol.asyncIterator] === 'function';
  if (isIterable && typeof value === 'object') return;
  throw new TorchvaeError('ERR_TYPE', expected('an iterable of records', 'records', records));
}
