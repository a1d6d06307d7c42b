import { type Command, Option } from 'commander';
import { defined } from '../check.ts';
import type { ColumnType, LoadOptions } from '../data/index.ts';
import { TorchvaeError } from '../errors.ts';
import { collect, integer } from './parsers.ts';

/** The flags that say how `--data` is read, as commander gives their values. */
export interface ReadingOptions {
  labelColumn?: string;
  onMissing?: 'refuse' | 'impute';
  /** `NAME=TYPE`, one for each column whose type is said. */
  column?: string[];
  delimiter?: string;
  decimal?: '.' | ',';
  header?: 'yes' | 'no';
  missing?: string[];
  standardize?: 'yes' | 'no';
  windowLength?: number;
  stride?: number;
  level?: 'character' | 'word';
  length?: number;
  vocabulary?: number;
  onLong?: 'refuse' | 'cut';
  member?: string;
  labelMember?: string;
  dataKind?: 'binary' | 'unit' | 'real' | 'categorical';
  maxLevel?: number;
  invert?: 'yes' | 'no';
  channels?: '1' | '3';
  maxPixels?: number;
  onBadImage?: 'refuse' | 'skip';
}

interface ReadingFlag {
  /** As commander takes it. */
  flag: string;
  help: string;
  /** The option of `loadDataset`, where that has another name. */
  option?: string;
  kind: 'text' | 'number' | 'texts';
  /** What a text stands for. Default itself. */
  parse?: (text: string) => string;
  choices?: readonly string[];
  /** Of a number. */
  max?: number;
  /**
   * Whether it says how a file is written. Such flags are offered wherever a trained model is given other data; the others say what a
   * model learns from its training data.
   */
  isOfFile?: true;
}

const YES_NO = ['yes', 'no'] as const;

/** Every option of `loadDataset` that belongs to a format of files. */
export const READING: Readonly<Record<keyof ReadingOptions, ReadingFlag>> = {
  labelColumn: {
    flag: '--label-column <name>',
    help: 'tables: the column that holds the labels',
    kind: 'text',
    isOfFile: true,
  },
  onMissing: {
    flag: '--on-missing <what>',
    help: 'tables: refuse missing values or fill them in; default refuse',
    kind: 'text',
    choices: ['refuse', 'impute'],
    isOfFile: true,
  },
  column: {
    flag: '--column <name=type>',
    help: 'tables: a column is numeric, categorical, date or to be ignored (ignore); may be repeated',
    option: 'columns',
    kind: 'texts',
  },
  standardize: {
    flag: '--standardize <answer>',
    help: 'tables: whether numeric columns get mean 0 and standard deviation 1; default yes',
    kind: 'text',
    choices: YES_NO,
  },
  windowLength: {
    flag: '--window-length <n>',
    help: 'tables: rows in a row that make one example of a series; default each row is one',
    kind: 'number',
    isOfFile: true,
  },
  stride: {
    flag: '--stride <n>',
    help: 'tables: rows between the starts of two windows; default 1',
    kind: 'number',
    isOfFile: true,
  },
  delimiter: {
    flag: '--delimiter <character>',
    help: 'tables of text: what stands between cells; \\t is a tab',
    kind: 'text',
    parse: (text) => (text === '\\t' ? '\t' : text),
    isOfFile: true,
  },
  decimal: {
    flag: '--decimal <character>',
    help: 'tables of text: of numbers',
    kind: 'text',
    choices: ['.', ','],
    isOfFile: true,
  },
  header: {
    flag: '--header <answer>',
    help: 'tables of text: whether the first row names the columns',
    kind: 'text',
    choices: YES_NO,
    isOfFile: true,
  },
  missing: {
    flag: '--missing <text>',
    help: 'tables: a text or number that stands for a missing value; may be repeated',
    kind: 'texts',
    isOfFile: true,
  },
  level: {
    flag: '--level <name>',
    help: 'text: what a token is; default character',
    kind: 'text',
    choices: ['character', 'word'],
  },
  length: {
    flag: '--length <n>',
    help: 'text: tokens of an example; default those of the longest line',
    kind: 'number',
  },
  vocabulary: {
    flag: '--vocabulary <n>',
    help: 'text: most frequent tokens that are kept; default 10000',
    option: 'vocabularySize',
    kind: 'number',
  },
  onLong: {
    flag: '--on-long <what>',
    help: 'text: refuse or cut a line that is longer than --length; default refuse',
    kind: 'text',
    choices: ['refuse', 'cut'],
    isOfFile: true,
  },
  member: {
    flag: '--member <name>',
    help: '.npz: the array of the examples; default x_train, x or data, or the only one',
    kind: 'text',
    isOfFile: true,
  },
  labelMember: {
    flag: '--label-member <name>',
    help: '.npz: the array of the labels; default y_train, y or labels beside them',
    kind: 'text',
    isOfFile: true,
  },
  dataKind: {
    flag: '--data-kind <name>',
    help: 'arrays and images: what their values are; default as they look',
    option: 'kind',
    kind: 'text',
    choices: ['binary', 'unit', 'real', 'categorical'],
    isOfFile: true,
  },
  maxLevel: {
    flag: '--max-level <n>',
    help: 'images of 16 bits: the level that becomes 1',
    kind: 'number',
    max: 65_535,
    isOfFile: true,
  },
  invert: {
    flag: '--invert <answer>',
    help: 'images: whether black and white change places; default no',
    kind: 'text',
    choices: YES_NO,
    isOfFile: true,
  },
  channels: {
    flag: '--channels <n>',
    help: 'images: gray or color; default gray if all are',
    kind: 'text',
    choices: ['1', '3'],
  },
  maxPixels: {
    flag: '--max-pixels <n>',
    help: 'images: pixels that one may have before it is resized; default 67108864',
    kind: 'number',
    isOfFile: true,
  },
  onBadImage: {
    flag: '--on-bad-image <what>',
    help: 'images: refuse a damaged one, or skip and count it; default refuse',
    kind: 'text',
    choices: ['refuse', 'skip'],
    isOfFile: true,
  },
};

