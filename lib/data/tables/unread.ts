/** A way to write numbers or dates that is not read, since it can be mistaken, or has no place in a number. */
interface Unread {
  readonly kind: 'number' | 'date';
  readonly isOne: (cell: string) => boolean;
  readonly what: string;
  readonly advice: string;
  /** Fewer different cells may be names, such as `36 months` and `60 months`. Default 1. */
  readonly different?: number;
}

const NUMBER = String.raw`[+-]?\d[\d.,]*`;
/** Numbers with something between them: `120/80`, `0.5, 1.5`, `5 ± 0.1`. */
const NUMBERS = String.raw`[+-]?[\d.]+(?:(?:\s*(?:[;,:|~^/×x±]|\+/-|\+-)\s*|\s+)[+-]?[\d.]+)+`;
const SIGN = '[$€£¥₹₩₽%‰~≈]';
const CURRENCY = '(?:USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|BRL|SEK|NOK|DKK|PLN|CZK|kr|zł)';
/** A word after a space, degrees, two letters that do not make an ordinal number, or thousands and millions: `5 kg`, `20°C`, `3cm`, `1.5M`. */
const UNIT = String.raw`\s\p{L}[\p{L}/²³]*|\s?°\s?\p{L}?|(?!(?:st|nd|rd|th)$)[\p{L}µ][\p{L}/²³]+|[kKmM]`;

/** `59°54'26.5"N`, `N 59° 54.4'`, `N 59.91`. */
const COORDINATE = String.raw`(?:[NSEW]\s*)?[+-]?\d{1,3}(?:\s*[°º]\s*\d{1,2}(?:\.\d+)?\s*(?:['’′]\s*(?:\d{1,2}(?:\.\d+)?\s*(?:["”″]|''))?)?|\.\d+)\s*[NSEW]?`;

