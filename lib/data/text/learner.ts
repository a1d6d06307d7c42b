import { checkInteger, checkOneOf, checkOptions } from '../../check.ts';
import { badData } from '../files/source.ts';
import { countTokens, tokensOf } from './tokens.ts';

/** How {@link TextSchema.learn} turns lines into tokens. */
export interface TextSchemaOptions {
  /** What a token is: a character (a Unicode code point), or a word between white space. Default `character`. */
  level?: 'character' | 'word';
  /** Tokens in an example; shorter lines are filled up. Default: those of the longest line. */
  length?: number;
  /** Most frequent tokens that are kept, at most; the others are unknown. Default 10,000. */
  vocabularySize?: number;
  /** What becomes of a line that is longer than `length`. Default `refuse`. */
  onLong?: 'refuse' | 'cut';
}

export const TEXT_SCHEMA_OPTIONS = ['level', 'length', 'vocabularySize', 'onLong'] as const;

export const MAX_VOCABULARY = 2 ** 20;
/** The most values that an array of every supported Node holds. */
export const MAX_VALUES = 2 ** 30;
/** The most keys that a `Map` holds. */
const MAX_DIFFERENT = 2 ** 24;
/** How much longer the longest line may be than nearly all others, which are filled up to its length. */
const LONGER = 8;
/** Fewer lines say little of others. */
const MANY_LINES = 20;
/** Characters of a text in one line that was meant to be many. */
const LONG_LINE = 1000;
/** The share of different words that come once, from which they are no words that come again. */
const MOST_ONCE = 0.8;
/** First lines that are looked at for another format. */
const LOOKED_AT = 100;

/** Learns a {@link TextSchema} of lines that come in pieces: how often each token comes, and how many tokens lines have. */
export class TextLearner {
  readonly #name: string;
  readonly #level: 'character' | 'word';
  readonly #length: number | undefined;
  readonly #vocabularySize: number;
  readonly #onLong: 'refuse' | 'cut';
  readonly #counts = new Map<string, number>();
  /** How many lines have so many tokens. */
  readonly #lengths = new Map<number, number>();
  readonly #look = new Look();
  /** Training lines. */
  #lines = 0;

  /** @throws TorchvaeError ERR_TYPE or ERR_RANGE for options */
  constructor(name: string, options: TextSchemaOptions) {
    const {
      level = 'character',
      length,
      vocabularySize = 10_000,
      onLong = 'refuse',
    } = checkOptions('options of TextSchema.learn', options, TEXT_SCHEMA_OPTIONS);
    this.#name = name;
    this.#level = checkOneOf('level', level, ['character', 'word']);
    this.#onLong = checkOneOf('onLong', onLong, ['refuse', 'cut']);
    this.#vocabularySize = checkInteger('vocabularySize', vocabularySize, 1, MAX_VOCABULARY);
    this.#length = length === undefined ? undefined : checkInteger('length', length, 1, MAX_VALUES);
  }

  /**
   * Counts the tokens of training lines.
   *
   * @throws TorchvaeError ERR_DATA_FORMAT for too many different tokens
   */
  add(lines: readonly string[]): void {
    const counts = this.#counts;
    this.#lines += lines.length;
    for (const line of lines) {
      for (const token of tokensOf(line, this.#level)) {
        const count = counts.get(token) ?? 0;
        if (count === 0 && counts.size === MAX_DIFFERENT) {
          const what = `at most ${MAX_DIFFERENT} different words`;
          throw badData(
            this.#name,
            `expected ${what} but there are more; is it text? If so, take characters as tokens`,
          );
        }
        counts.set(token, count + 1);
      }
    }
  }

  /** Sees how long lines are, of which training lines may be a part. */
  measure(lines: readonly string[]): void {
    this.#look.add(lines);
    if (this.#length !== undefined) return;
    for (const line of lines) {
      const length = countTokens(line, this.#level);
      this.#lengths.set(length, (this.#lengths.get(length) ?? 0) + 1);
    }
  }

  /** Whether some lines or tokens of those that were seen may be more than the schema takes. */
  get mayExceed(): boolean {
    return this.#length !== undefined || this.#counts.size > this.#vocabularySize;
  }

  /** @throws TorchvaeError ERR_DATA_FORMAT where there was no token at all */
  finish(): {
    level: 'character' | 'word';
    length: number;
    vocabulary: readonly string[];
    onLong: 'refuse' | 'cut';
  } {
    if (this.#counts.size === 0) throw badData(this.#name, 'expected at least one line that is not empty');
    const vocabulary = [...this.#counts]
      .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
      .slice(0, this.#vocabularySize)
      .map(([token]) => token);
    return { level: this.#level, length: this.#length ?? this.#longest(), vocabulary, onLong: this.#onLong };
  }

  /** What people should know of lines that may be meant otherwise. */
  get notes(): string[] {
    return [...this.#look.notes, ...this.#wordNotes(), ...this.#lengthNotes()];
  }

  /** Of scripts without spaces between words, whole lines are words. */
  #wordNotes(): string[] {
    if (this.#level !== 'word' || this.#lines < MANY_LINES) return [];
    let [once, all] = [0, 0];
    for (const count of this.#counts.values()) {
      all += count;
      if (count === 1) once++;
    }
    const different = this.#counts.size;
    if (all > 2 * this.#lines || once < MOST_ONCE * different) return [];
    return [
      `${once} of ${different} words come once, as where a script has no spaces between words; take characters if so (level: 'character')`,
    ];
  }

  /** Of a line that makes the examples of all others long. */
  #lengthNotes(): string[] {
    if (this.#length !== undefined) return [];
    const lengths = [...this.#lengths].sort(([a], [b]) => a - b);
    const lines = lengths.reduce((sum, [, count]) => sum + count, 0);
    let left = Math.floor(0.98 * (lines - 1));
    let found = 1;
    for (const [length, count] of lengths) {
      found = length;
      left -= count;
      if (left < 0) break;
    }
    const usual = Math.max(1, found);
    const longest = this.#longest();
    if (longest <= LONGER * usual) return [];
    return [
      `the longest line has ${longest} ${this.#level}s, nearly all others at most ${usual}, and are filled up; give a length, and cut what is longer`,
    ];
  }

  #longest(): number {
    return [...this.#lengths.keys()].reduce((most, length) => Math.max(most, length), 1);
  }
}

/** What lines look like, whatever their tokens are. */
class Look {
  #lines = 0;
  #first = '';
  #isOne = true;
  #areObjects = true;

  add(lines: readonly string[]): void {
    for (const line of lines) {
      if (this.#lines++ === 0) this.#first = line;
      this.#isOne &&= line === this.#first;
      if (this.#lines <= LOOKED_AT) this.#areObjects &&= isObject(line);
    }
  }

  get notes(): string[] {
    const isLong = this.#lines === 1 && this.#first.length >= LONG_LINE;
    if (this.#areObjects)
      return [
        'each line is an object of JSON, and is taken as text; name the file .jsonl if it is to be a table',
      ];
    if (isLong)
      return [
        `the text is one line of ${this.#first.length} characters, and each line is an example; divide it into lines`,
      ];
    return this.#isOne && this.#lines >= MANY_LINES ? ['all lines are the same, which says nothing'] : [];
  }
}

function isObject(line: string): boolean {
  if (!/^\s*\{/.test(line)) return false;
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
