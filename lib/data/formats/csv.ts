import { only } from '../options.ts';
import { TABLE_ROWS_OPTIONS, type TableRowsOptions, tableRows, tableSchema } from '../tables/rows.ts';
import type { Table } from '../tables/table.ts';
import { isNumberTable, isTable } from './csv/dialect.ts';
import { CSV_OPTIONS, type CsvOptions, readCsv } from './csv/reader.ts';
import { type Format, startText } from './format.ts';

/** Extensions of tables, whatever they hold. */
const ALWAYS = ['.csv', '.tsv'];

/** Tables of text. */
export const csv: Format<CsvOptions & TableRowsOptions> = {
  name: 'table of text (.csv, .tsv; .dat, .data; .txt of columns)',
  extensions: [...ALWAYS, '.dat', '.data', '.txt'],
  accepts: ({ extension, start }) => {
    if (ALWAYS.includes(extension)) return true;
    const text = startText(start);
    return text !== undefined && (extension === '.txt' ? isNumberTable(text) : isTable(text));
  },
  schema: 'table',
  mayBe: ({ start }) => /^[^\r\n]*[,;\t| ]/.test(startText(start) ?? ''),
  takesGzip: true,
  options: [...CSV_OPTIONS, ...TABLE_ROWS_OPTIONS],
  read: async (path, options) => tableRows(await readTable(path, options), only(options, TABLE_ROWS_OPTIONS)),
  readTable,
};

function readTable(path: string, options: CsvOptions & TableRowsOptions, keepsAll?: boolean): Promise<Table> {
  return readCsv(path, only(options, CSV_OPTIONS), tableSchema(options), options.onMissing, keepsAll);
}
