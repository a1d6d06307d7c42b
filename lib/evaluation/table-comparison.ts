import { defined } from '../check.ts';
import { derivedSeed, Random } from '../data/random.ts';
import { Turns } from '../turns.ts';
import type { CategoryColumn, NumberColumn, TableColumns } from './table-columns.ts';

/**
 * How the columns of rows that a model drew compare with those of rows of the data. `byChance` is what a perfect model would have: the same
 * figure between random halves of the data, averaged over some divisions and lessened by what halves err more than the whole. Columns with
 * fewer than 40 cells that are not missing are left out, and so are those of one value.
 */
export interface TableComparison {
  /** Pearson's, between columns of numbers or dates, over the rows that have both; missing where there are no two such columns. */
  correlations?: {
    /** Of columns: of up to 64 columns, which are evenly spaced. */
    pairs: number;
    /** The mean of the absolute errors. */
    meanError: number;
    meanErrorByChance?: number;
    /** The pair with the largest absolute error. */
    worst: {
      columns: readonly [string, string];
      error: number;
      errorByChance?: number;
      data: number;
      /** 0 where a column is drawn with one value alone. */
      drawn: number;
    };
  };
  /** The category whose share differs most; missing where there are no categories. */
  share?: {
    column: string;
    category: string;
    difference: number;
    differenceByChance?: number;
    data: number;
    drawn: number;
  };
  /** The ratio of standard deviations, drawn to data, that is farthest from 1 (by its logarithm). */
  deviation?: {
    column: string;
    ratio: number;
    /** Above 1: such a ratio, or its inverse. */
    ratioByChance?: number;
    data: number;
    drawn: number;
  };
}

/** What is compared. */
interface Rule {
  /** Cells that a column of the data must have, and a pair of columns rows that have both. */
  fewest: number;
  /** Whether drawn columns of one value are left out too. */
  bothVary: boolean;
}

const OF_DRAWS: Rule = { fewest: 40, bothVary: false };
/** Of halves, in which cells are missing, and values rare, by chance. */
const OF_HALVES: Rule = { fewest: OF_DRAWS.fewest / 4, bothVary: true };
/** Columns that are correlated with each other, which bounds the time. */
const MOST_CORRELATED = 64;
/** Random divisions into halves. */
const DIVISIONS = 5;

/** Compares rows that a model drew with as many of the data: see {@link TableComparison}. */
export async function compareTables(
  data: TableColumns,
  drawn: TableColumns,
  { seed }: { seed: number },
): Promise<TableComparison> {
  const turns = new Turns();
  const found = await differences(data, drawn, OF_DRAWS, turns);
  const random = new Random(derivedSeed(seed, 2));
  const halves: TableComparison[] = [];
  for (let division = 0; division < DIVISIONS; division++) {
    const [one, other] = halvesOf(data, random);
    await turns.pause();
    halves.push(await differences(one, other, OF_HALVES, turns));
  }
  return withChances(found, halves);
}

/** The figures with what they come to by chance, as the differences between halves of the data tell. */
function withChances(
  { correlations, share, deviation }: TableComparison,
  halves: readonly TableComparison[],
): TableComparison {
  const byChance = (differenceOf: (of: TableComparison) => number | undefined): number | undefined => {
    const found = halves.map(differenceOf).filter((difference) => difference !== undefined);
    if (found.length === 0) return undefined;
    // Half the rows make the variance of a difference twice as large.
    return found.reduce((sum, difference) => sum + difference, 0) / found.length / Math.SQRT2;
  };
  const logRatio = byChance((of) => of.deviation && Math.abs(Math.log(of.deviation.ratio)));
  return {
    ...(correlations && {
      correlations: {
        ...correlations,
        ...defined({ meanErrorByChance: byChance((of) => of.correlations?.meanError) }),
        worst: {
          ...correlations.worst,
          ...defined({ errorByChance: byChance((of) => of.correlations?.worst.error) }),
        },
      },
    }),
    ...(share && {
      share: { ...share, ...defined({ differenceByChance: byChance((of) => of.share?.difference) }) },
    }),
    ...(deviation && {
      deviation: { ...deviation, ...(logRatio !== undefined && { ratioByChance: Math.exp(logRatio) }) },
    }),
  };
}

/** A column of both tables. */
interface Both<Column> {
  data: Column;
  drawn: Column;
}

async function differences(
  data: TableColumns,
  drawn: TableColumns,
  { fewest, bothVary }: Rule,
  turns: Turns,
): Promise<TableComparison> {
  const numbers: Both<Centered>[] = [];
  for (const [i, column] of data.numbers.entries()) {
    await turns.pause();
    const both = { data: centered(column), drawn: centered(drawn.numbers[i]!) };
    const varies = both.data.deviation > 0 && (both.drawn.deviation > 0 || !bothVary);
    if (varies && both.data.count >= fewest) numbers.push(both);
  }
  const categories = data.categories.map((column, i) => ({ data: column, drawn: drawn.categories[i]! }));
  return defined({
    correlations: await correlationErrors(numbers, fewest, turns),
    share: largestShareDifference(categories, fewest),
    deviation: farthestDeviation(numbers),
  });
}

