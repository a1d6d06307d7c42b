import { checkBoolean, checkOneOf, checkOptions, expected } from '../../../check.ts';
import { counted } from '../../../counted.ts';
import { TorchvaeError } from '../../../errors.ts';
import { badData } from '../../files/source.ts';
import { textOf } from '../../files/text.ts';
import { TableBuilder } from '../../tables/builder.ts';
import { type Decimal, numberIn } from '../../tables/cells.ts';
import { type ColumnType, checkColumnTypes } from '../../tables/column-types.ts';
import type { OnMissing } from '../../tables/encoding.ts';
import { checkMissing } from '../../tables/missing.ts';
import type { TableSchema } from '../../tables/schema.ts';
import { type LeftOut, placeName, type Table } from '../../tables/table.ts';
import { type Dialect, dialectOf, isRepeated, withAllNames } from './dialect.ts';
import { delimitedRows, spacedRows } from './rows.ts';

/** How a table of text is read; what is not given is found in its first rows. */
export interface CsvOptions {
  /** One character between cells; a space stands for any number of spaces and tabs. Default: comma, semicolon, tab, bar or space. */
  delimiter?: string;
  /** Between the whole and the fractional part of numbers. Default a comma where numbers need one, else a point. */
  decimal?: Decimal;
  /** Whether the first row names the columns; else they are `column1` and so on. Default: whether it looks like it. */
  header?: boolean;
  /** The texts that stand for a missing value. Default: nothing, `NA`, `n/a`, `NaN`, `null`, `None`, `-`, `?` and the like. */
  missing?: readonly string[];
  /** The types of columns by name, where their cells do not show them. */
  columns?: Readonly<Record<string, ColumnType>>;
}

export const CSV_OPTIONS = ['delimiter', 'decimal', 'header', 'missing', 'columns'] as const;

const MAX_FILE = 2 ** 32;
/** Cells of a piece of a table. */
const CELLS_TOGETHER = 2 ** 18;
/** Characters that show the dialect. */
const SAMPLE = 2 ** 16;

/**
 * Reads a table of text, in UTF-8, compressed if its name ends with `.gz`, with quotes as RFC 4180 has them.
 *
 * @param schema for which the table is read: it says what the columns are
 * @param onMissing as `schema.encode` takes it
 * @param keepsAll whether a row of another length becomes one of missing cells, so that none is lost
 * @throws TorchvaeError ERR_IO; ERR_DATA_FORMAT for text that is not UTF-8 (with the byte offset), rows of different lengths, open
 * quotes (with the line), cells of another type than their column has to have (with row and column), no row at all; ERR_RANGE for a
 * column that the table does not have
 */
export async function readCsv(
  path: string,
  options: CsvOptions,
  schema?: TableSchema,
  onMissing?: OnMissing,
  keepsAll = false,
): Promise<Table> {
  const given = checkCsvOptions(options);
  const isLenient = schema?.isLenient(onMissing) ?? false;
  const text = textOf(path, MAX_FILE);
  try {
    const { value } = await tablesOf(path, text, { ...given, isLenient, keepsAll }, schema, Infinity).next();
    return value!;
  } finally {
    await text.return();
  }
}

/**
 * The same table in pieces, for files that do not fit into memory. A column of a piece has the type that the piece's cells show.
 *
 * @throws TorchvaeError as {@link readCsv} does
 */
export async function* csvTables(
  path: string,
  options: CsvOptions,
  schema?: TableSchema,
  onMissing?: OnMissing,
): AsyncGenerator<Table, void, undefined> {
  const given = checkCsvOptions(options);
  const isLenient = schema?.isLenient(onMissing) ?? false;
  const text = textOf(path, Infinity);
  try {
    yield* tablesOf(path, text, { ...given, isLenient, keepsAll: false }, schema, CELLS_TOGETHER);
  } finally {
    await text.return();
  }
}

