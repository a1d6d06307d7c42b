import { checkInteger, checkOneOf, checkOptions } from '../check.ts';
import { Dataset } from '../data/dataset.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import { type RowState, rowStates } from './anomaly.ts';
import { checkLabels, type Labels, labelsIn, withKnownLabels } from './classes.ts';
import type { Core } from './core.ts';
import { inParts } from './in-parts.ts';
import {
  checkCodes,
  checkExamples,
  checkTensorShape,
  type Examples,
  isTensor,
  type Tensor,
} from './input.ts';
import { askRows } from './odd-rows.ts';
import { checkFinite, checkOutputSize } from './output.ts';
import { drawRows } from './row-draws.ts';
import { checkSameSchema } from './same-schema.ts';

/** Moments of the posterior: each [examples, size of z]. */
export interface Encoding {
  mean: Tensor;
  /** Minus infinity where the posterior is a point. */
  logVariance: Tensor;
  /**
   * What each code is worth, where examples hold NaN or an infinity, have cells that are not as in their rows, or tokens that are not in the
   * vocabulary. `invalid` examples and `unseen` and `infinite` rows of a table have no code, which is NaN, as they have no finite score.
   */
  states?: RowState[];
}

/** Codes z as callers have them, [n, size of z]; an {@link Encoding} stands for its means. */
export type Codes = Float32Array | Tensor | Encoding;

/** Labels for a conditioned model, one for each example: numbers or names of classes. By default those of the Dataset. */
export interface Labeled {
  labels?: Labels;
}

/** How `VAE.decode` turns codes into examples. */
export interface DecodeOptions extends Labeled {
  /**
   * `mean` (default; for the Bernoulli likelihood, the probabilities), `mode`, or a draw (`sample`) of p(x|z). Draws of a model of a table
   * are rows that it can have: one category of each column, numbers within the bounds of the training rows.
   */
  kind?: 'mean' | 'mode' | 'sample';
  /** Seed of the draws; default 0. */
  seed?: number;
}

/** Examples as the addon takes them, with the labels that the model needs. */
export interface ReadExamples {
  values: Float32Array | Uint8Array;
  rows: number;
  seed: number;
  labels: Int32Array | undefined;
}

/** @throws TorchvaeError ERR_TYPE, ERR_SHAPE, ERR_RANGE for examples, labels or a seed that do not fit the model */
export function readExamples(
  core: Core,
  x: Examples,
  { labels, seed = 0 }: Labeled & { seed?: number },
): ReadExamples {
  checkInteger('seed', seed, 0);
  const values = checkExamples('x', x, core.spec, seed);
  const rows = values.length / core.dimensions;
  const known = labels ?? labelsIn('x', x, core);
  if (x instanceof Dataset) checkSameSchema('x', x.schema, core.schema);
  return { values, rows, seed, labels: checkLabels('x', known, core, rows) };
}

/** See `VAE.encode`. */
export async function encode(core: Core, x: Examples | StreamedDataset, options: Labeled): Promise<Encoding> {
  const given = checkOptions('options of encode', options, ['labels']);
  if (!(x instanceof StreamedDataset)) return encodePart(core, x, given);
  const parts: Encoding[] = [];
  for await (const { part, labels } of inParts(core, x, given.labels)) {
    parts.push(await encodePart(core, part, labels ? { labels } : {}));
  }
  return joined(parts);
}

function joined(parts: readonly Encoding[]): Encoding {
  const stacked = (tensors: Tensor[]): Tensor => {
    const [rows, width] = [tensors.reduce((sum, { shape }) => sum + shape[0]!, 0), tensors[0]!.shape[1]!];
    checkOutputSize('x', rows, width);
    const data = new Float32Array(rows * width);
    let at = 0;
    for (const tensor of tensors) {
      data.set(tensor.data, at);
      at += tensor.data.length;
    }
    return { data, shape: [rows, width] };
  };
  const states = parts.flatMap(
    ({ states, mean }) => states ?? Array<RowState>(mean.shape[0]!).fill('scored'),
  );
  return {
    mean: stacked(parts.map(({ mean }) => mean)),
    logVariance: stacked(parts.map(({ logVariance }) => logVariance)),
    ...(parts.some((part) => part.states) && { states }),
  };
}

