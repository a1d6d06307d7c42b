import { basename } from 'node:path';
import { defined } from '../../check.ts';
import { Dataset } from '../dataset.ts';
import { type Learnable, learnable, otherSchema, type Rows } from '../learnable.ts';
import type { DataSchema } from '../schema.ts';
import {
  countTokens,
  type Lines,
  TEXT_SCHEMA_OPTIONS,
  TextSchema,
  type TextSchemaOptions,
} from './schema.ts';

/** How lines become examples: by a schema that is given, or that is learned with these options. */
export interface TextRowsOptions extends TextSchemaOptions {
  schema?: DataSchema | undefined;
}

export const TEXT_ROWS_OPTIONS = ['schema', ...TEXT_SCHEMA_OPTIONS] as const;

/** What becomes of lines that were read. */
export function textRows(lines: Lines, { schema, ...learning }: TextRowsOptions): Learnable {
  return learnable(new TextRows(lines, learning), schema);
}

class TextRows implements Rows<TextRows> {
  readonly #text: Lines;
  readonly #options: TextSchemaOptions;
  /** Of the lines that a schema was learned from. */
  #notes: readonly string[] = [];

  constructor(text: Lines, options: TextSchemaOptions) {
    this.#text = text;
    this.#options = options;
  }

  get name(): string {
    return this.#text.name;
  }

  get length(): number {
    return this.#text.lines.length;
  }

  pick(indices: Uint32Array): TextRows {
    const { name, lines, numbers } = this.#text;
    const at = Array.from(indices);
    const picked = { lines: at.map((i) => lines[i]!), numbers: at.map((i) => numbers?.[i] ?? i + 1) };
    return new TextRows({ name, ...picked }, this.#options);
  }

  learn(all: TextRows): DataSchema {
    const schema = TextSchema.learn(this.#text, defined(this.#options), all.#text);
    this.#notes = this.#options.length === undefined ? lengthNotes(all.#text.lines, schema) : [];
    return schema;
  }

  encode(schema: DataSchema): Dataset {
    if (!(schema instanceof TextSchema)) throw otherSchema(this.name, 'text', schema);
    const encoded = schema.encode(this.#text, defined({ onLong: this.#options.onLong }));
    const notes = [...this.#notes, ...encoded.notes];
    return new Dataset({ name: basename(this.name), ...encoded, schema, notes });
  }
}

/** How much longer the longest line may be than nearly all others, which are filled up to its length. */
const LONGER = 8;

/** What people should know of a line that makes the examples of all others long. */
function lengthNotes(lines: readonly string[], { size, level }: TextSchema): string[] {
  const lengths = Float64Array.from(lines, (line) => countTokens(line, level)).sort();
  const usual = Math.max(1, lengths[Math.floor(0.98 * (lengths.length - 1))]!);
  if (size <= LONGER * usual) return [];
  return [
    `the longest line has ${size} ${level}s, nearly all others at most ${usual}, and are filled up; give a length, and cut what is longer`,
  ];
}
