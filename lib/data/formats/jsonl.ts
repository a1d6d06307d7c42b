import { linesOf } from '../files/lines.ts';
import { badData } from '../files/source.ts';
import { textOf } from '../files/text.ts';
import { only } from '../options.ts';
import { type ColumnType, checkColumnTypes } from '../tables/column-types.ts';
import { checkMissing } from '../tables/missing.ts';
import { RecordTable } from '../tables/records.ts';
import { TABLE_ROWS_OPTIONS, type TableRowsOptions, tableRows, tableSchema } from '../tables/rows.ts';
import type { Table } from '../tables/table.ts';
import type { Format } from './format.ts';

const MAX_FILE = 2 ** 32;
/** Characters of one line. */
const MAX_LINE = 2 ** 24;

type JsonLinesOptions = {
  columns?: Readonly<Record<string, ColumnType>>;
  missing?: readonly string[];
} & TableRowsOptions;

/** One JSON object a line, as a row of a table. */
export const jsonl: Format<JsonLinesOptions> = {
  name: 'JSON lines (.jsonl, .ndjson)',
  extensions: ['.jsonl', '.ndjson'],
  takesGzip: true,
  options: ['columns', 'missing', ...TABLE_ROWS_OPTIONS],
  read: async (path, options) =>
    tableRows(await readJsonLines(path, options), only(options, TABLE_ROWS_OPTIONS)),
  readTable: readJsonLines,
};

/**
 * Reads a table whose columns are the keys of all lines: a line without a key misses its value.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT naming the line that is not a JSON object, or row and column of a bad cell
 */
async function readJsonLines(path: string, options: JsonLinesOptions, keepsAll = false): Promise<Table> {
  const { columns, missing, onMissing } = options;
  checkMissing(missing);
  const how = {
    columns: checkColumnTypes(columns),
    schema: tableSchema(options),
    missing,
    learning: { onMissing },
  };
  const { schema } = how;
  const takesOdd = keepsAll || (schema?.isLenient(onMissing) ?? false);
  // Cells that cannot be read in the columns of a schema.
  const odd = Object.fromEntries(
    schema?.fields.map((field) => [field.name, 'a line that is no JSON object']) ?? [],
  );
  const records: Record<string, unknown>[] = [];
  let number = 0;
  for await (const line of linesOf(path, textOf(path, MAX_FILE), MAX_LINE)) {
    number++;
    if (line.trim() === '') continue;
    const record = parsed(line);
    if ('trouble' in record && !takesOdd)
      throw badData(path, `line ${number}: ${record.trouble}`, record.cause);
    records.push('trouble' in record ? odd : record.value);
  }
  const table = new RecordTable(path, how);
  table.expect(records);
  for (const record of records) table.add(record);
  return table.build();
}

function parsed(line: string): { value: Record<string, unknown> } | { trouble: string; cause?: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    return { trouble: `expected a JSON object but ${(cause as Error).message}`, cause };
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return { value: value as Record<string, unknown> };
  const found = JSON.stringify(value).slice(0, 60);
  return {
    trouble: `expected a JSON object but received ${found}; write one object a line (jq -c '.[]')`,
  };
}
