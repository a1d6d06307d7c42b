import { parse } from 'csv-parse/sync';
import { type Decimal, numberIn, timeIn } from '../../tables/cells.ts';
import { MISSING } from '../../tables/missing.ts';
import { isPlaceName } from '../../tables/table.ts';
import { LINE_ENDS, spacedRowTaker } from './rows.ts';

/** How a table of text is written. */
export interface Dialect {
  /** One character between cells; a space stands for any number of spaces and tabs. */
  readonly delimiter: string;
  readonly decimal: Decimal;
  /** Whether the first row has the names of the columns. */
  readonly header: boolean;
  /** A number that the other decimal mark would make another one, where no number shows which is meant. */
  readonly doubtful?: string | undefined;
}

/** What the caller says of the dialect; the rest is found. */
export interface GivenDialect {
  readonly delimiter?: string | undefined;
  readonly decimal?: Decimal | undefined;
  readonly header?: boolean | undefined;
  readonly missing?: readonly string[] | undefined;
  /** Names of columns: the first row has some of them, if it has names. */
  readonly names?: readonly string[] | undefined;
  /** The decimal mark of the training data, where the numbers do not show theirs. */
  readonly usualDecimal?: Decimal | undefined;
}

/** Delimiters in the order in which they are preferred. */
const DELIMITERS = [',', ';', '\t', '|', ' '] as const;
/** Rows of the sample that are looked at. */
const ROWS = 500;
/** Several numbers in one cell show that another delimiter is meant. */
const NUMBERS_IN_CELL = /^[-+\d.,eE]*\d[-+\d.,eE]*(?:\s+[-+\d.,eE]*\d[-+\d.,eE]*)+$/;

/** Less than the score of rows that are alike, of whose cells half look as if another delimiter were meant. */
const UNEVEN = 0.45;

/** Numbers with another delimiter between them show all the more that it is meant. */
const DIVIDED_NUMBERS = /^[-+\d.,eE\s]*\d\s*[;|\t][-+\d.,eE;|\s]*$/;

/** The rows of a sample, cell by cell. */
type Sample = readonly (readonly string[])[];

/**
 * Finds the dialect of a table from the start of its text.
 *
 * @param text whole lines
 */
export function dialectOf(text: string, given: GivenDialect): Dialect {
  if (given.delimiter === undefined && given.decimal !== '.' && isCommaColumn(text))
    return { delimiter: ';', decimal: ',', header: given.header ?? true };
  const wanted = given.delimiter === undefined ? DELIMITERS : [given.delimiter];
  let best: { delimiter: string; rows: Sample; score: number } | undefined;
  for (const delimiter of wanted) {
    const rows = sampleOf(text, delimiter);
    const score = rows ? scoreOf(rows, delimiter) : 0;
    if (rows && score > (best?.score ?? 0)) best = { delimiter, rows, score };
  }
  const delimiter = best?.delimiter ?? given.delimiter ?? ',';
  const rows = best?.rows ?? sampleOf(text, delimiter) ?? [];
  const { decimal, doubtful } = given.decimal
    ? { decimal: given.decimal }
    : decimalOf(rows, delimiter, given.usualDecimal);
  const header = given.header ?? hasHeader(rows, decimal, given);
  return { delimiter, decimal, header, ...(doubtful !== undefined && { doubtful }) };
}

/**
 * The text with one more name in its first line, an empty one, where all other lines of numbers have one cell more than that has: R writes the
 * names of rows before the columns that it names, and others end each row with a delimiter.
 */
