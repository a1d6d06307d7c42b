import { promisify, types } from 'node:util';
import { brotliCompress, brotliDecompress, constants } from 'node:zlib';
import { checkNumber, checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { checkLabels, labelsIn } from '../model/classes.ts';
import type { Labeled } from '../model/codes.ts';
import type { Examples, Tensor } from '../model/input.ts';
import { MAX_VALUES } from '../model/output.ts';
import { sha256 } from '../sha256.ts';
import type { VAE } from '../vae.ts';
import { decodeIntegers, encodeIntegers } from './integers.ts';

/** How {@link compress} rounds. */
export interface CompressOptions extends Labeled {
  /** Distance between the values that a dimension of z is rounded to; values of z are about 1. Default 0.25. */
  step?: number;
}

/** The first bytes of every compressed file. */
const MAGIC = Buffer.from('TVZ1');
/** Bytes of the header: the mark, the model, the step, examples, dimensions. */
const HEADER = 4 + 8 + 8 + 4 + 4;

/**
 * Examples as rounded codes: the means of q(z|x), rounded to multiples of `step`, dimension by dimension, and these numbers
 * compressed by Brotli (RFC 7932), with the labels where the decoder is conditioned on them. The model's reconstruction error and the
 * rounding are lost. {@link decompress} needs the same model.
 *
 * @param x [n, ...inputShape]
 * @throws TorchvaeError ERR_STATE for a model whose codes are categories, ERR_RANGE for the step and for an example that has no code, and
 * as `VAE.encode`
 */
export async function compress(vae: VAE, x: Examples, options: CompressOptions = {}): Promise<Uint8Array> {
  const { step: given = 0.25, labels } = checkOptions('options of compress', options, ['step', 'labels']);
  const step = checkNumber('step', given, 1e-6, 1e6);
  checkCompressible(vae);
  const { mean } = await vae.encode(x, labels && { labels });
  const [rows, dimensions] = mean.shape as [number, number];
  const kept = checkLabels('x', labels ?? labelsIn('x', x, vae), vae, rows);
  const failed = mean.data.findIndex(Number.isNaN);
  if (failed >= 0) {
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected examples that can be read for x but example ${Math.floor(failed / dimensions)} has no code; leave it out`,
    );
  }
  const numbers = new Float64Array(rows * columnsOf(vae));
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < dimensions; j++) {
      numbers[j * rows + i] = Math.round(mean.data[i * dimensions + j]! / step);
    }
  }
  if (needsLabels(vae)) numbers.set(kept!, rows * dimensions);
  const body = await promisify(brotliCompress)(encodeIntegers(numbers), {
    params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 22 },
  });
  const header = Buffer.alloc(HEADER);
  MAGIC.copy(header);
  (await fingerprint(vae)).copy(header, 4);
  header.writeDoubleLE(step, 12);
  header.writeUInt32LE(rows, 20);
  header.writeUInt32LE(dimensions, 24);
  return new Uint8Array(Buffer.concat([header, body]));
}

/**
 * The examples that {@link compress} made `bytes` of, as the mean of p(x|z): [n, ...inputShape].
 *
 * @throws TorchvaeError ERR_TYPE, ERR_DATA_FORMAT for bytes that are damaged, ERR_STATE for those of another model
 */
export async function decompress(vae: VAE, bytes: Uint8Array): Promise<Tensor> {
  if (!types.isUint8Array(bytes))
    throw new TorchvaeError('ERR_TYPE', expected('a Uint8Array', 'bytes', bytes));
  const given = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (given.length < HEADER || !given.subarray(0, 4).equals(MAGIC)) {
    throw damaged(`they do not begin with ${MAGIC} and ${HEADER - 4} bytes more`);
  }
  if (!given.subarray(4, 12).equals(await fingerprint(vae))) {
    throw new TorchvaeError(
      'ERR_STATE',
      'These codes are of a model with other weights; decompress them with the one that they were compressed with',
    );
  }
  checkCompressible(vae);
  const step = given.readDoubleLE(12);
  const [rows, dimensions] = [given.readUInt32LE(20), given.readUInt32LE(24)];
  const count = rows * columnsOf(vae);
  const isWhole = dimensions === vae.spec.latentSize && rows > 0 && count <= MAX_VALUES;
  if (!isWhole || !(step >= 1e-6 && step <= 1e6)) {
    throw damaged(`they announce ${rows} codes of ${dimensions} values, in steps of ${step}`);
  }
  const numbers = decodeIntegers(await unpacked(given.subarray(HEADER), count), count);
  if (!numbers) throw damaged(`they do not hold ${count} numbers`);
  const data = new Float32Array(rows * dimensions);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < dimensions; j++) data[i * dimensions + j] = numbers[j * rows + i]! * step;
  }
  if (data.some((value) => !Number.isFinite(value))) throw damaged('they hold codes beyond all bounds');
  const codes = { data, shape: [rows, dimensions] };
  if (!needsLabels(vae)) return vae.decode(codes);
  const labels = numbers.subarray(rows * dimensions);
  const { classes } = vae.spec.condition!;
  const bad = labels.find((label) => !(label >= 0 && label < classes));
  if (bad !== undefined) throw damaged(`they hold the label ${bad}, and the model knows ${classes}`);
  return vae.decode(codes, { labels: Int32Array.from(labels) });
}

/** Numbers that an example takes: its code, and its label where decoding needs it. */
function columnsOf(vae: VAE): number {
  return vae.spec.latentSize + (needsLabels(vae) ? 1 : 0);
}

function needsLabels({ spec }: VAE): boolean {
  return spec.condition?.decoder === true;
}

/** Unpacks at most the bytes that the numbers can take: a few bytes could fill all memory. */
async function unpacked(body: Buffer, count: number): Promise<Buffer> {
  try {
    return await promisify(brotliDecompress)(body, { maxOutputLength: 8 * count });
  } catch (cause) {
    throw damaged(`they cannot be unpacked: ${(cause as Error).message}`, cause);
  }
}

function checkCompressible({ spec }: VAE): void {
  const { type } = spec.posterior;
  if (type === 'gumbel-softmax' || type === 'vector-quantized') {
    throw new TorchvaeError(
      'ERR_STATE',
      `Expected a model whose codes are real numbers, to round them, but its posterior is ${type}; train one with gaussian`,
    );
  }
}

/** A hash of the description and the weights. */
async function fingerprint(vae: VAE): Promise<Buffer> {
  const weights = [...(await vae.parameters()).values()].map(
    ({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  );
  return (await sha256([Buffer.from(JSON.stringify(vae.spec)), ...weights])).subarray(0, 8);
}

function damaged(what: string, cause?: unknown): TorchvaeError {
  return new TorchvaeError(
    'ERR_DATA_FORMAT',
    `Expected bytes that compress() made but ${what}; compress the examples again`,
    cause === undefined ? undefined : { cause },
  );
}
