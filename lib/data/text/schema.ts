import { types } from 'node:util';
import { checkInteger, checkOneOf, checkOptions, expected } from '../../check.ts';
import { counted } from '../../counted.ts';
import { TorchvaeError } from '../../errors.ts';
import { isBranded } from '../brand.ts';
import type { CellCounts } from '../examples/cells.ts';
import { allocate, badData } from '../files/source.ts';
import { MAX_VALUES, MAX_VOCABULARY, TextLearner, type TextSchemaOptions } from './learner.ts';
import type { Lines } from './lines.ts';
import { countTokens, tokensOf } from './tokens.ts';

/** The JSON form of a {@link TextSchema}. */
export interface TextSchemaJson {
  type: 'text';
  level: 'character' | 'word';
  length: number;
  vocabulary: readonly string[];
  onLong: 'refuse' | 'cut';
}

/** The token after the end of a line. */
export const PADDING = 0;
/** The token of all text that is not in the vocabulary. */
export const UNKNOWN = 1;
/** Tokens are `vocabulary[token - RESERVED]`. */
const RESERVED = 2;

/** What an unknown token is decoded to. */
const REPLACEMENT = '\ufffd';

const BRAND = Symbol.for('torchvae.TextSchema');

/**
 * How lines of text become tokens of a fixed number, and tokens lines again. Token 0 fills up after the end of a line, 1 stands
 * for what is not in the vocabulary, others are `vocabulary[token - 2]`. Learned from training lines alone, and kept as JSON.
 */
export class TextSchema {
  /** @internal */
  get [BRAND](): true {
    return true;
  }

  /** @internal Of any copy of the package. */
  static [Symbol.hasInstance](value: unknown): value is TextSchema {
    return isBranded(BRAND, value);
  }

  readonly type = 'text';
  readonly level: 'character' | 'word';
  /** Most frequent first; of the same frequency, by their characters. */
  readonly vocabulary: readonly string[];
  readonly onLong: 'refuse' | 'cut';
  /** Tokens in an example. */
  readonly size: number;
  readonly #tokens: ReadonlyMap<string, number>;

  private constructor({ level, length, vocabulary, onLong }: Omit<TextSchemaJson, 'type'>) {
    this.level = level;
    this.size = length;
    this.vocabulary = Object.freeze([...vocabulary]);
    this.onLong = onLong;
    this.#tokens = new Map(vocabulary.map((token, i) => [token, i + RESERVED]));
  }

  /** How many different tokens there are, the padding and the unknown one among them. */
  get categories(): number {
    return this.vocabulary.length + RESERVED;
  }

  /**
   * The schema of these lines, which should be the training lines alone.
   *
   * @param all the lines whose longest sets the default `length`; default the same
   * @throws TorchvaeError ERR_TYPE or ERR_RANGE for options, ERR_DATA_FORMAT where there is no token at all
   */
  static learn(text: Lines, options: TextSchemaOptions = {}, all: Lines = text): TextSchema {
    const learner = new TextLearner(checkLines('text', text).name, options);
    learner.add(text.lines);
    learner.measure(checkLines('all', all).lines);
    return TextSchema.learned(learner);
  }

  /**
   * @internal The schema of lines that were seen.
   *
   * @throws TorchvaeError ERR_DATA_FORMAT where there was no token at all
   */
  static learned(learner: TextLearner): TextSchema {
    return new TextSchema(learner.finish());
  }

  /** @throws TorchvaeError ERR_DATA_FORMAT unless the value has the form that {@link toJSON} gives */
  static fromJSON(value: unknown): TextSchema {
    const { level, length, vocabulary, onLong } = (value ?? {}) as Partial<TextSchemaJson>;
    const isGood =
      (level === 'character' || level === 'word') &&
      (onLong === 'refuse' || onLong === 'cut') &&
      Number.isInteger(length) &&
      length! >= 1 &&
      length! <= MAX_VALUES &&
      Array.isArray(vocabulary) &&
      vocabulary.length > 0 &&
      vocabulary.length <= MAX_VOCABULARY &&
      vocabulary.every((token) => typeof token === 'string' && token !== '') &&
      new Set(vocabulary).size === vocabulary.length;
    if (!isGood) throw badData('text schema', 'expected what a TextSchema was saved as, but it is damaged');
    return new TextSchema({ level, length: length!, vocabulary, onLong });
  }

  toJSON(): TextSchemaJson {
    const { level, size, vocabulary, onLong } = this;
    return { type: 'text', level, length: size, vocabulary, onLong };
  }