/** What is not read, in the order in which it is looked for. */
export const UNREAD: readonly Unread[] = [
  {
    kind: 'date',
    isOne: matching(/^\d{1,2}(?:\.\d{1,2}\.\d{4}|([/-])\d{1,2}\1(?:\d{4}|\d{2}))(?:[ ,T].*)?$/),
    what: 'dates whose day and month can be mistaken',
    advice: 'write them as 2026-01-31',
  },
  {
    kind: 'date',
    isOne: matching(/^(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\.\d\d(?: .*)?$/),
    what: 'dates whose day and month can be mistaken',
    advice: 'write them as 2026-01-31',
    different: 10,
  },
  {
    kind: 'date',
    isOne: (cell) => hasMonthName(cell) || OTHER_DATE.test(cell),
    what: 'dates in another form',
    advice: 'write them as 2026-01-31, 2026-01-31T18:30 or 2026-01',
  },
  {
    kind: 'number',
    isOne: (cell) => CLOCK.test(cell) || ISO_DURATION.test(cell),
    what: 'times of a day, or durations',
    advice: 'write them as numbers, such as hours',
  },
  {
    kind: 'number',
    isOne: matching(
      new RegExp(`^(?:[+-]?(?:${SIGN}|${CURRENCY})\\s*${NUMBER}|${NUMBER}\\s*(?:${SIGN}|${CURRENCY}))$`),
    ),
    what: 'numbers with a sign such as %',
    advice: 'write them without it',
  },
  {
    kind: 'number',
    isOne: matching(/^(?:\(\d[\d.,]*\)|\d[\d.,]*-)$/),
    what: 'numbers whose minus is written in another way',
    advice: 'write them as -5',
  },
  {
    kind: 'number',
    isOne: matching(/^[+-]?(?:\d{1,3}(?:[\s'’_]\d{3})+(?:[.,]\d+)?|\d{1,2}(?:,\d\d)+,\d{3}(?:\.\d+)?)$/),
    what: 'numbers in groups of digits',
    advice: 'write them without groups',
  },
  {
    kind: 'number',
    isOne: matching(
      new RegExp(`^(?:'${NUMBER}'?|="${NUMBER}"|${NUMBER}(?:[dD][+-]?\\d+|\\s?[×x*·]\\s?10\\^?[+-]?\\d+))$`),
    ),
    what: 'numbers in quotes, or with an exponent in another form',
    advice: 'write them as 5 or 1.5e3',
    different: 10,
  },
  {
    kind: 'number',
    isOne: matching(
      new RegExp(
        `^(?:${NUMBERS}|\\[\\s*${NUMBERS}\\s*\\]|\\(\\s*${NUMBERS}\\s*\\)|\\{\\s*${NUMBERS}\\s*\\})$`,
        'i',
      ),
    ),
    what: 'several numbers in one',
    advice: 'divide the column, or give the delimiter',
    different: 10,
  },
  {
    kind: 'number',
    // Also watts, newtons and siemens.
    isOne: matching(/^[+-]?\d{1,3}\.\d+\s*[NSEW]$/),
    what: 'numbers with the letter of a unit, or of latitude or longitude',
    advice: 'write them without it, degrees S and W with a minus',
    different: 10,
  },
  {
    kind: 'number',
    isOne: matching(new RegExp(`^(?=.*[NSEW°º])${COORDINATE}$`)),
    what: 'degrees of latitude or longitude',
    advice: 'write them as 59.907 or -59.907',
    different: 10,
  },
  {
    kind: 'number',
    isOne: matching(new RegExp(`^${NUMBER}(?:${UNIT})$`, 'u')),
    what: 'numbers with a unit',
    advice: 'write them without it',
    different: 10,
  },
  {
    kind: 'number',
    isOne: (cell) => !/\d/.test(cell) && /^[+-]?\p{Nd}[\p{Nd}.,٫٬]*$/u.test(cell),
    what: 'numbers in the digits of another script',
    advice: 'write them in the digits 0 to 9',
    different: 3,
  },
];

const CLOCK = /^[+-]?(?:\d+ days?,? )?\d{1,3}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[ap]m)?$/i;
/** `PT1H30M`. */
const ISO_DURATION = /^-?P(?=.*\d)(?:\d+[YMWD])*(?:T(?:\d+(?:\.\d+)?[HMS])+)?$/;

/**
 * `31-Jan-26` is found by its name; these have none: `01/2026`, `2026Q1`, `2026-W05`, `20260131T1830Z`, `2026-01-31 6:30 PM`,
 * `2026-01-31 18:30 Europe/Rome`, and months in words of other languages, `31 janvier 2026`.
 */
const OTHER_DATE = new RegExp(
  [
    String.raw`^\d{1,2}[/-]\d{4}$`,
    String.raw`^\d{4}[-/ ]?[QW]\d{1,2}$`,
    String.raw`^[QW]\d{1,2}[-/ ]\d{4}$`,
    String.raw`^\d{8}T\d{4,6}Z?$`,
    String.raw`^\d{1,2}\.? (?:de )?\p{L}{3,12}\.? (?:de )?(?:1[6-9]|2[01])\d\d$`,
    String.raw`^\d{4} ?[年년] ?\d{1,2} ?[月월](?: ?\d{1,2} ?[日일])?$`,
    String.raw`^\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d\d(?::\d\d)? ?[ap]m$`,
    String.raw`^\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d\d[\d:.]*(?:Z|[+-][\d:]+)? ?\[?[a-z_]{2,}(?:[/_+-][a-z_\d]+)*\]?$`,
  ].join('|'),
  'iu',
);

const MONTH =
  /^(?:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)(?:uary|ruary|ch|il|e|y|ust|tember|ober|ember)?$/i;
const DAY_NUMBER = /^\d+(?:st|nd|rd|th)?$/i;
const BESIDE = /^(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?|[ap]m|utc|gmt|z|t)$/i;

/** Whether the words are the name of a month, at least one number, and what may stand beside them: `Mon, 31 Jan 2026 10:00 GMT`. */
function hasMonthName(cell: string): boolean {
  const words = cell.split(/[-/ .,:+[\]]+/).filter((word) => word !== '');
  return (
    words.filter((word) => MONTH.test(word)).length === 1 &&
    words.some((word) => DAY_NUMBER.test(word)) &&
    words.every((word) => MONTH.test(word) || DAY_NUMBER.test(word) || BESIDE.test(word))
  );
}

function matching(pattern: RegExp): (cell: string) => boolean {
  return (cell) => pattern.test(cell);
}
