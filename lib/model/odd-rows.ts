import { types } from 'node:util';
import { Dataset, type DatasetOptions } from '../data/dataset.ts';
import { mapCells } from '../data/examples/cells.ts';
import { gather } from '../data/examples/gather.ts';
import { invalidIn, isInvalid } from '../data/examples/invalid.ts';
import { isReadable, readableRows } from '../data/readable.ts';
import type { ExampleBlock } from '../data/streams/source.ts';
import { MAX_FLOAT32 } from '../data/tables/encoding.ts';
import { TorchvaeError } from '../errors.ts';
import type { Core } from './core.ts';
import { type Examples, isTensor, supports } from './input.ts';
import { support } from './parts/likelihoods.ts';

/** Examples of which every row has an answer, and the rows that have none. */
export interface OddRows {
  /** Those rows are zeros where the likelihood allows no others of their values. */
  readonly readable: Examples;
  /** Rows of a table with a cell that cannot be read, or a category that no training row had: the model knows nothing of them. */
  readonly unread: ReadonlySet<number>;
  /** Rows with a value outside the likelihood's support, or one that stands for an infinity. */
  readonly outside: ReadonlySet<number>;
  /** Rows that hold NaN or an infinity. */
  readonly invalid: ReadonlySet<number>;
}

/** Finds the rows that have no answer, so that they do not take the others with them. */
export function withoutOddRows({ spec, dimensions, schema }: Core, x: Examples): OddRows {
  const unread = new Set<number>();
  const invalid = new Set<number>();
  const outside = new Set<number>();
  // Text has a token for what is unknown, whose probability is learned.
  if (schema?.type === 'table' && x instanceof Dataset) {
    x.cells?.unseen.forEach((count, row) => {
      if (count > 0) unread.add(row);
    });
  }
  const values = valuesOf(x);
  const isDrawn = x instanceof Dataset && x.binarization !== 'none';
  // Data that do not fit are refused where the model is asked about them.
  const isWhole =
    x instanceof Dataset
      ? x.size === dimensions && x.data.length === x.length * x.size
      : values && values.length > 0 && values.length % dimensions === 0;
  if (!values || !isWhole) return { readable: x, unread, invalid, outside };
  const supported = support(spec.likelihood);
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) invalid.add(Math.floor(i / dimensions));
    else if (!isDrawn && (!supports(supported, value) || Math.abs(value) >= MAX_FLOAT32))
      outside.add(Math.floor(i / dimensions));
  });
  const fits =
    !(x instanceof Dataset) || isDrawn || supported.high !== 1 || x.kind === 'binary' || x.kind === 'unit';
  if (invalid.size + outside.size === 0 && fits) return { readable: x, unread, invalid, outside };
  const data = Float32Array.from(values);
  for (const row of [...invalid, ...outside]) data.fill(0, row * dimensions, (row + 1) * dimensions);
  if (!(x instanceof Dataset)) {
    return { readable: isTensor(x) ? { ...x, data } : data, unread, invalid, outside };
  }
  const kind = isDrawn ? x.kind : supported.isWhole ? 'categorical' : supported.high === 1 ? 'unit' : x.kind;
  return { readable: new Dataset({ ...x, data, kind } as DatasetOptions), unread, invalid, outside };
}

/** Whether the examples are rows of a table, each of which is answered or not for itself. */
export function isTable({ schema }: Pick<Core, 'schema'>, x: unknown): x is Dataset {
  return schema?.type === 'table' && x instanceof Dataset && x.schema !== undefined;
}

/**
 * What `ask` answers for the rows that have an answer; `fail` marks the others: with NaN those that hold no number, with +Infinity rows of a
 * table that cannot be read, or lie outside the likelihood's support. Other examples outside it are refused whole: their scale is wrong.
 */
