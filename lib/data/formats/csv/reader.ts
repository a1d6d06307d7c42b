import { extname } from 'node:path';
import { CsvError, parse } from 'csv-parse';
import { checkBoolean, checkOptions, expected } from '../../../check.ts';
import { TorchvaeError } from '../../../errors.ts';
import { badData } from '../../files/source.ts';
import { textOf } from '../../files/utf8.ts';
import { checkColumnTypes } from '../../tables/column-types.ts';
import { type ColumnType, type Table, TableBuilder } from '../../tables/table.ts';

/** How a CSV file is read. */
export interface CsvOptions {
  /** What stands between cells: one character. Default a comma, in a .tsv file a tab. */
  delimiter?: string;
  /** Whether the first line names the columns; else they are `column1` and so on. Default true. */
  header?: boolean;
  /** The texts that stand for a missing value. Default: nothing, NA, N/A, NaN, nan, null, NULL, None and ?. */
  missing?: readonly string[];
  /** What columns are taken for, by name, where their cells do not tell. */
  columns?: Readonly<Record<string, ColumnType>>;
}

export const CSV_OPTIONS = ['delimiter', 'header', 'missing', 'columns'] as const;

const MISSING = ['', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL', 'None', '?'];
const MAX_FILE = 2 ** 32;
/** Characters of one row: an unclosed quote would otherwise read to the end of the file. */
const MAX_ROW = 2 ** 24;

/**
 * Reads a table of text, in UTF-8, with quotes as RFC 4180 has them. A column whose cells are all numbers is numeric, any
 * other categorical; a number with leading zeros is a name.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for text that is not UTF-8 (with the byte offset), rows of different lengths, open
 * quotes (with the line), cells that are not numbers in a column of type `numeric` (with row and column), no row at
 * all; ERR_RANGE for a column that is not there
 */
export async function readCsv(path: string, options: CsvOptions = {}): Promise<Table> {
  const given = checkOptions('options of readCsv', options, CSV_OPTIONS);
  const { delimiter = extname(path).toLowerCase() === '.tsv' ? '\t' : ',', header = true } = given;
  if (typeof delimiter !== 'string' || delimiter.length !== 1 || /["\r\n]/.test(delimiter)) {
    throw new TorchvaeError('ERR_TYPE', expected('one character', 'delimiter', delimiter));
  }
  checkBoolean('header', header);
  const missing = new Set(checkTexts('missing', given.missing ?? MISSING));
  const columns = checkColumnTypes(given.columns);
  let builder: TableBuilder | undefined;
  const parser = parse({
    delimiter,
    bom: true,
    skip_empty_lines: true,
    max_record_size: MAX_ROW,
  });
  const feeding = feed(path, parser);
  try {
    for await (const record of parser as AsyncIterable<string[]>) {
      if (!builder) {
        const names = header ? record.map((name) => name.trim()) : record.map((_, i) => `column${i + 1}`);
        builder = new TableBuilder(path, names, columns);
        if (header) continue;
      }
      builder.add(record.map((cell) => (missing.has(cell.trim()) ? null : cell)));
    }
  } catch (cause) {
    throw cause instanceof CsvError ? csvError(path, cause) : cause;
  } finally {
    await feeding;
  }
  if (!builder) throw badData(path, 'expected a line with the names of the columns but the file is empty');
  return builder.build();
}

/** Writes the file's text to the parser; an error destroys the parser, which then throws it. */
async function feed(path: string, parser: ReturnType<typeof parse>): Promise<void> {
  try {
    for await (const text of textOf(path, MAX_FILE)) {
      if (parser.destroyed) return;
      if (text !== '' && !parser.write(text)) await drained(parser);
    }
    parser.end();
  } catch (cause) {
    parser.destroy(cause as Error);
  }
}

function drained(parser: ReturnType<typeof parse>): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      parser.off('drain', done).off('close', done);
      resolve();
    };
    parser.on('drain', done).on('close', done);
  });
}

function csvError(path: string, cause: CsvError): TorchvaeError {
  const { code, lines } = cause as CsvError & { lines?: number };
  const line = lines === undefined ? '' : ` at line ${lines}`;
  const advice =
    code === 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH'
      ? 'expected as many cells in every row as in the first'
      : code === 'CSV_QUOTE_NOT_CLOSED' || code === 'CSV_MAX_RECORD_SIZE'
        ? 'expected every quote to be closed'
        : 'expected comma-separated values';
  return badData(path, `${advice}${line} but: ${cause.message}`, cause);
}

function checkTexts(name: string, value: readonly string[]): readonly string[] {
  if (Array.isArray(value) && value.every((text) => typeof text === 'string')) return value;
  throw new TorchvaeError('ERR_TYPE', expected('an array of strings', name, value));
}
