import { linesOf } from '../files/lines.ts';
import { badData } from '../files/source.ts';
import { textOf } from '../files/text.ts';
import { only } from '../options.ts';
import { openRowStream, ROW_OPTIONS, type RowFiles, type RowOptions, textSize } from '../streams/tables.ts';
import { type ColumnType, checkColumnTypes } from '../tables/column-types.ts';
import { checkMissing } from '../tables/missing.ts';
import { RecordTable } from '../tables/records.ts';
import { TABLE_ROWS_OPTIONS, type TableRowsOptions, tableRows, tableSchema } from '../tables/rows.ts';
import type { TableSchema } from '../tables/schema.ts';
import type { Table } from '../tables/table.ts';
import type { Format } from './format.ts';

const MAX_FILE = 2 ** 32;
/** Characters of one line. */
const MAX_LINE = 2 ** 24;

const AS_LINES = "write one object a line (jq -c '.[]')";

/** Cells of a piece of a table. */
const CELLS_TOGETHER = 2 ** 18;

export type JsonLinesOptions = {
  columns?: Readonly<Record<string, ColumnType>>;
  missing?: readonly string[];
} & TableRowsOptions;

/** One JSON object a line, as a row of a table. */
export const jsonl: Format<JsonLinesOptions, JsonLinesOptions & RowOptions> = {
  name: 'JSON lines (.jsonl, .ndjson)',
  extensions: ['.jsonl', '.ndjson'],
  takesGzip: true,
  options: ['columns', 'missing', ...TABLE_ROWS_OPTIONS],
  read: async (path, options) =>
    tableRows(await readJsonLines(path, options), only(options, TABLE_ROWS_OPTIONS)),
  readTable: readJsonLines,
  stream: {
    options: ['columns', 'missing', ...ROW_OPTIONS],
    open: (path, options, signal, training) =>
      openRowStream(jsonFiles(path, [path], options), only(options, ROW_OPTIONS), signal, training),
    sizeInMemory: textSize,
  },
};

/** Files of JSON lines, to be read piece by piece. */
export function jsonFiles(name: string, paths: readonly string[], options: JsonLinesOptions): RowFiles {
  const keys = new Map<string, Record<string, unknown>>();
  return { name, paths, tables: (path, schema) => jsonTables(path, options, schema, keys) };
}

/**
 * Reads a table whose columns are the keys of all lines: a line without a key misses its value.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT naming the line that is not a JSON object, or row and column of a bad cell
 */
async function readJsonLines(path: string, options: JsonLinesOptions, keepsAll = false): Promise<Table> {
  const how = howOf(options, tableSchema(options));
  const records: Record<string, unknown>[] = [];
  for await (const record of recordsOf(path, how, keepsAll, MAX_FILE)) records.push(record);
  const table = new RecordTable(path, how);
  table.expect(records);
  for (const record of records) table.add(record);
  return table.build();
}

/** How records are read. */
function howOf({ columns, missing, onMissing }: JsonLinesOptions, schema: TableSchema | undefined) {
  checkMissing(missing);
  return { columns: checkColumnTypes(columns), reading: schema, missing, learning: { onMissing } };
}

/**
 * Reads the same table in pieces, for files that do not fit into memory.
 *
 * @param keys by file, a record with the keys of all its lines; found by a pass where it lacks the file
 * @throws TorchvaeError as {@link readJsonLines} does
 */
async function* jsonTables(
  path: string,
  options: JsonLinesOptions,
  schema: TableSchema | undefined,
  keys: Map<string, Record<string, unknown>>,
): AsyncGenerator<Table, void, undefined> {
  const how = howOf(options, schema);
  if (!keys.has(path)) {
    const all: Record<string, unknown> = {};
    const scout = new RecordTable(path, how);
    for await (const record of recordsOf(path, how, false, Infinity)) scout.addKeys(record, all);
    keys.set(path, all);
  }
  const expected = keys.get(path)!;
  const rows = Math.max(1, Math.floor(CELLS_TOGETHER / Math.max(1, Object.keys(expected).length)));
  const table = new RecordTable(path, how);
  table.expect([expected]);
  let isBegun = false;
  for await (const record of recordsOf(path, how, false, Infinity)) {
    table.add(record);
    isBegun = true;
    if (table.length === rows) yield table.build();
  }
  if (table.length > 0 || !isBegun) yield table.build();
}

async function* recordsOf(
  path: string,
  { reading: schema, learning }: ReturnType<typeof howOf>,
  keepsAll: boolean,
  most: number,
): AsyncGenerator<Record<string, unknown>, void, undefined> {
  const takesOdd = keepsAll || (schema?.isLenient(learning.onMissing) ?? false);
  // Cells that cannot be read in the columns of a schema.
  const odd = Object.fromEntries(
    schema?.fields.map((field) => [field.name, 'a line that is no JSON object']) ?? [],
  );
  let number = 0;
  for await (const line of linesOf(path, textOf(path, most), MAX_LINE)) {
    number++;
    if (line.trim() === '') continue;
    const record = parsed(line);
    if ('trouble' in record && !takesOdd)
      throw badData(path, `line ${number}: ${record.trouble}`, record.cause);
    yield 'trouble' in record ? odd : record.value;
  }
}

function parsed(line: string): { value: Record<string, unknown> } | { trouble: string; cause?: unknown } {
  let value: unknown;
  try {
    value = parsedLine(line);
  } catch (cause) {
    const start = line.trim();
    // An object over several lines begins with a brace alone.
    const advice = start.startsWith('[')
      ? `; ${AS_LINES}`
      : start === '{'
        ? '; write each object on one line (jq -c .)'
        : '';
    return { trouble: `expected a JSON object but ${(cause as Error).message}${advice}`, cause };
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return { value: value as Record<string, unknown> };
  const found = JSON.stringify(value).slice(0, 60);
  return {
    trouble: `expected a JSON object but received ${found}; ${AS_LINES}`,
  };
}

/** Numbers that Python writes and JSON does not have, and texts, which may hold their names. */
const NOT_FINITE = /"(?:[^"\\]|\\.)*"|\bNaN\b|\bInfinity\b/g;
const AS_JSON: Readonly<Record<string, string>> = { NaN: 'null', Infinity: '1e999' };

/** @throws SyntaxError */
function parsedLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    const plain = line.replace(NOT_FINITE, (found) => AS_JSON[found] ?? found);
    if (plain === line) throw cause;
    return JSON.parse(plain);
  }
}