export function withAllNames(text: string, given?: string): string {
  if (given === undefined && isCommaColumn(text)) return text;
  const samples = (given === undefined ? DELIMITERS : [given]).map((delimiter) => ({
    delimiter,
    rows: sampleOf(text, delimiter) ?? [],
  }));
  const isEven = ([first = [], ...rest]: Sample) =>
    first.length > 1 && rest.every(({ length }) => length === first.length);
  // White space is in many texts.
  const isMeant = (rows: Sample, delimiter: string) => delimiter !== ' ' || scoreOf(rows, ' ') > 0;
  if (samples.some(({ rows, delimiter }) => isEven(rows) && isMeant(rows, delimiter))) return text;
  for (const { delimiter, rows } of samples) {
    const [first = [], ...rest] = rows;
    const isShort =
      first.length > 0 && rest.length > 0 && rest.every((row) => row.length === first.length + 1);
    if (!isShort || /^\ufeff?\s*[#%]/.test(text) || first.some(isQuantityInAny)) continue;
    if (rest.every((row) => row.at(-1)!.trim() === '')) {
      if (hasNumbers(rest, 0, delimiter)) return text.replace(/[^\r\n]+/, (line) => line + delimiter);
    } else if (hasNumbers(rest, 1, delimiter) && areNamesOfRows(rest.map(([name]) => name!))) {
      return text.replace(/^\ufeff?/, (mark) => `${mark}""${delimiter}`);
    }
  }
  return text;
}

/** Whether the rows have numbers or dates in one of these columns, where white space divides cells in all. */
function hasNumbers(rows: Sample, start: number, delimiter: string): boolean {
  const columns = rows[0]!.slice(start).map((_, i) => rows.map((row) => row[start + i]!));
  const areNumbers = (cells: readonly string[]) =>
    cells.some(isQuantityInAny) &&
    cells.every((cell) => isQuantityInAny(cell) || MISSING.includes(cell.trim()));
  return delimiter === ' ' ? columns.every(areNumbers) : columns.some(areNumbers);
}

/** Whether these are different words, or numbers that count on. */
function areNamesOfRows(cells: readonly string[]): boolean {
  return cells.some(isQuantityInAny)
    ? cells.length === 1 || countsOn(cells)
    : new Set(cells).size === cells.length;
}

function isQuantityInAny(cell: string): boolean {
  return numberIn(cell, '.') !== undefined || numberIn(cell, ',') !== undefined || timeIn(cell) !== undefined;
}

/** Whether the text looks like a table of at least two columns. */
export function isTable(start: string): boolean {
  const text = withAllNames(start);
  const { delimiter } = dialectOf(text, {});
  return scoreOf(sampleOf(text, delimiter) ?? [], delimiter) === 1;
}

/** Words in a cell of categories; more make a sentence. */
const MOST_WORDS = 4;

/**
 * Whether the text looks like a table of numbers or dates, of which the first row may be names; or, where it has another delimiter than white
 * space, of numbers in some columns and categories in others.
 */
export function isNumberTable(start: string): boolean {
  if (isNumberColumn(start)) return true;
  const text = withAllNames(start);
  const { delimiter, decimal } = dialectOf(text, {});
  const [first, ...rest] = sampleOf(text, delimiter) ?? [];
  if (!first || rest.length === 0 || !isTable(text)) return false;
  const isData = (cell: string) => isValue(cell, decimal, MISSING);
  if (rest.every((row) => beside(first, row).every(isData))) return true;
  if (delimiter === ' ' || rest.length < 2) return false;
  const isNumeric = (_: string, i: number) =>
    rest.every((row) => isData(row[i]!)) && rest.some((row) => !MISSING.includes(row[i]!.trim()));
  const isShort = (cell: string) => cell.trim().split(/\s+/).length <= MOST_WORDS;
  return first.some(isNumeric) && rest.every((row) => row.every(isShort));
}

/** Whether a name without a comma stands above numbers with a decimal comma each, rather than two columns. */
function isCommaColumn(text: string): boolean {
  const [name = ',', ...lines] = text.split(/\r\n|\n|\r/).filter((line) => line.trim() !== '');
  return (
    !/[,;\t|]/.test(name) && lines.length > 0 && lines.every((line) => /^\s*[-+]?\d+,\d+\s*$/.test(line))
  );
}

/** Whether each line is a number, with a point or an exponent in one: of digits alone, lines may as well be text. The first may be a name. */
export function isNumberColumn(text: string): boolean {
  if (isCommaColumn(text)) return true;
  const lines = text.split(/\r\n|\n|\r/).filter((line) => line.trim() !== '');
  const values = lines.length > 1 && numberIn(lines[0]!) === undefined ? lines.slice(1) : lines;
  return (
    values.some((line) => /\d[.eE]|\.\d/.test(line)) &&
    values.every((line) => isValue(line, '.', MISSING) && !line.includes(','))
  );
}

function sampleOf(text: string, delimiter: string): Sample | undefined {
  if (delimiter === ' ') {
    return text
      .split(/\r\n|\n|\r/)
      .flatMap(spacedRowTaker())
      .slice(0, ROWS);
  }
  try {
    return parse(text, {
      delimiter,
      bom: true,
      to: ROWS,
      skip_empty_lines: true,
      relax_column_count: true,
      record_delimiter: LINE_ENDS,
      ltrim: delimiter !== '\t',
    });
  } catch {
    return undefined; // This delimiter takes a quote in a cell for the start of one.
  }
}

/**
 * From 0 to 1: the share of rows that have as many cells as most have, times the share of cells that look like one; less where rows are not alike,
 * since such a table cannot be read.
 */
function scoreOf(rows: Sample, delimiter: string): number {
  const counts = new Map<number, number>();
  for (const { length } of rows) counts.set(length, (counts.get(length) ?? 0) + 1);
  const [width, count] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? [0, 0];
  if (width < 2) return 0;
  const alike = rows.filter((row) => row.length === width);
  const cells = alike.slice(1).flatMap((row) => beside(alike[0]!, row));
  // White space is in many texts: as a delimiter it has to leave numbers and dates alone.
  const isClean = (cell: string) =>
    isValue(cell, '.', MISSING) ||
    isValue(cell, ',', MISSING) ||
    (delimiter !== ' ' && !/[;|\t]/.test(cell) && !NUMBERS_IN_CELL.test(cell.trim()));
  const numbers = cells.filter((cell) => DIVIDED_NUMBERS.test(cell)).length;
  const clean = Math.max(0, cells.filter(isClean).length - numbers);
  if (delimiter === ' ' && clean < cells.length) return 0;
  const even = count === rows.length ? 1 : (UNEVEN * count) / rows.length;
  return even * (cells.length === 0 ? 1 : clean / cells.length);
}

/** The cells of a row but the one without a name before all others, which names the row. */
function beside(names: readonly string[], row: readonly string[]): readonly string[] {
  return names[0] === '' ? row.slice(1) : row;
}

function isValue(cell: string, decimal: Decimal, missing: readonly string[]): boolean {
  return missing.includes(cell.trim()) || numberIn(cell, decimal) !== undefined || timeIn(cell) !== undefined;
}

/**
 * A point, if a number needs one: `0.5`, `12.75`, `1,250.5`; else a comma, if a number needs one: `0,5`, `1.250,5`. Three digits after
 * a mark can also be a group of thousands. Then it is the mark of the training data; without any, after commas they are decimals where cells are divided by semicolons, since people
 * who write decimal commas do so; after points they are thousands where a column also has whole numbers below a thousand and none
 * above: `950`, `1.250`. Where nothing but a habit decided, the number that could be another one is doubtful; commas between commas, in quotes, are
 * those of thousands.
 */
function decimalOf(
  rows: Sample,
  delimiter: string,
  usual: Decimal | undefined,
): Pick<Dialect, 'decimal' | 'doubtful'> {
  const cells = rows.flat().map((cell) => cell.trim());
  const needs = (decimal: Decimal) => (cell: string) =>
    cell.includes(decimal) && numberIn(cell, decimal) !== undefined && !GROUPS[decimal].test(cell);
  if (cells.some(needs('.'))) return { decimal: '.' };
  if (cells.some(needs(','))) return { decimal: ',' };
  if (usual) return { decimal: usual };
  const once = (decimal: Decimal) => cells.find((cell) => ONE_GROUP[decimal].test(cell));
  const hasCommas = cells.some((cell) => cell.includes(',') && numberIn(cell, ',') !== undefined);
  if (hasCommas && delimiter === ';') return { decimal: ',', doubtful: once(',') };
  if (rows[0]?.some((_, i) => hasPointGroups(rows, i))) return { decimal: ',' };
  return { decimal: '.', doubtful: delimiter === ',' ? undefined : once(delimiter === ';' ? '.' : ',') };
}

/** Whether the numbers of a column are whole ones in groups of thousands with points; a few may be so by chance. */
function hasPointGroups(rows: Sample, column: number): boolean {
  const cells = rows.map((row) => row[column]?.trim() ?? '').filter((cell) => numberIn(cell) !== undefined);
  const grouped = cells.filter((cell) => GROUPS['.'].test(cell)).length;
  const small = cells.filter((cell) => /^[+-]?\d{1,3}$/.test(cell)).length;
  return grouped >= 3 && small >= 3 && grouped + small === cells.length;
}

/** Numbers with one mark that can be that of thousands or of decimals. */
const ONE_GROUP: Readonly<Record<Decimal, RegExp>> = {
  '.': /^[+-]?[1-9]\d{0,2}\.\d{3}$/,
  ',': /^[+-]?[1-9]\d{0,2},\d{3}$/,
};

/** Numbers whose marks can all be those of thousands: `1.250`, but not `0.250`. */
const GROUPS: Readonly<Record<Decimal, RegExp>> = {
  '.': /^[+-]?[1-9]\d{0,2}(?:\.\d{3})+$/,
  ',': /^[+-]?[1-9]\d{0,2}(?:,\d{3})+$/,
};

/**
 * The first row has names if a column has a word there and numbers below, or if it counts the columns, as pandas names them. It has
 * none if a column has a value there that numbers or dates follow, or a word that comes again.
 */
function hasHeader(rows: Sample, decimal: Decimal, { missing = MISSING, names }: GivenDialect): boolean {
  const [first = [], ...others] = rows;
  // Files that were put one after the other repeat their names.
  const rest = others.filter((row) => !isRepeated(first, row));
  if (names) {
    const found = new Set(first.map((name) => name.trim()));
    // Those of rows without names are numbers of columns. Of other names the error for those that are missing says what there is.
    const isNamed = names.some((name) => found.has(name));
    if (isNamed || names.every(isPlaceName)) return isNamed;
  }
  // A row without any value may be the first of all.
  if (first.every((cell) => cell.trim() !== '' && missing.includes(cell.trim()))) return false;
  const isQuantity = (cell: string) => numberIn(cell, decimal) !== undefined || timeIn(cell) !== undefined;
  let hasValue = false;
  for (const [i, name] of first.entries()) {
    const below = rest.map((row) => row[i] ?? '').filter((cell) => !missing.includes(cell.trim()));
    const quantities = below.filter(isQuantity).length;
    const isMostly = quantities > below.length / 2;
    // As where each column is a month.
    if (timeIn(name) && isMostly && !below.some((cell) => timeIn(cell))) return true;
    if (isQuantity(name)) hasValue = true;
    else if (isMostly && !missing.includes(name.trim())) return true;
    else if (!isMostly && below.some((cell) => cell.trim() === name.trim())) hasValue = true;
  }
  return !hasValue || countsColumns(first, rest[0]);
}

/** Whether a row is the first one again. A word alone may well come again. */
export function isRepeated(first: readonly string[], row: readonly string[]): boolean {
  return (
    first.length > 1 &&
    first.length === row.length &&
    row.every((cell, i) => cell.trim() === first[i]!.trim())
  );
}

/** Whether the first row counts on, as `,0,1,2` does after the empty name of an index, or `2019,2020,2021` where the next row does not. */
function countsColumns(first: readonly string[], next: readonly string[] = []): boolean {
  if (first[0]?.trim() === '') return countsOn(first.slice(1), 0);
  if (!countsOn(first) || countsOn(next)) return false;
  const start = Number(first[0]);
  return start === 0 || first.length > 2 || (start >= 1900 && start < 2100);
}

/** Whether the cells are whole numbers, each one more than the one before. */
function countsOn(cells: readonly string[], start = Number(cells[0])): boolean {
  return (
    cells.length > 1 && Number.isInteger(start) && cells.every((cell, i) => cell.trim() === String(start + i))
  );
}