async function correlationErrors(
  numbers: readonly Both<Centered>[],
  fewest: number,
  turns: Turns,
): Promise<TableComparison['correlations']> {
  const step = Math.max(1, numbers.length / MOST_CORRELATED);
  const columns = numbers.filter((_, i) => Math.floor(i / step) > Math.floor((i - 1) / step));
  let [pairs, sum] = [0, 0];
  let worst: NonNullable<TableComparison['correlations']>['worst'] | undefined;
  for (const [i, one] of columns.entries()) {
    for (const other of columns.slice(0, i)) {
      await turns.pause();
      const data = correlation(other.data.values, one.data.values, fewest);
      if (data === undefined) continue;
      const drawn = correlation(other.drawn.values, one.drawn.values, 1) ?? 0;
      const error = Math.abs(drawn - data);
      pairs++;
      sum += error;
      if (error > (worst?.error ?? -1))
        worst = { columns: [other.data.name, one.data.name], error, data, drawn };
    }
  }
  return worst && { pairs, meanError: sum / pairs, worst };
}

function largestShareDifference(
  columns: readonly Both<CategoryColumn>[],
  fewest: number,
): TableComparison['share'] {
  let largest: TableComparison['share'];
  for (const both of columns) {
    if (both.data.values.filter((place) => place >= 0).length < fewest) continue;
    const [shares, others] = [sharesOf(both.data), sharesOf(both.drawn)];
    const { name: column, categories } = both.data;
    for (const [place, category] of categories.entries()) {
      const [data, drawn] = [shares[place]!, others[place]!];
      const difference = Math.abs(drawn - data);
      if (difference > (largest?.difference ?? -1)) largest = { column, category, difference, data, drawn };
    }
  }
  return largest;
}

function farthestDeviation(columns: readonly Both<Centered>[]): TableComparison['deviation'] {
  let farthest: TableComparison['deviation'];
  const distance = (ratio: number) => Math.abs(Math.log(ratio));
  for (const both of columns) {
    const [data, drawn] = [both.data.deviation, both.drawn.deviation];
    const ratio = drawn / data;
    if (!farthest || distance(ratio) > distance(farthest.ratio))
      farthest = { column: both.data.name, ratio, data, drawn };
  }
  return farthest;
}

/** The shares of a column's categories among its cells that are not missing. */
function sharesOf({ values, categories }: CategoryColumn): Float64Array {
  const shares = new Float64Array(categories.length);
  let count = 0;
  for (const place of values) {
    if (place < 0) continue;
    shares[place]!++;
    count++;
  }
  return shares.map((share) => share / count);
}

/** A column of numbers less their mean, which keeps the digits of dates. */
interface Centered extends NumberColumn {
  /** Cells that are not missing. */
  readonly count: number;
  readonly deviation: number;
}

function centered({ name, values }: NumberColumn): Centered {
  let [count, sum, least, most] = [0, 0, Infinity, -Infinity];
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    count++;
    sum += value;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  // The mean of equal values may differ from them by a rounding.
  const mean = least === most ? least : sum / count;
  const differences = values.slice();
  let squares = 0;
  for (let row = 0; row < differences.length; row++) {
    const difference = values[row]! - mean;
    differences[row] = difference;
    if (!Number.isNaN(difference)) squares += difference * difference;
  }
  return { name, values: differences, count, deviation: Math.sqrt(squares / count) };
}

/**
 * Pearson's, over the rows that have both values.
 *
 * @returns undefined for fewer rows, and for values that are all the same
 */
function correlation(a: Float64Array, b: Float64Array, fewest: number): number | undefined {
  let count = 0;
  let sumA = 0;
  let sumB = 0;
  let squaresA = 0;
  let squaresB = 0;
  let products = 0;
  for (let row = 0; row < a.length; row++) {
    const x = a[row]!;
    const y = b[row]!;
    if (Number.isNaN(x) || Number.isNaN(y)) continue;
    count++;
    sumA += x;
    sumB += y;
    squaresA += x * x;
    squaresB += y * y;
    products += x * y;
  }
  const varianceA = squaresA - (sumA * sumA) / count;
  const varianceB = squaresB - (sumB * sumB) / count;
  if (count < fewest || !(varianceA > 0 && varianceB > 0)) return undefined;
  return (products - (sumA * sumB) / count) / Math.sqrt(varianceA * varianceB);
}

/** The rows in two halves at random. */
function halvesOf(table: TableColumns, random: Random): [TableColumns, TableColumns] {
  const length = (table.numbers[0] ?? table.categories[0])!.values.length;
  const order = random.permutation(length);
  const half = Math.floor(length / 2);
  const rowsOf = (places: Uint32Array): TableColumns => ({
    numbers: table.numbers.map((column) => ({
      ...column,
      values: pick(column.values, places, new Float64Array(places.length)),
    })),
    categories: table.categories.map((column) => ({
      ...column,
      values: pick(column.values, places, new Int32Array(places.length)),
    })),
  });
  return [rowsOf(order.subarray(0, half)), rowsOf(order.subarray(half, 2 * half))];
}

function pick<Values extends Float64Array | Int32Array>(
  values: Values,
  places: Uint32Array,
  into: Values,
): Values {
  for (let i = 0; i < places.length; i++) into[i] = values[places[i]!]!;
  return into;
}
