import { CsvError, parse } from 'csv-parse';
import type { TorchvaeError } from '../../../errors.ts';
import { linesOf } from '../../files/lines.ts';
import { badData } from '../../files/source.ts';

/** All ways to end a line, which may be mixed in a file. */
export const LINE_ENDS = ['\r\n', '\n', '\r'];
/** Characters of one row: an unclosed quote would otherwise read to the end of the file. */
const MAX_ROW = 2 ** 24;

/**
 * The rows of a table with a character between cells, and quotes as RFC 4180 has them.
 *
 * @param isLenient whether rows may have more or fewer cells than the first
 * @param onBlank told of blank lines before a row of a single cell, which may be rows without a value
 */
export async function* delimitedRows(
  path: string,
  text: AsyncIterable<string>,
  delimiter: string,
  isLenient: boolean,
  onBlank?: (count: number) => void,
): AsyncGenerator<string[]> {
  const parser = parse({
    delimiter,
    bom: true,
    skip_empty_lines: onBlank === undefined,
    raw: onBlank !== undefined,
    max_record_size: MAX_ROW,
    relax_column_count: isLenient,
    record_delimiter: LINE_ENDS,
    ltrim: delimiter !== '\t',
  });
  const feeding = feed(text, parser);
  try {
    if (onBlank) yield* withoutBlank(parser, onBlank);
    else yield* parser as AsyncIterable<string[]>;
  } catch (cause) {
    throw cause instanceof CsvError ? csvError(path, cause) : cause;
  } finally {
    parser.destroy();
    await feeding;
  }
}

async function* withoutBlank(
  rows: AsyncIterable<{ record: string[]; raw: string }>,
  onBlank: (count: number) => void,
): AsyncGenerator<string[]> {
  let [blank, isFirst] = [0, true];
  for await (const { record, raw } of rows) {
    // A cell that is empty is written in quotes.
    if (raw.trim() === '') {
      blank++;
      continue;
    }
    if (blank > 0 && !isFirst) onBlank(blank);
    [blank, isFirst] = [0, false];
    yield record;
  }
}

/** Writes the text to the parser; an error destroys the parser, which then throws it. */
async function feed(text: AsyncIterable<string>, parser: ReturnType<typeof parse>): Promise<void> {
  try {
    for await (const piece of text) {
      if (parser.destroyed) return;
      if (piece !== '' && !parser.write(piece)) await drained(parser);
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

/** The same with white space between cells, which is kept within quotes. */
export async function* spacedRows(
  path: string,
  text: AsyncIterable<string>,
  _delimiter: string,
  isLenient: boolean,
): AsyncGenerator<string[]> {
  const take = spacedRowTaker();
  let width: number | undefined;
  let number = 0;
  for await (const line of linesOf(path, text, MAX_ROW)) {
    number++;
    for (const cells of take(line)) {
      width ??= cells.length;
      if (cells.length === width || isLenient) {
        yield cells;
        continue;
      }
      const wanted = `as many cells in every row as in the first (${width})`;
      throw badData(path, `expected ${wanted} at line ${number} but it has ${cells.length}`);
    }
  }
}

/**
 * Takes a table with white space between cells line by line, and gives the rows that each brings. Comments (`#`, `%`) are passed over,
 * except the last one before the first row where it has a name for each cell, as `numpy.savetxt` writes it.
 */
export function spacedRowTaker(): (line: string) => string[][] {
  let comment: string[] | undefined = [];
  return (line) => {
    const [, said] = /^\s*[#%]+\s*(.*)$/.exec(line) ?? [];
    if (said !== undefined && comment) comment = cellsOf(said);
    if (said !== undefined || line.trim() === '') return [];
    const cells = cellsOf(line);
    const rows = comment?.length === cells.length ? [comment, cells] : [cells];
    comment = undefined;
    return rows;
  };
}

function cellsOf(line: string): string[] {
  return Array.from(line.matchAll(/"((?:[^"]|"")*)"|\S+/g), ([cell, quoted]) =>
    quoted === undefined ? cell : quoted.replaceAll('""', '"'),
  );
}

function csvError(path: string, cause: CsvError): TorchvaeError {
  const { code, lines } = cause as CsvError & { lines?: number };
  const line = lines === undefined ? '' : ` at line ${lines}`;
  const advice =
    code === 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH'
      ? 'expected as many cells in every row as in the first (take lines with a title or comments out of the file)'
      : code === 'CSV_QUOTE_NOT_CLOSED' || code === 'CSV_MAX_RECORD_SIZE'
        ? 'expected every quote to be closed'
        : code === 'INVALID_OPENING_QUOTE' || code === 'CSV_INVALID_CLOSING_QUOTE'
          ? 'expected quotes around whole cells, and doubled within them ("5"" wide")'
          : 'expected comma-separated values';
  return badData(path, `${advice}${line} but: ${cause.message}`, cause);
}