  /**
   * The lines as tokens, in the form that the constructor of `Dataset` takes.
   *
   * @param options.onLong what a longer line than `size` does; default as the schema was learned. Where that refuses them and this cuts
   * them, `cells` also counts what was cut off
   * @returns [lines, size], whole numbers below `categories`; `cells` counts the tokens of each line that are not in the vocabulary
   * @throws TorchvaeError ERR_TYPE, ERR_DATA_FORMAT naming a line that is longer than `size`
   */
  encode(
    text: Lines,
    options: { onLong?: 'refuse' | 'cut' } = {},
  ): {
    shape: readonly [number];
    kind: 'categorical';
    data: Float32Array;
    notes: readonly string[];
    cells?: CellCounts;
  } {
    const { onLong = this.onLong } = checkOptions('options of encode', options, ['onLong']);
    checkOneOf('onLong', onLong, ['refuse', 'cut']);
    const { name, lines, numbers } = checkLines('text', text);
    const count = lines.length * this.size;
    if (lines.length === 0) throw badData(name, 'expected at least one line that is not empty');
    if (count > MAX_VALUES) {
      const what = `${lines.length} lines of ${this.size} tokens, as the longest has,`;
      throw badData(
        name,
        `expected at most ${MAX_VALUES} tokens but ${what} are more; give a length (length: 100), and onLong: 'cut'`,
      );
    }
    const data = allocate(name, 4 * count, () => new Float32Array(count));
    const unseen = new Uint32Array(lines.length);
    lines.forEach((line, i) => {
      let at = i * this.size;
      const end = at + this.size;
      for (const token of tokensOf(line, this.level)) {
        if (at === end) {
          if (this.onLong === 'cut') break;
          const length = countTokens(line, this.level);
          if (onLong === 'cut') {
            unseen[i]! += length - this.size;
            break;
          }
          const place = `line ${numbers?.[i] ?? i + 1}`;
          throw badData(
            name,
            `${place}: expected at most ${this.size} tokens but it has ${length}; give onLong: 'cut' to cut it`,
          );
        }
        const known = this.#tokens.get(token);
        if (known === undefined) unseen[i]!++;
        data[at++] = known ?? UNKNOWN;
      }
    });
    const unknown = unseen.reduce((sum, tokens) => sum + tokens, 0);
    const imputed = new Uint32Array(lines.length);
    return {
      shape: [this.size],
      kind: 'categorical',
      data,
      notes: unknownNotes(unknown),
      ...(unknown > 0 && { cells: { imputed, unseen } }),
    };
  }

  /**
   * The lines that tokens stand for, each up to its first padding; an unknown token becomes U+FFFD.
   *
   * @param values [lines, size], whole numbers
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE, ERR_RANGE for a number that is not a token
   */
  decode(values: Float32Array): string[] {
    if (!types.isFloat32Array(values)) {
      throw new TorchvaeError('ERR_TYPE', expected('a Float32Array', 'values', values));
    }
    if (values.length % this.size !== 0) {
      throw new TorchvaeError('ERR_SHAPE', expected(`a multiple of ${this.size} values`, 'values', values));
    }
    return Array.from({ length: values.length / this.size }, (_, line) => {
      const tokens: string[] = [];
      for (let i = line * this.size; i < (line + 1) * this.size; i++) {
        const token = checkInteger(`values[${i}]`, values[i], 0, this.categories - 1);
        if (token === PADDING) break;
        tokens.push(token === UNKNOWN ? REPLACEMENT : this.vocabulary[token - RESERVED]!);
      }
      return tokens.join(this.level === 'word' ? ' ' : '');
    });
  }
}

function checkLines(argument: string, text: Lines): Lines {
  const lines: unknown = text?.lines;
  if (typeof text?.name !== 'string' || !Array.isArray(lines)) {
    throw new TorchvaeError('ERR_TYPE', expected('{ name, lines }', argument, text));
  }
  const bad = lines.findIndex((line) => typeof line !== 'string');
  if (bad < 0) return text;
  throw new TorchvaeError('ERR_TYPE', expected('a text', `${argument}.lines[${bad}]`, lines[bad]));
}

/** What people should know of so many tokens that are not encoded. */
export function unknownNotes(tokens: number): string[] {
  if (tokens === 0) return [];
  return [`${counted(tokens, 'token')} ${tokens === 1 ? 'is' : 'are'} not in the vocabulary, or cut off`];
}