export async function askRows<T>(
  core: Core,
  x: Examples,
  ask: (readable: Examples) => Promise<T>,
  fail: (answer: T, row: number, value: number) => void,
): Promise<T> {
  const isPlain = !isTable(core, x);
  if (isPlain && areFinite(core, x)) return ask(x);
  const { readable, unread, outside, invalid } = withoutOddRows(core, x);
  // Asking says what is wrong with the scale of those that are numbers.
  if (isPlain && outside.size > 0) return ask(x instanceof Dataset ? readableRows(x) : x);
  const answer = await ask(readable);
  for (const row of [...unread, ...outside]) fail(answer, row, Infinity);
  for (const row of invalid) fail(answer, row, Number.NaN);
  return answer;
}

/**
 * The rows that means are taken over: not those that hold NaN or an infinity; of a table neither those that have no answer, nor those with
 * missing cells that the training rows did not have.
 *
 * @throws TorchvaeError ERR_STATE where no row can be read
 */
export function countedRows(core: Core, x: Dataset): Dataset {
  const isPlain = !isTable(core, x);
  if (isPlain && areFinite(core, x)) return x;
  const { readable, unread, outside, invalid } = withoutOddRows(core, x);
  const { cells } = x;
  const isRead = (row: number) => !unread.has(row) && !outside.has(row) && !isFilled(core, cells, row);
  const all = Array.from({ length: x.length }, (_, row) => row);
  const rows = all.filter((row) => !invalid.has(row) && (isPlain || isRead(row)));
  const from = isPlain ? x : (readable as Dataset);
  if (rows.length === x.length) return from;
  // Where all values lie outside the support, asking about them says what to do.
  if (outside.size === x.length) return x;
  if (rows.length === 0) throw noRow(x);
  return from.subset(rows);
}

/** The error for data of which no row can be read. */
export function noRow({ name, length, notes }: Pick<Dataset, 'name' | 'length' | 'notes'>): TorchvaeError {
  const why = notes.length > 0 ? ` (${notes.join('; ')})` : '';
  return new TorchvaeError(
    'ERR_STATE',
    `Expected rows that can be read but none of the ${length} of ${name} can${why}; is it the right file?`,
  );
}

/** The same for a block of a stream; undefined where no row is left. */
export function countedBlock(core: Core, block: ExampleBlock, size: number): ExampleBlock | undefined {
  return readableBlock(core, block, size, (row) => !isFilled(core, block.cells, row));
}

/**
 * The rows of a block of a stream that can be read, of a class that a conditioned model knows; undefined where none is left.
 *
 * @param isKept which of them
 */
export function readableBlock(
  core: Core,
  block: ExampleBlock,
  size: number,
  isKept: (row: number) => boolean = () => true,
): ExampleBlock | undefined {
  const { data, labels, cells } = block;
  const isPlain = core.schema?.type !== 'table';
  if (isPlain && !invalidIn(data, size)) return block;
  const classes = (core.spec.condition && core.classes?.length) ?? Infinity;
  const all = Array.from({ length: data.length / size }, (_, row) => row);
  const rows = all.filter((row) => {
    if (isPlain) return !isInvalid(data, size, row);
    return isReadable(block, size, row) && !(labels && labels[row]! >= classes) && isKept(row);
  });
  if (rows.length === all.length) return block;
  if (rows.length === 0) return undefined;
  return {
    data: gather(data, rows, size),
    labels: labels && gather(labels, rows, 1),
    cells: mapCells(cells, (counts) => gather(counts, rows, 1)),
  };
}

/** Whether missing cells of a row were filled in though the training rows had none. */
function isFilled({ schema }: Core, cells: Dataset['cells'], row: number): boolean {
  return schema?.type === 'table' && schema.onMissing === 'refuse' && (cells?.imputed[row] ?? 0) > 0;
}

/** Whether no example holds NaN or an infinity. */
function areFinite({ dimensions }: Core, x: Examples): boolean {
  const values = valuesOf(x);
  return !values || !invalidIn(values, dimensions);
}

/** The values as they are scored; undefined for bytes, which all fit. */
function valuesOf(x: Examples): Float32Array | undefined {
  const values: unknown = x instanceof Dataset || isTensor(x) ? x.data : x;
  return types.isFloat32Array(values) ? values : undefined;
}
