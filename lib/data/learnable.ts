import { basename } from 'node:path';
import { checkBoolean, defined } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { Dataset, type SplitOptions } from './dataset.ts';
import { checkFractions, checkParts, splitIndices } from './examples/split.ts';
import { type CsvOptions, readCsv } from './formats/csv/reader.ts';
import { readParquet } from './formats/parquet/table.ts';
import type { DataSchema } from './schema.ts';
import { TableSchema, type TableSchemaOptions } from './tables/schema.ts';
import { rowsOf, type Table } from './tables/table.ts';
import { readLines } from './text/lines.ts';
import { type Lines, TextSchema, type TextSchemaOptions } from './text/schema.ts';

/** How tables and texts are read, and made into examples. */
export interface LearnedOptions extends CsvOptions, TableSchemaOptions, TextSchemaOptions {
  /**
   * That of the training data, by which other data become examples as those did; nothing is learned then, and the options of
   * learning have no meaning. Default: learned from the data themselves.
   */
  schema?: DataSchema | undefined;
}

/** What is read of a file before it is known which part of it is for training. */
export type Source = { kind: 'table'; table: Table } | { kind: 'text'; text: Lines };

/** @throws TorchvaeError as the readers do */
export async function readSource(
  path: string,
  kind: 'csv' | 'parquet' | 'text',
  options: LearnedOptions,
): Promise<Source> {
  const { delimiter, header, missing, columns } = options;
  if (kind === 'text') return { kind, text: await readLines(path) };
  const given = defined({ delimiter, header, missing, columns });
  return {
    kind: 'table',
    table: await (kind === 'csv' ? readCsv(path, given) : readParquet(path, defined({ columns }))),
  };
}

/** All of the source as one data set, by the given schema or one that is learned from all of it. */
export function datasetOfSource(source: Source, options: LearnedOptions): Dataset {
  return encode(source, options.schema ?? learn(source, options, source));
}

/**
 * The source in two parts, of which the first alone is learned from.
 *
 * @throws TorchvaeError as `Dataset.split` does
 */
export function splitSource(
  source: Source,
  { seed = 0, stratified = false, validation }: SplitOptions & { validation: number },
  options: LearnedOptions,
): { train: Dataset; validation: Dataset } {
  const length = source.kind === 'table' ? source.table.length : source.text.lines.length;
  const name = source.kind === 'table' ? source.table.name : source.text.name;
  const fractions = checkFractions(validation, undefined);
  checkBoolean('stratified', stratified);
  const labels = stratified ? labelsOf(source, options, name) : undefined;
  const parts = splitIndices(length, fractions, seed, labels);
  checkParts(parts, fractions, length, name);
  const [train, held] = parts.map((indices) => pick(source, indices)) as [Source, Source];
  const schema = options.schema ?? learn(train, options, source);
  return { train: encode(train, schema), validation: encode(held, schema) };
}

function learn(train: Source, options: LearnedOptions, all: Source): DataSchema {
  const { labelColumn, onMissing, standardize, level, length, vocabularySize, onLong } = options;
  return train.kind === 'table'
    ? TableSchema.learn(
        train.table,
        defined({ labelColumn, onMissing, standardize }),
        (all as typeof train).table,
      )
    : TextSchema.learn(
        train.text,
        defined({ level, length, vocabularySize, onLong }),
        (all as typeof train).text,
      );
}

function encode(source: Source, schema: DataSchema): Dataset {
  if (source.kind === 'table' && schema instanceof TableSchema) {
    return new Dataset({ name: basename(source.table.name), ...schema.encode(source.table), schema });
  }
  if (source.kind === 'text' && schema instanceof TextSchema) {
    return new Dataset({ name: basename(source.text.name), ...schema.encode(source.text), schema });
  }
  throw new TorchvaeError(
    'ERR_TYPE',
    `Expected the schema of a ${source.kind} for schema but received that of a ${schema.type}`,
  );
}

function pick(source: Source, indices: Uint32Array): Source {
  if (source.kind === 'table') return { kind: 'table', table: rowsOf(source.table, indices) };
  const { name, lines, numbers } = source.text;
  const at = Array.from(indices);
  const picked = { lines: at.map((i) => lines[i]!), numbers: at.map((i) => numbers?.[i] ?? i + 1) };
  return { kind: 'text', text: { name, ...picked } };
}

function labelsOf(source: Source, options: LearnedOptions, name: string): Int32Array {
  const labels = source.kind === 'table' && datasetOfSource(source, options).labels;
  if (labels) return labels;
  throw new TorchvaeError(
    'ERR_STATE',
    `A stratified split needs labels, and ${name} has none; give labelColumn`,
  );
}