async function encodePart(core: Core, examples: Examples, given: Labeled): Promise<Encoding> {
  const x = withKnownLabels(examples, core, given.labels);
  const failed = new Map<number, number>();
  const encoding = await askRows(
    core,
    x,
    (readable) => encodeRows(core, readable, given),
    ({ mean, logVariance }, row, value) => {
      for (const { data } of [mean, logVariance])
        data.fill(Number.NaN, row * core.codeSize, (row + 1) * core.codeSize);
      failed.set(row, value);
    },
  );
  const cells = x instanceof Dataset ? x.cells : undefined;
  if (!cells && failed.size === 0) return encoding;
  const worth = Float32Array.from({ length: encoding.mean.shape[0]! }, (_, row) => failed.get(row) ?? 0);
  return { ...encoding, states: rowStates(worth, cells) };
}

async function encodeRows(core: Core, x: Examples, given: Labeled): Promise<Encoding> {
  const { values, labels, rows } = readExamples(core, x, given);
  const { mean, logVariance } = await core.call((addon, handle) => addon.encode(handle, values, labels));
  checkFinite('mean of q(z|x)', mean);
  checkFinite('logVariance of q(z|x)', logVariance, -Infinity);
  const shape = [rows, core.codeSize];
  return { mean: { data: mean, shape }, logVariance: { data: logVariance, shape: [...shape] } };
}

/** See `VAE.decode`. */
export async function decode(core: Core, z: Codes, options: DecodeOptions): Promise<Tensor> {
  if (!isEncoding(z) || !z.states) return decodeRows(core, z, options);
  const { data, shape } = z.mean;
  const failed = z.states.flatMap((_, row) => (Number.isNaN(data[row * core.codeSize]) ? [row] : []));
  if (failed.length === 0) return decodeRows(core, z, options);
  // Rows without a code have no example; the others are decoded as without them.
  const codes = data.map((value) => (Number.isNaN(value) ? 0 : value));
  const decoded = await decodeRows(core, { data: codes, shape }, options);
  for (const row of failed) decoded.data.fill(Number.NaN, row * core.dimensions, (row + 1) * core.dimensions);
  return decoded;
}

async function decodeRows(core: Core, z: Codes, options: DecodeOptions): Promise<Tensor> {
  const known = ['labels', 'kind', 'seed'];
  const { labels: given, kind = 'mean', seed = 0 } = checkOptions('options of decode', options, known);
  const codes = isEncoding(z) ? z.mean : z;
  const values = checkCodes('z', isTensor(codes) ? codes.data : codes, core.spec);
  const rows = values.length / core.codeSize;
  if (isTensor(codes)) checkTensorShape('z', codes, [rows, core.codeSize]);
  checkOutputSize('z', rows, core.dimensions);
  checkOneOf('kind', kind, ['mean', 'mode', 'sample']);
  checkInteger('seed', seed, 0);
  const labels = core.spec.condition?.decoder ? checkLabels('z', given, core, rows) : undefined;
  const decoded = (wanted: typeof kind) =>
    core.call((addon, handle) => addon.decode(handle, values, wanted, seed, labels));
  const data = await decoded(kind);
  checkFinite(`${kind} of p(x|z)`, data);
  const { schema } = core;
  if (kind === 'sample' && schema?.type === 'table')
    await drawRows(core, schema, data, await decoded('mean'), seed);
  return { data, shape: [rows, ...core.spec.inputShape] };
}

/** See `VAE.reconstruct`. */
export async function reconstruct(core: Core, x: Examples, options: Labeled): Promise<Tensor> {
  const given = checkOptions('options of reconstruct', options, ['labels']);
  const codes = await encode(core, x, given);
  const known = given.labels ?? labelsIn('x', withKnownLabels(x, core), core);
  const labels = checkLabels('x', known, core, codes.mean.shape[0]!);
  return decode(core, codes, labels ? { labels } : {});
}

/** See `VAE.sample`. */
export async function sample(core: Core, count: number, options: DecodeOptions): Promise<Tensor> {
  checkInteger('count', count, 1);
  checkOutputSize('count', count, core.dimensions);
  const known = ['seed', 'labels', 'kind'];
  const { seed = 0, labels: given, kind = 'mean' } = checkOptions('options of sample', options, known);
  checkOneOf('kind', kind, ['mean', 'mode', 'sample']);
  checkInteger('seed', seed, 0);
  const { condition } = core.spec;
  const isLabeled = condition?.decoder || condition?.prior;
  const labels = isLabeled ? checkLabels('the examples to draw', given, core, count) : undefined;
  const z = await core.call((addon, handle) => addon.samplePrior(handle, count, seed, labels));
  return decode(core, z, { kind, seed, ...(labels && { labels }) });
}

function isEncoding(value: unknown): value is Encoding {
  return typeof value === 'object' && value !== null && 'mean' in value;
}
