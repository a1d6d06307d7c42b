import { defined } from '../../check.ts';
import { TABLE_ROWS_OPTIONS, type TableRowsOptions, tableRows } from '../tables/rows.ts';
import { CSV_OPTIONS, type CsvOptions, readCsv } from './csv/reader.ts';
import type { Format } from './format.ts';

/** Tables of text. */
export const csv: Format<CsvOptions & TableRowsOptions> = {
  name: '.csv file',
  extensions: ['.csv', '.tsv'],
  options: [...CSV_OPTIONS, ...TABLE_ROWS_OPTIONS],
  read: async (path, { delimiter, header, missing, columns, ...learning }) =>
    tableRows(await readCsv(path, defined({ delimiter, header, missing, columns })), learning),
};