/** @param cells of a piece */
async function* tablesOf(
  path: string,
  text: AsyncGenerator<string, void, undefined>,
  given: ReturnType<typeof checkCsvOptions> & { isLenient: boolean; keepsAll: boolean },
  schema: TableSchema | undefined,
  cells: number,
): AsyncGenerator<Table, void, undefined> {
  const { start: said, delimiter } = withoutSep(await startOf(text));
  const start = given.header === false ? said : withAllNames(said, given.delimiter ?? delimiter);
  const names = schema?.fields.map(({ name }) => name);
  const dialect = dialectOf(wholeLines(start), {
    ...given,
    delimiter: given.delimiter ?? delimiter,
    names,
    usualDecimal: schema?.decimal,
  });

  const { decimal, delimiter: between } = dialect;
  let blank = 0;
  const ofText = () => {
    const notes = [...notesOn(dialect), ...blankNotes(blank)];
    return { decimal, ...(notes.length > 0 && { notes }) };
  };
  const onBlank = (count: number) => {
    blank += count;
  };
  const isSingle = !/^[^\r\n]*/.exec(start)![0].includes(between);
  const rowsOf = between === ' ' ? spacedRows : delimitedRows;
  const takesOdd = given.isLenient || given.keepsAll;
  let builder: TableBuilder | undefined;
  let make: (leftOut?: readonly LeftOut[]) => TableBuilder;
  let found: string[] = [];
  let first: readonly string[] | undefined;
  let before = 0;
  const records = rowsOf(path, joined(start, text), between, takesOdd, isSingle ? onBlank : undefined);
  for await (const record of records) {
    if (!builder) {
      if (dialect.header) first = record;
      found = record.map((name, i) => (dialect.header && name.trim()) || placeName(i));
      const how = {
        types: schema?.typesOf(path, found, given.columns) ?? given.columns,
        decimal: dialect.decimal,
        isLenient: given.isLenient,
        ofSchema: schema !== undefined,
        missing: given.missing,
        unnamed: new Set(found.filter((_, i) => dialect.header && isUnnamed(record[i]!))),
      };
      // What the first piece shows of columns without a name holds for the others.
      make = (leftOut = []) => {
        for (const { name } of leftOut) how.types = { ...how.types, [name]: 'ignore' };
        if (before > 0) how.unnamed = new Set();
        return new TableBuilder(path, found, { ...how, first: before });
      };
      builder = make();
      if (dialect.header) continue;
    }
    if (first && !takesOdd && isRepeated(first, record)) {
      const row = before + builder.length + 1;
      throw badData(
        path,
        `row ${row}: expected a row but it has the names of the columns again; take it out, or say with \`header\` that the first line is a row too`,
      );
    }
    builder.add(record.length === found.length ? record : oddRow(record, found, names));
    if (builder.length * found.length < cells) continue;
    const piece = { ...builder.build(), ...ofText() };
    yield piece;
    before += piece.length;
    builder = make!(piece.leftOut);
  }
  if (!builder) throw badData(path, 'expected a line with the names of the columns but the file is empty');
  if (builder.length > 0 || before === 0) yield { ...builder.build(), ...ofText() };
}

/** For people: lines of a single column that may have been meant as rows without a value. */
function blankNotes(blank: number): string[] {
  if (blank === 0) return [];
  return [
    `${counted(blank, 'blank line', 'blank lines')} between rows ${blank === 1 ? 'was' : 'were'} passed over; write NA where a value is missing`,
  ];
}

/** For people: how a number is read that could be another one. */
function notesOn({ decimal, doubtful }: Dialect): string[] {
  if (doubtful === undefined) return [];
  const other = decimal === '.' ? ',' : '.';
  const [read, meant] = [decimal, other].map((mark) => numberIn(doubtful, mark as Decimal));
  return [
    `numbers such as ${doubtful} are read as ${read}, and none shows its decimal mark; if ${meant} is meant, give decimal: '${other}'`,
  ];
}

/** Cells that cannot be read in the columns of a schema, and missing ones in others: which cells those of the row are is not known. */
function oddRow(
  row: readonly string[],
  columns: readonly string[],
  ofSchema: readonly string[] = [],
): unknown[] {
  return columns.map((name) => (ofSchema.includes(name) ? `a row of ${counted(row.length, 'cell')}` : null));
}

function checkCsvOptions(options: CsvOptions) {
  const { delimiter, decimal, header, missing, columns } = checkOptions(
    'options of readCsv',
    options,
    CSV_OPTIONS,
  );
  const isGood = typeof delimiter === 'string' && delimiter.length === 1 && !/["\r\n]/.test(delimiter);
  if (delimiter !== undefined && !isGood) {
    throw new TorchvaeError('ERR_TYPE', expected('one character', 'delimiter', delimiter));
  }
  if (decimal !== undefined) checkOneOf('decimal', decimal, ['.', ',']);
  if (header !== undefined) checkBoolean('header', header);
  checkMissing(missing);
  return { delimiter, decimal, header, missing, columns: checkColumnTypes(columns) };
}

/** pandas writes its index without a name, and reads one that is there as `Unnamed: 0`. */
function isUnnamed(name: string): boolean {
  return name.trim() === '' || /^Unnamed: \d+(?:\.\d+)*$/.test(name.trim());
}

async function startOf(text: AsyncIterator<string>): Promise<string> {
  let start = '';
  while (start.length < SAMPLE) {
    const { value, done } = await text.next();
    if (done) break;
    start += value;
  }
  return start;
}

/** The text without the line `sep=;` in which Excel is told the delimiter, and what that says. */
function withoutSep(start: string): { start: string; delimiter?: string } {
  const found = /^\ufeff?sep=([^"\r\n])(?:\r\n|\n|\r)/i.exec(start);
  return found ? { start: start.slice(found[0].length), delimiter: found[1]! } : { start };
}

/** What is left of the text comes after its start. */
async function* joined(start: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  yield start;
  yield* rest;
}

/** The sample without the line that it ends in; all of it, where it has no other. */
function wholeLines(start: string): string {
  if (start.length < SAMPLE) return start;
  const end = Math.max(start.lastIndexOf('\n', SAMPLE), start.lastIndexOf('\r', SAMPLE));
  return end < 0 ? start.slice(0, SAMPLE) : start.slice(0, end + 1);
}
