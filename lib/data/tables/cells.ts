/** What one cell of a table may hold; null, undefined, NaN and invalid dates are missing values. */
export type Cell = string | number | bigint | boolean | Date | null | undefined;

/** The character between the whole and the fractional part of a number. */
export type Decimal = '.' | ',';

const [MINUS, POINT, ZERO, NINE] = ['-', '.', '0', '9'].map((character) => character.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
];

/** `1`, `-1.5`, `.5`, `1e-3`, and thousands in groups: `1,250.5`. */
const NUMBERS: Readonly<Record<Decimal, RegExp>> = {
  '.': /^[+-]?(?:\d+\.?\d*|\.\d+|\d{1,3}(?:,\d{3})+(?:\.\d*)?)(?:[eE][+-]?\d+)?$/,
  ',': /^[+-]?(?:\d+,?\d*|,\d+|\d{1,3}(?:\.\d{3})+(?:,\d*)?)(?:[eE][+-]?\d+)?$/,
};
const INFINITE = /^[+-]?inf(?:inity)?$/i;
/** A whole number with leading zeros, such as a postcode. */
const CODE = /^[+-]?0\d+$/;
/** A whole number of more digits than a float64 holds, such as that of a card. */
const LONG = /^[+-]?\d{16,}$/;

/**
 * The number that the text shows, infinite for `inf`; undefined where it shows none.
 *
 * @param decimal default a point
 */
export function numberIn(text: string, decimal: Decimal = '.'): number | undefined {
  const trimmed = text.trim().replace(/^\u2212/, '-');
  if (NUMBERS[decimal].test(trimmed)) {
    const isPlain = decimal === '.' && !trimmed.includes(',');
    const plain = isPlain
      ? trimmed
      : decimal === '.'
        ? trimmed.replaceAll(',', '')
        : trimmed.replaceAll('.', '').replace(',', '.');
    return Number(plain);
  }
  if (!INFINITE.test(trimmed)) return undefined;
  return trimmed.startsWith('-') ? -Infinity : Infinity;
}

/**
 * The number that a text shows in the usual form, `-12.5` with at most 15 digits, found without the patterns that all forms take; undefined for
 * all other texts, whatever they show.
 */
export function plainNumberIn(text: string): number | undefined {
  const { length } = text;
  const start = text.charCodeAt(0) === MINUS ? 1 : 0;
  if (length === start || length - start > 15) return undefined;
  let point = -1;
  for (let i = start; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code >= ZERO && code <= NINE) continue;
    if (code !== POINT || point >= 0 || i === start) return undefined;
    point = i;
  }
  // Zeros in front are those of a name.
  const digits = (point < 0 ? length : point) - start;
  return digits > 1 && text.charCodeAt(start) === ZERO ? undefined : Number(text);
}

/** Whether the text is a whole number with leading zeros: a name, such as a postcode, not a quantity. */
export function isCode(text: string): boolean {
  return CODE.test(text.trim());
}

/** Whether the text is a whole number that loses digits as a float64. */
export function isLong(text: string): boolean {
  return LONG.test(text.trim());
}

/** Characters without a width, such as a byte order mark within a file. */
const INVISIBLE = /[\u200b\u200e\u200f\u2060\ufeff]/g;

/**
 * The name of a category: trimmed, with single spaces and composed letters, so that what looks the same is the same; and a number by its
 * shortest text, so that 1, 1.0 and "1.0" are the same.
 */
export function categoryName(cell: string | number | bigint | boolean, decimal?: Decimal): string {
  if (typeof cell !== 'string') return String(cell);
  const trimmed = cell.normalize('NFC').replace(INVISIBLE, '').trim().replace(/\s+/g, ' ');
  const value = isCode(trimmed) || isLong(trimmed) ? undefined : numberIn(trimmed, decimal);
  return value === undefined || !Number.isFinite(value) ? trimmed : String(value);
}

/** The units of which the dates of a column are multiples, from coarse to fine. */
export const PRECISIONS = ['month', 'day', 'minute', 'second', 'millisecond'] as const;
export type Precision = (typeof PRECISIONS)[number];

/** Milliseconds in the units of the precisions; months differ. */
const MILLISECONDS: Readonly<Record<Exclude<Precision, 'month'>, number>> = {
  day: 86_400_000,
  minute: 60_000,
  second: 1000,
  millisecond: 1,
};

const UNITS = ['day', 'minute', 'second', 'millisecond'] as const;

/** Milliseconds that a Date can be from 1970. */
const MAX_TIME = 8.64e15;

