import { timeIn } from './cells.ts';
import { areLongNames, farOutNotes, lostDigitsNotes, standInNotes } from './number-notes.ts';
import type { TableSchema } from './schema.ts';
import type { CategoricalColumn, Column, DateColumn, NumericColumn, Table } from './table.ts';

/** Fewer rows may count on by chance. */
const MANY_ROWS = 20;
const LABEL = /^(?:labels?|class|target|y)$|[-_ ]labels?$/i;
/** The names of columns that say which rows are anomalies: `anomaly`, `is_fraud`, `Machine failure`, `attack_cat`. */
const FOUND =
  /(?:^|[-_ ]|^is)(?:anomal(?:y|ous)|outlier|abnormal|fraud(?:ulent)?|attack|intrusion|malicious|fault|faulty|failure|defect|defective)(?:[-_ ](?:class|flag|type|cat|category))?$/i;
const MOST_CLASSES = 100;
const ID = /(?:^|[-_ ])(?:id|index|uid|rowid|no|nr|key)$/i;

/**
 * What people should look at in the columns of training rows: each may be meant, so that none is an error.
 *
 * @param labelColumn the column that holds the labels, if one is given
 */
export function suspicionsOf({ columns, length }: Table, labelColumn: string | undefined): string[] {
  return columns.flatMap((column) => {
    if (length > 1 && isConstant(column)) {
      // Rounding may have made them one.
      const lost = column.type === 'numeric' ? lostDigitsNotes(column) : [];
      return lost.length > 0 ? lost : [oneValueAlone(column.name)];
    }
    if (column.name === labelColumn) return [];
    if (labelColumn === undefined && isLabelName(column.name) && hasClasses(column)) {
      return [
        `column ${column.name} seems to hold labels, and is part of the examples; name it as labels if so`,
      ];
    }
    if (column.type === 'categorical')
      return [...inSeveralWays(column.name, column.categories), ...totalNotes(column, length)];
    const stand = length >= MANY_ROWS ? standInNotes(column) : [];
    if (stand.length > 0) return stand;
    if (column.type === 'date') return [];
    if (holdsDates(column)) {
      return [
        `column ${column.name} seems to hold dates, and is read as numbers; write them as 2026-01-31 if so`,
      ];
    }
    if (length >= MANY_ROWS && isRowNumber(column)) {
      return [`column ${column.name} seems to number the rows; ignore it if so`];
    }
    if (length < MANY_ROWS) return [];
    if (areLongNames(column)) {
      return [
        `column ${column.name} has another whole number in each row, which may be its name; ignore it if so`,
      ];
    }
    const lost = lostDigitsNotes(column);
    return lost.length > 0 ? lost : farOutNotes(column);
  });
}

function oneValueAlone(column: string): string {
  return `column ${column} has one value alone, which says nothing of other rows`;
}

/** The same of rows that come in pieces: what holds of all pieces that are long enough to tell. */
export class Suspicions {
  readonly #labelColumn: string | undefined;
  #found: readonly string[] | undefined;
  /** What one piece alone shows. */
  readonly #standIns = new Set<string>();
  /** The same of columns, of which one note is enough. */
  readonly #farOut = new Map<string, string>();

  constructor(labelColumn: string | undefined) {
    this.#labelColumn = labelColumn;
  }

