import { TorchvaeError } from '../errors.ts';
import type { Dataset } from './dataset.ts';
import {
  checkDivision,
  checkFractions,
  checkParts,
  type SplitOptions,
  splitIndices,
} from './examples/split.ts';
import type { DataSchema } from './schema.ts';

/** Rows or lines that become examples by a schema, which is given or learned from those that are for training. */
export interface Learnable {
  /** All of them as examples. */
  all(): Dataset;
  /**
   * All of them in two parts, of which the first alone is learned from.
   *
   * @throws TorchvaeError as `Dataset.split` does
   */
  split(division: SplitOptions & { validation: number }): { train: Dataset; validation: Dataset };
}

/** Rows of a table or lines of text, before it is known which of them are for training. */
export interface Rows<Self> {
  /** For messages. */
  readonly name: string;
  readonly length: number;
  /** Whether consecutive rows make up examples, so that rows are only divided in their order. */
  readonly isSeries?: boolean;
  /** The rows with these indices. */
  pick(indices: Uint32Array): Self;
  /**
   * The schema of these rows.
   *
   * @param all those that these were picked from
   */
  learn(all: Self): DataSchema;
  /**
   * @param isHeldOut whether these rows are for validation, which may have categories that the schema lacks
   * @throws TorchvaeError ERR_TYPE for a schema of other rows, ERR_DATA_FORMAT for rows that do not fit it
   */
  encode(schema: DataSchema, isHeldOut?: boolean): Dataset;
}

/** @param schema the schema of the training rows; default: learned from these rows */
export function learnable<R extends Rows<R>>(rows: R, schema: DataSchema | undefined): Learnable {
  const all = () => rows.encode(schema ?? rows.learn(rows));
  return {
    all,
    split: ({ validation, ...options }) => {
      const { length, name } = rows;
      const fractions = checkFractions(validation, undefined);
      const division = checkDivision(rows.isSeries ? inOrder(options, name) : options);
      const parts = splitIndices(
        length,
        fractions,
        division,
        division.stratified ? labelsOf(all()) : undefined,
      );
      checkParts(parts, fractions, length, name);
      const [train, held] = parts.map((indices) => rows.pick(indices)) as [R, R];
      const learned = schema ?? train.learn(rows);
      return { train: train.encode(learned), validation: held.encode(learned, true) };
    },
  };
}

/**
 * How rows that make up windows are divided. Rows that are drawn at random do not follow one another: windows over them would be made up.
 *
 * @throws TorchvaeError ERR_RANGE for options that would draw them
 */
export function inOrder(options: SplitOptions, name: string): SplitOptions {
  if (options.chronological !== false && !options.stratified) return { ...options, chronological: true };
  const given = options.stratified ? 'stratified' : 'chronological: false';
  throw new TorchvaeError(
    'ERR_RANGE',
    `${name}: expected rows that make up windows to be divided in their order; leave ${given} out`,
  );
}

function labelsOf({ labels, name }: Dataset): Int32Array {
  if (labels) return labels;
  throw new TorchvaeError(
    'ERR_STATE',
    `A stratified split needs labels, and ${name} has none; give labelColumn`,
  );
}

/** The error for rows of another kind than those of the schema. */
export function otherSchema(name: string, kind: 'table' | 'text', schema: DataSchema): TorchvaeError {
  const inWords = { table: 'a table', text: 'lines of text' };
  return new TorchvaeError(
    'ERR_TYPE',
    `${name}: expected ${inWords[schema.type]}, as the schema of the training data says, but it holds ${inWords[kind]}; name another file`,
  );
}
