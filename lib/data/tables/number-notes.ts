import { short } from '../../counted.ts';
import type { Column, DateColumn, NumericColumn } from './table.ts';

/** Rows that are looked at for quartiles; more say the same, and take time. */
const LOOKED_AT = 10_000;
/** Fewer different numbers are ratings or codes. */
const MANY = 10;
/** How often a number comes at least that stands for a missing one, and how much more often than others where it lies near them. */
const OFTEN = 3;
/** The share of zeros from which a schema may keep them apart. */
const SPIKE = 0.1;
/** The share of a deviation within which half of the rows are nearly one number. */
const NARROW = 0.02;
/** Digits of whole numbers that are different in all rows, from which they are names. */
const LONG = 9;
/** Whole numbers of programs have up to 64 bits; larger ones are measures, of which nobody wants all digits. */
const LARGEST = 2 ** 64;
/** The share of different ones among those that a float64 does not keep exactly. */
const STILL_DIFFERENT = 0.3;

/** Numbers that people and programs write where there is none. */
const STAND_INS: ReadonlySet<number> = new Set([
  ...[999, 9999, 99_999, 999_999, 999.9, 9999.9, 999.99, 9999.99].flatMap((value) => [value, -value]),
  ...[32_767, -32_768, 65_535, 2 ** 31 - 1, -(2 ** 31), 2 ** 32 - 1],
]);
/** The same of dates. */
const LAST_DAY = Date.UTC(9999, 11, 31) / 1000;

/** For people: a number or day of the column that may stand for a missing one. */
export function standInNotes(column: Column): string[] {
  const stand =
    column.type === 'categorical'
      ? undefined
      : column.type === 'date'
        ? dayStandIn(column)
        : (farStandIn(column) ?? lowStandIn(column));
  if (stand === undefined) return [];
  return [
    `column ${column.name} has ${stand}, which may stand for a missing value; list it in \`missing\` if so`,
  ];
}

function dayStandIn({ values }: DateColumn): string | undefined {
  const isUsed = values.some((value) => value >= LAST_DAY) && values.some((value) => value < LAST_DAY);
  return isUsed ? '9999-12-31' : undefined;
}

/** A number that stands alone beyond all others, further than they lie apart, and that people write where there is none. */
function farStandIn({ values }: NumericColumn): number | undefined {
  const found = new Set(values.filter((value) => STAND_INS.has(value)));
  const [low, high] = endsOf(values.filter((value) => !found.has(value)));
  return [...found].find((value) => {
    const gap = value > high ? value - high : low - value;
    return high >= low && gap > high - low;
  });
}

/**
 * The least number, if it is 0 or the only one below 0 and whole, as -1 and -200 are, and comes again and again: more often than any other, or
 * apart from the others by more than the middle half of these spans.
 */
function lowStandIn({ values }: NumericColumn): number | undefined {
  const [least] = endsOf(values);
  if (!(least <= 0) || !Number.isInteger(least)) return undefined;
  const others = values.filter((value) => value > least);
  const [next] = endsOf(others);
  if (!(next >= 0) || (least === 0 && next === 0)) return undefined;
  const count = values.filter((value) => value === least).length;
  const counts = new Map<number, number>();
  let most = 0;
  for (const value of others) {
    const soFar = (counts.get(value) ?? 0) + 1;
    counts.set(value, soFar);
    most = Math.max(most, soFar);
  }
  if (count < OFTEN || counts.size < MANY) return undefined;
  const isApart = next - least > middleOf(others);
  const isSpike = least < 0 && count >= OFTEN * most;
  return isApart || isSpike ? least : undefined;
}

/** For people: that some numbers lie so far out that the others are nearly one number to a model. */
export function farOutNotes({ name, values }: NumericColumn): string[] {
  const zeros = values.filter((value) => value === 0).length;
  const looked = zeros >= SPIKE * values.length ? values.filter((value) => value !== 0) : values;
  const known = looked.filter((value) => !Number.isNaN(value));
  const mean = known.reduce((sum, value) => sum + value / known.length, 0);
  const deviation = Math.sqrt(known.reduce((sum, value) => sum + (value - mean) ** 2 / known.length, 0));
  const half = middleOf(known);
  if (!(half > 0 && half < NARROW * deviation)) return [];
  const [low, high] = endsOf(known);
  const far = high - mean > mean - low ? high : low;
  return [
    `column ${name} has numbers as far out as ${short(far)}, so that half of its rows lie within ${short(half / deviation)} of a deviation, which a model ` +
      'hardly tells apart; take those rows out, list the numbers in `missing`, or write logarithms',
  ];
}

/** Whether the column has another whole number in each row, all of the same many digits, as cards and telephones have. */
export function areLongNames({ values }: NumericColumn): boolean {
  const digits = Math.floor(Math.log10(values[0]!));
  if (!(digits >= LONG - 1)) return false;
  const areAlike = values.every(
    (value) => Number.isInteger(value) && value < 1e21 && Math.floor(Math.log10(value)) === digits,
  );
  const share = new Set(values).size / values.length;
  return areAlike && (share === 1 || (!Number.isSafeInteger(values[0]!) && share > STILL_DIFFERENT));
}

/** For people: that whole numbers are too large for a float64 to keep apart, as ids of 64 bits are. */
export function lostDigitsNotes({ name, values }: NumericColumn): string[] {
  const areWhole = values.every((value) => Number.isNaN(value) || Number.isInteger(value));
  const isLost = (value: number) => Math.abs(value) > Number.MAX_SAFE_INTEGER && Math.abs(value) < LARGEST;
  if (!areWhole || !values.some(isLost)) return [];
  return [
    `column ${name} has whole numbers beyond 2^53, whose last digits are lost, so that different ones may become one; ignore it if they are names`,
  ];
}

/** What the middle half of the numbers spans. */
function middleOf(values: Float64Array): number {
  const every = Math.max(1, Math.floor(values.length / LOOKED_AT));
  const sorted = values.filter((value, i) => i % every === 0 && !Number.isNaN(value)).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN;
  return at(0.75) - at(0.25);
}

/** The least and the greatest. */
function endsOf(values: Float64Array): [least: number, most: number] {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return [least, most];
}
