import { only } from '../options.ts';
import { openRowStream, ROW_OPTIONS, type RowFiles, type RowOptions, textSize } from '../streams/tables.ts';
import { TABLE_ROWS_OPTIONS, type TableRowsOptions, tableRows, tableSchema } from '../tables/rows.ts';
import type { Table } from '../tables/table.ts';
import { isNumberColumn, isNumberTable, isTable } from './csv/dialect.ts';
import { CSV_OPTIONS, type CsvOptions, csvTables, readCsv } from './csv/reader.ts';
import { type Format, startText } from './format.ts';

/** Extensions of tables, whatever they hold. */
const ALWAYS = ['.csv', '.tsv'];

/** Tables of text. */
export const csv: Format<CsvOptions & TableRowsOptions, CsvOptions & RowOptions> = {
  name: 'table of text (.csv, .tsv; .dat, .data; .txt of columns)',
  extensions: [...ALWAYS, '.dat', '.data', '.txt'],
  accepts: ({ extension, start }) => {
    if (ALWAYS.includes(extension)) return true;
    const text = startText(start);
    return text !== undefined && (extension === '.txt' ? isNumberTable(text) : isTable(text));
  },
  schema: 'table',
  mayBe: ({ start }) => {
    const text = startText(start) ?? '';
    return /^[^\r\n]*[,;\t| ]/.test(text) || isNumberColumn(text);
  },
  takesGzip: true,
  options: [...CSV_OPTIONS, ...TABLE_ROWS_OPTIONS],
  read: async (path, options) => tableRows(await readTable(path, options), only(options, TABLE_ROWS_OPTIONS)),
  readTable,
  stream: {
    options: [...CSV_OPTIONS, ...ROW_OPTIONS],
    open: (path, options, signal, training) =>
      openRowStream(csvFiles(path, [path], options), only(options, ROW_OPTIONS), signal, training),
    sizeInMemory: textSize,
  },
};

/** Tables of text, to be read piece by piece. */
export function csvFiles(name: string, paths: readonly string[], options: CsvOptions & RowOptions): RowFiles {
  const reading = only(options, CSV_OPTIONS);
  return { name, paths, tables: (path, schema) => csvTables(path, reading, schema, options.onMissing) };
}

function readTable(path: string, options: CsvOptions & TableRowsOptions, keepsAll?: boolean): Promise<Table> {
  return readCsv(path, only(options, CSV_OPTIONS), tableSchema(options), options.onMissing, keepsAll);
}
