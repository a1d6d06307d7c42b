import { basename } from 'node:path';
import { defined } from '../../check.ts';
import { Dataset } from '../dataset.ts';
import { type Learnable, learnable, otherSchema, type Rows } from '../learnable.ts';
import type { DataSchema } from '../schema.ts';
import { TEXT_SCHEMA_OPTIONS, TextLearner, type TextSchemaOptions } from './learner.ts';
import { blankNotes, type Lines } from './lines.ts';
import { TextSchema } from './schema.ts';

/** How lines become examples: by a schema that is given, or that is learned with these options. */
export interface TextRowsOptions extends TextSchemaOptions {
  schema?: DataSchema | undefined;
}

export const TEXT_ROWS_OPTIONS = ['schema', ...TEXT_SCHEMA_OPTIONS] as const;

/** What becomes of lines that were read. */
export function textRows(lines: Lines, { schema, ...learning }: TextRowsOptions): Learnable {
  const { length } = lines.lines;
  return learnable(
    new TextRows(lines, learning, blankNotes(length, lines.numbers?.at(-1) ?? length)),
    schema,
  );
}

class TextRows implements Rows<TextRows> {
  readonly #text: Lines;
  readonly #options: TextSchemaOptions;
  /** Of how all lines were read. */
  readonly #read: readonly string[];
  /** Of the lines that a schema was learned from. */
  #notes: readonly string[] = [];

  constructor(text: Lines, options: TextSchemaOptions, read: readonly string[] = []) {
    this.#text = text;
    this.#options = options;
    this.#read = read;
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
    const learner = new TextLearner(this.name, defined(this.#options));
    learner.add(this.#text.lines);
    learner.measure(all.#text.lines);
    this.#notes = learner.notes;
    return TextSchema.learned(learner);
  }

  encode(schema: DataSchema): Dataset {
    if (!(schema instanceof TextSchema)) throw otherSchema(this.name, 'text', schema);
    const encoded = schema.encode(this.#text, defined({ onLong: this.#options.onLong }));
    const notes = [...this.#read, ...this.#notes, ...encoded.notes];
    return new Dataset({ name: basename(this.name), ...encoded, schema, notes });
  }
}