  add(table: Table): void {
    for (const note of table.columns.flatMap(standInNotes)) this.#standIns.add(note);
    if (this.#found && table.length < MANY_ROWS) return;
    const found = suspicionsOf(table, this.#labelColumn);
    for (const column of table.columns) {
      const [note] = column.type === 'numeric' ? farOutNotes(column) : [];
      if (note !== undefined && found.includes(note) && !this.#farOut.has(column.name))
        this.#farOut.set(column.name, note);
    }
    this.#found = this.#found?.filter((note) => found.includes(note)) ?? found;
  }

  /** @param schema learned from all rows: a column may have another value in each piece */
  finish({ fields, label }: Pick<TableSchema, 'fields' | 'label'>): readonly string[] {
    const columns = label ? [...fields, { ...label, type: 'categorical' as const }] : fields;
    const several = columns.filter((column) =>
      column.type === 'categorical' ? column.categories.length > 1 : column.min < column.max,
    );
    const wrong = several.map(({ name }) => oneValueAlone(name));
    const all = new Set([...(this.#found ?? []), ...this.#standIns, ...this.#farOut.values()]);
    return [...all].filter((note) => !wrong.includes(note));
  }
}

function isLabelName(name: string): boolean {
  return LABEL.test(name) || FOUND.test(name);
}

/** Whether the cells are words, or few whole numbers. */
function hasClasses(column: Column): boolean {
  if (column.type !== 'numeric') return column.type === 'categorical';
  return column.values.every(Number.isInteger) && new Set(column.values).size <= MOST_CLASSES;
}

/** What people should know of the dates of windows to learn from: a series goes on, and its dates do not come again. */
export function risingNotes(columns: readonly Column[]): string[] {
  return columns.flatMap((column) => {
    if (column.type !== 'date' || column.values.length < MANY_ROWS) return [];
    if (stepsOf(column).some((step) => step < 0)) return [];
    return [
      `column ${column.name} rises from row to row: windows of later rows are unlikely for their dates alone; ignore it if such are to be scored`,
    ];
  });
}

/** What people should know of windows over rows: those in which the time does not go on evenly. */
export function seriesNotes(columns: readonly Column[]): string[] {
  return columns.flatMap((column) => {
    if (column.type !== 'date' || column.values.length < 3) return [];
    const steps = stepsOf(column);
    const back = steps.filter((step) => step < 0).length;
    if (back > 0)
      return [
        `column ${column.name} goes back ${times(back)}: windows are of rows as they come; sort them, and give several series a column each`,
      ];
    const still = steps.filter((step) => step === 0).length;
    if (still > 0)
      return [
        `column ${column.name} stands still ${times(still)}: windows are of rows as they come; give several series a column each`,
      ];
    const usual = mostFrequent(steps);
    const gaps = steps.filter((step) => step > 1.5 * usual).length;
    // Months and the days of business are of different lengths.
    if (gaps === 0 || gaps > steps.length / 10) return [];
    return [`column ${column.name} has ${gaps === 1 ? 'a gap' : `${gaps} gaps`}: windows go across`];
  });
}

function isConstant({ values }: Column): boolean {
  return values.every((value) => value === values[0]);
}

function isRowNumber({ name, values }: NumericColumn): boolean {
  if (!values.every(Number.isInteger)) return false;
  if (values.every((value, i) => i === 0 || value === values[i - 1]! + 1)) return true;
  return ID.test(name) && new Set(values).size === values.length;
}

const TIME =
  /(?:^|[-_ ])(?:date|day|time|datetime|timestamp|ts|at|epoch|created|updated)(?:$|[-_ ])|(?:date|time|stamp)$/i;
/** The years that dates are looked for in: those of clocks. */
const [FIRST, LAST] = [Date.UTC(2000, 0) / 1000, Date.UTC(2100, 0) / 1000];
/** Units of a second in which clocks count from 1970. */
const TICKS = [1e3, 1e6, 1e9];
const DAY = 86_400;
/** The first day of spreadsheets. */
const FIRST_DAY = Date.UTC(1899, 11, 30) / 1000;

/** Whether all numbers are dates such as 20260131 or the time since 1970; of seconds and the days of spreadsheets the name has to say so. */
function holdsDates({ name, values }: NumericColumn): boolean {
  const known = values.filter((value) => !Number.isNaN(value));
  const areTimes = (secondsOf: (value: number) => number) =>
    known.every((value) => secondsOf(value) >= FIRST && secondsOf(value) < LAST);
  if (known.length === 0) return false;
  if (known.every(isCompactDate) || TICKS.some((ticks) => areTimes((value) => value / ticks))) return true;
  return TIME.test(name) && (areTimes((value) => value) || areTimes((value) => FIRST_DAY + DAY * value));
}

/** `20260131` as a number. */
function isCompactDate(value: number): boolean {
  if (!Number.isInteger(value) || value < 19_000_101 || value > 21_001_231) return false;
  const [, year, month, day] = /^(\d{4})(\d\d)(\d\d)$/.exec(String(value))!;
  return timeIn(`${year}-${month}-${day}`) !== undefined;
}

/** Names of a row that sums the others up. */
const TOTAL = /^(?:(?:grand |sub)?totals?|sum|summe|gesamt|average|mean|mittelwert)\b/i;

/** A last row that sums the others up counts as one of them. */
function totalNotes({ name, values, categories }: CategoricalColumn, length: number): string[] {
  const last = values[length - 1]!;
  if (last < 0 || !TOTAL.test(categories[last]!) || values.indexOf(last) < length - 1) return [];
  return [
    `column ${name} has ${categories[last]} in the last row alone, which may sum up the others; take it out if so`,
  ];
}

/** The words for true and false, and the numbers that stand for them. */
const TRUTH: readonly (readonly string[])[] = [
  ['true', 'yes', 'y', 't', '1', '1.0'],
  ['false', 'no', 'n', 'f', '0', '0.0'],
];

/** Words that stand for the same, and are categories apart. */
function inSeveralWays(name: string, categories: readonly string[]): string[] {
  const lower = categories.map((category) => category.toLowerCase());
  const isTruth = lower.every((word) => TRUTH.flat().includes(word));
  if (!isTruth || new Set(lower).size < 3) return inCapitalsAlone(name, categories);
  return [
    `column ${name} has true and false written in several ways (${categories.join(', ')}), which are categories apart`,
  ];
}

function inCapitalsAlone(name: string, categories: readonly string[]): string[] {
  const known = new Map<string, string>();
  for (const category of categories) {
    const lower = category.toLowerCase();
    const before = known.get(lower);
    if (before !== undefined)
      return [`column ${name} has words that differ in capitals alone, such as ${before} and ${category}`];
    known.set(lower, category);
  }
  return [];
}

/** Seconds from each date to the next; none where one is missing. */
function stepsOf({ values }: DateColumn): number[] {
  const steps: number[] = [];
  for (let i = 1; i < values.length; i++) {
    const step = values[i]! - values[i - 1]!;
    if (!Number.isNaN(step)) steps.push(step);
  }
  return steps;
}

function mostFrequent(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), [0, 0])[0];
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