const TIME =
  /^(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[T ](\d{1,2})(:\d\d)(?:(:\d\d)([.,]\d{1,9})?)?(Z| ?(?:UTC|GMT)| ?[+-]\d\d(?::?\d\d)?)?)?$/;
/** `2026-01`; a year far from ours is that of no month, but `4711-05` may be a name. */
const MONTH = /^((?:1[6-9]|2[01])\d\d)[-/](0[1-9]|1[0-2])$/;

/** A point in time: seconds since 1970 began in UTC, and the precision that they need. */
export interface Time {
  readonly seconds: number;
  readonly precision: Precision;
}

/**
 * The point in time that a text in ISO 8601 shows, such as `2026-01-31`, `2026-01-31T12:00Z`, `2026-01-31 12:00:00.5+01:00` or, for the start
 * of a month, `2026-01`; without a zone it is in UTC. Slashes and points may divide the date, and days, months and hours may have one
 * digit. Undefined for other texts, and for days that do not exist.
 */
export function timeIn(text: string): Time | undefined {
  const trimmed = text.trim();
  const [, inYear, month] = MONTH.exec(trimmed) ?? [];
  if (month !== undefined)
    return { seconds: Date.UTC(Number(inYear), Number(month) - 1) / 1000, precision: 'month' };
  const found = TIME.exec(trimmed);
  if (!found) return undefined;
  const [, year, , ofYear, ofMonth, hour = 0, minutes = ':00', seconds = ':00', fraction = '', zone = 'Z'] =
    found;
  const days = midnightOf(Number(year), Number(ofYear), Number(ofMonth));
  const [hours, past, rest] = [Number(hour), Number(minutes.slice(1)), Number(seconds.slice(1))];
  // The day may end at 24:00.
  const isClock = past < 60 && rest < 60 && (hours < 24 || (hours === 24 && past + rest === 0));
  const offset = offsetOf(zone.trim());
  if (days === undefined || !isClock || offset === undefined) return undefined;
  const time = new Date(days + 3_600_000 * hours + 60_000 * (past - offset) + 1000 * rest);
  // A Date has milliseconds; the seconds may have more.
  const part = Number(fraction.replace(',', '.') || 0);
  return part > 0 ? { seconds: time.getTime() / 1000 + part, precision: 'millisecond' } : timeOf(time);
}

/** Milliseconds since 1970 at which a day begins; undefined for one that does not exist, such as February 30. */
function midnightOf(year: number, month: number, day: number): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() : undefined;
}

/** Minutes that a zone is ahead of UTC; undefined where there is no such zone. */
function offsetOf(zone: string): number | undefined {
  const [, sign, hours, minutes = 0] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? [];
  if (sign === undefined) return 0;
  if (Number(hours) > 23 || Number(minutes) > 59) return undefined;
  return (sign === '-' ? -1 : 1) * (60 * Number(hours) + Number(minutes));
}

/** The point in time of a valid Date. */
export function timeOf(date: Date): Time {
  const milliseconds = date.getTime();
  const precision = UNITS.find((unit) => milliseconds % MILLISECONDS[unit] === 0)!;
  return { seconds: milliseconds / 1000, precision };
}

/** The nearest time of that precision in ISO 8601 and UTC: `2026-01`, `2026-01-31`, `2026-01-31T12:00Z`, `2026-01-31T12:00:00.500Z`. */
export function timeText(seconds: number, precision: Precision): string {
  const unit = precision === 'month' ? 1 : MILLISECONDS[precision];
  const milliseconds = unit * Math.round((seconds * 1000) / unit);
  const date = new Date(Math.min(Math.max(milliseconds, -MAX_TIME), MAX_TIME));
  if (precision === 'month')
    return nearestMonth(date)
      .toISOString()
      .replace(/-\d\dT.*$/, '');
  const text = date.toISOString();
  if (precision === 'day') return text.slice(0, text.indexOf('T'));
  if (precision === 'minute') return `${text.slice(0, -8)}Z`;
  return precision === 'second' ? `${text.slice(0, -5)}Z` : text;
}

/** The start of a month that is nearest, as far as a Date goes. */
function nearestMonth(date: Date): Date {
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  const [start, next] = [new Date(date), new Date(date)].map((time, i) => {
    time.setUTCFullYear(year, month + i, 1);
    time.setUTCHours(0, 0, 0, 0);
    return time;
  }) as [Date, Date];
  const isNext = next.getTime() - date.getTime() < date.getTime() - start.getTime();
  return isNext ? next : Number.isNaN(start.getTime()) ? date : start;
}
