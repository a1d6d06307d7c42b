import { types } from 'node:util';
import { expected } from '../check.ts';
import { Dataset } from '../data/dataset.ts';
import { TorchvaeError } from '../errors.ts';
import { unshared } from '../runtime/memory.ts';
import { inputSize, type ModelSpec } from './spec.ts';

/** Values with their shape: row-major, the first extent counts the examples. */
export interface Tensor {
  data: Float32Array;
  shape: number[];
}

/** Examples as callers have them: a data set, or flat row-major values; a byte b of a Uint8Array means b/255. */
export type Examples = Dataset | Float32Array | Uint8Array;

/** What a likelihood can be asked about. */
const SUPPORT = {
  bernoulli: { kinds: ['binary', 'unit'], range: '[0, 1]' },
  gaussian: { kinds: ['binary', 'unit', 'real'], range: 'the finite numbers' },
} as const;

/** @throws TorchvaeError ERR_TYPE for what is no Dataset, ERR_SHAPE or ERR_RANGE for one that does not fit the model */
export function checkDataset(name: string, data: unknown, spec: ModelSpec): asserts data is Dataset {
  if (!(data instanceof Dataset)) throw new TorchvaeError('ERR_TYPE', expected('a Dataset', name, data));
  if (data.data.length !== data.length * data.size) {
    throw new TorchvaeError(
      'ERR_STATE',
      `The memory of ${data.name}, given for ${name}, was detached; keep what a Dataset is made of, or use Dataset.from`,
    );
  }
  const size = inputSize(spec);
  if (data.size !== size) {
    throw new TorchvaeError(
      'ERR_SHAPE',
      `Expected examples of ${size} values (shape ${spec.inputShape.join(' x ')}) for ${name} but received ` +
        `examples of ${data.size} (shape ${data.shape.join(' x ')}); give the model this inputShape, or other data`,
    );
  }
  const { kinds, range } = SUPPORT[spec.likelihood.type];
  if (!(kinds as readonly string[]).includes(data.kind)) {
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected data in ${range} for ${name}, as the ${spec.likelihood.type} likelihood needs, but received ` +
        `data of kind '${data.kind}'; scale the data, or choose another likelihood`,
    );
  }
}

/**
 * The examples as the addon takes them: whole, finite, and within the likelihood's support.
 *
 * @throws TorchvaeError ERR_TYPE, ERR_SHAPE or ERR_RANGE naming the first offending value
 */
export function checkExamples(name: string, x: unknown, spec: ModelSpec): Float32Array | Uint8Array {
  if (x instanceof Dataset) {
    checkDataset(name, x, spec);
    return x.data;
  }
  if (!types.isFloat32Array(x) && !types.isUint8Array(x)) {
    throw new TorchvaeError('ERR_TYPE', expected('a Dataset, Float32Array or Uint8Array', name, x));
  }
  const values = unshared(x);
  checkRows(name, values, inputSize(spec), 'inputShape', spec.inputShape);
  if (types.isFloat32Array(values)) {
    checkValues(
      name,
      values,
      spec.likelihood.type === 'bernoulli' ? 1 : Infinity,
      SUPPORT[spec.likelihood.type].range,
    );
  }
  return values;
}

/** @throws TorchvaeError as {@link checkExamples}; z has rows of latentSize finite values */
export function checkCodes(name: string, z: unknown, spec: ModelSpec): Float32Array {
  if (!types.isFloat32Array(z)) throw new TorchvaeError('ERR_TYPE', expected('a Float32Array', name, z));
  const values = unshared(z);
  checkRows(name, values, spec.latentSize, 'latentSize', [spec.latentSize]);
  checkValues(name, values, Infinity, SUPPORT.gaussian.range);
  return values;
}

function checkRows(
  name: string,
  x: ArrayLike<number>,
  size: number,
  field: string,
  shape: readonly number[],
): void {
  if (x.length > 0 && x.length % size === 0) return;
  throw new TorchvaeError(
    'ERR_SHAPE',
    `Expected a positive multiple of ${size} values (${field} ${shape.join(' x ')}) for ${name} but received ${x.length}`,
  );
}

/** `limit` 1 stands for [0, 1], Infinity for all finite numbers. */
function checkValues(name: string, x: Float32Array, limit: number, range: string): void {
  const low = limit === 1 ? 0 : -Number.MAX_VALUE;
  const high = limit === 1 ? 1 : Number.MAX_VALUE;
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    if (value >= low && value <= high) continue;
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected values in ${range} for ${name} but received ${value} at index ${i}`,
    );
  }
}