/** The flags that say how a file is written. */
export const FILE_FLAGS = (Object.keys(READING) as (keyof ReadingOptions)[]).filter(
  (key) => READING[key].isOfFile,
);

/** Adds the flags of READING, or only these. */
export function addReadingOptions(
  command: Command,
  keys: readonly (keyof ReadingOptions)[] = Object.keys(READING) as (keyof ReadingOptions)[],
): Command {
  for (const key of keys) {
    const { flag, help, kind, choices, max, parse } = READING[key];
    const option = new Option(flag, help);
    if (choices) option.choices(choices);
    else if (kind === 'number') option.argParser(integer(1, max));
    else if (kind === 'texts') option.argParser(collect);
    else if (parse) option.argParser(parse);
    command.addOption(option);
  }
  return command;
}

/** The same as options of `loadDataset`, which refuses those of other formats. */
export function readingOptions(given: Partial<ReadingOptions>): LoadOptions {
  const { column, standardize, header, vocabulary, dataKind, invert, channels, ...others } =
    Object.fromEntries(
      Object.keys(READING).map((key) => [key, given[key as keyof ReadingOptions]]),
    ) as ReadingOptions;
  return defined({
    ...others,
    columns: column && columnTypes(column),
    standardize: standardize && standardize === 'yes',
    header: header && header === 'yes',
    vocabularySize: vocabulary,
    kind: dataKind,
    invert: invert && invert === 'yes',
    channels: channels && (Number(channels) as 1 | 3),
  });
}

/** The types that `--column` gives. */
function columnTypes(given: readonly string[]): Record<string, ColumnType> {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.lastIndexOf('=');
      if (at > 0) return [text.slice(0, at), text.slice(at + 1) as ColumnType];
      throw new TorchvaeError('ERR_RANGE', `Expected NAME=TYPE for --column but received ${text}`);
    }),
  );
}
