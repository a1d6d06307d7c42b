import { types } from 'node:util';
import { expected } from '../check.ts';
import { Dataset, type DatasetOptions } from '../data/dataset.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import { TorchvaeError } from '../errors.ts';
import { unshared } from '../runtime/memory.ts';
import { checkLabels, type Labeling, type Labels } from './classes.ts';
import { invalidOf, refuseInvalid } from './invalid.ts';
import { FINITE, type Support, support } from './parts/likelihoods.ts';
import { inputSize, latentCodeSize, type ModelSpec } from './spec.ts';

/** Values with their shape: row-major, the first extent counts the examples. */
export interface Tensor {
  data: Float32Array;
  shape: number[];
}

/**
 * Examples as callers have them: a data set, a {@link Tensor} of shape [n, ...inputShape] such as `VAE.sample` gives, or flat
 * row-major values; a byte b of a Uint8Array means b/255.
 */
export type Examples = Dataset | Tensor | Float32Array | Uint8Array;

/** Whether `value` looks like a {@link Tensor}. */
export function isTensor(value: unknown): value is Tensor {
  return typeof value === 'object' && value !== null && 'data' in value && 'shape' in value;
}

/** @throws TorchvaeError ERR_SHAPE */
export function checkTensorShape(name: string, { shape }: Tensor, wanted: readonly number[]): void {
  if (Array.isArray(shape) && shape.join() === wanted.join()) return;
  const came = Array.isArray(shape) ? `shape ${shape.join(' x ')}` : String(shape);
  throw new TorchvaeError(
    'ERR_SHAPE',
    `Expected shape ${wanted.join(' x ')} for ${name} but received ${came}`,
  );
}

/** @throws TorchvaeError ERR_TYPE unless `data` is a Dataset, ERR_SHAPE or ERR_RANGE for one that does not fit the model */
export function checkDataset(name: string, data: unknown, spec: ModelSpec): asserts data is Dataset {
  checkUnlabeled(name, data, spec);
  checkClasses(name, data, spec);
  checkLabels(name, data.labels, { spec }, data.length);
}

/** @throws TorchvaeError ERR_RANGE for data of more classes than the model has, of which an example may be */
function checkClasses(name: string, { labels, classes, length }: Dataset, { condition }: ModelSpec): void {
  if (!condition || !classes || !labels || classes.length <= condition.classes) return;
  const example = labels.findIndex((label) => label >= condition.classes);
  if (example < 0 || example >= length) return;
  throw new TorchvaeError(
    'ERR_RANGE',
    `Expected at most ${condition.classes} classes for ${name}, as the model's condition has, but example ${example} is of class ` +
      `${JSON.stringify(classes[labels[example]!])}, and the data have ${classes.length}; set condition.classes to that, or leave such examples out`,
  );
}

/** @throws TorchvaeError as {@link checkDataset}, but for labels */
function checkUnlabeled(name: string, data: unknown, spec: ModelSpec): asserts data is Dataset {
  if (!(data instanceof Dataset)) throw new TorchvaeError('ERR_TYPE', expected('a Dataset', name, data));
  if (data.data.length !== data.length * data.size) {
    throw new TorchvaeError(
      'ERR_STATE',
      `The memory of ${data.name}, given for ${name}, was detached; keep what a Dataset is made of, or use Dataset.from`,
    );
  }
  refuseInvalid(name, data.name, invalidOf(data));
  checkFits(name, data, spec);
}

/**
 * @throws TorchvaeError as {@link checkDataset}, also for a stream that does not fit the model; its labels are looked at when they
 * are read
 */
export function checkData(
  name: string,
  data: unknown,
  spec: ModelSpec,
): asserts data is Dataset | StreamedDataset {
  if (!(data instanceof StreamedDataset)) {
    checkDataset(name, data, spec);
    return;
  }
  checkFits(name, data, spec);
  if (!data.hasLabels) checkLabels(name, undefined, { spec }, data.length);
}

/** @throws TorchvaeError ERR_SHAPE for examples of another size */
export function checkSize(name: string, data: Dataset | StreamedDataset, spec: ModelSpec): void {
  const size = inputSize(spec);
  if (data.size === size) return;
  throw new TorchvaeError(
    'ERR_SHAPE',
    `Expected examples of ${size} values (shape ${spec.inputShape.join(' x ')}) for ${name} but received ` +
      `examples of ${data.size} (shape ${data.shape.join(' x ')}); give the model this inputShape, or other data`,
  );
}

function checkFits(name: string, data: Dataset | StreamedDataset, spec: ModelSpec): void {
  checkSize(name, data, spec);
  const { high, isWhole } = support(spec.likelihood);
  if (isWhole) {
    if (data.kind !== 'categorical')
      refuseData(name, spec, `data of kind '${data.kind}'`, 'make tokens of them (TextSchema)');
    // Those of a stream are looked at when they are read.
    if (data instanceof Dataset) checkTokens(name, largestOf(data), spec);
  } else if (high === 1 && (data.kind === 'real' || data.kind === 'categorical')) {
    refuseData(name, spec, `data of kind '${data.kind}'`, 'scale the data');
  }
}

/** @throws TorchvaeError ERR_RANGE if the largest value is beyond those of a likelihood of whole numbers */
export function checkTokens(name: string, largest: number, spec: ModelSpec): void {
  const { high, isWhole } = support(spec.likelihood);
  if (isWhole && largest > high) refuseData(name, spec, `the token ${largest}`, 'enlarge its vocabulary');
}

function refuseData(name: string, { likelihood }: ModelSpec, came: string, way: string): never {
  const { range } = support(likelihood);
  throw new TorchvaeError(
    'ERR_RANGE',
    `Expected data in ${range} for ${name}, as the ${likelihood.type} likelihood needs, but received ${came}; ${way}, or choose ` +
      'another likelihood',
  );
}

/** The largest value of each data set. A data set never changes, so it is scanned once. */
const largest = new WeakMap<Dataset, number>();

function largestOf(data: Dataset): number {
  let found = largest.get(data);
  if (found === undefined) {
    found = largestIn(data.data);
    largest.set(data, found);
  }
  return found;
}

/** The largest value, or 0. */
export function largestIn(values: Float32Array | Uint8Array): number {
  let found = 0;
  for (const value of values) if (value > found) found = value;
  return found;
}

/**
 * The examples as the addon takes them: whole, finite, and within the likelihood's support; those of a data set with
 * dynamic binarization drawn from `seed`. Labels are left to {@link checkLabels}: they may come from elsewhere.
 *
 * @throws TorchvaeError ERR_TYPE, ERR_SHAPE or ERR_RANGE naming the first offending value
 */
export function checkExamples(
  name: string,
  x: unknown,
  spec: ModelSpec,
  seed = 0,
): Float32Array | Uint8Array {
  return checkEach(name, x, spec, seed, checkValues);
}

/** @param check of values that are given as they are */
function checkEach(
  name: string,
  x: unknown,
  spec: ModelSpec,
  seed: number,
  check: (name: string, values: Float32Array, supported: Support) => void,
): Float32Array | Uint8Array {
  if (x instanceof Dataset) {
    checkUnlabeled(name, x, spec);
    return x.drawn(seed);
  }
  const given: unknown = isTensor(x) ? x.data : x;
  if (!types.isFloat32Array(given) && !types.isUint8Array(given)) {
    throw new TorchvaeError('ERR_TYPE', expected('a Dataset, Tensor, Float32Array or Uint8Array', name, x));
  }
  const values = unshared(given);
  const size = inputSize(spec);
  checkRows(name, values, size, 'inputShape', spec.inputShape);
  if (isTensor(x)) checkTensorShape(name, x, [values.length / size, ...spec.inputShape]);
  const supported = support(spec.likelihood);
  if (types.isFloat32Array(values)) check(name, values, supported);
  else if (supported.isWhole) {
    throw new TorchvaeError(
      'ERR_TYPE',
      expected('a Float32Array, since the bytes of a Uint8Array mean pixels,', name, values),
    );
  }
  return values;
}

/**
 * Examples as a data set, of which some may be invalid. A Dataset without other labels is returned as it is; values are not copied. `labels`
 * replace those of a data set.
 *
 * @throws TorchvaeError as {@link checkExamples} and {@link checkLabels}
 */
export function asDataset(
  name: string,
  x: Examples,
  model: Labeling & { readonly spec: ModelSpec },
  labels?: Labels,
): Dataset {
  if (x instanceof Dataset && labels === undefined) return x;
  const { spec } = model;
  const base = x instanceof Dataset ? x : datasetOf(checkEach(name, x, spec, 0, checkFiniteOnes), spec);
  const own = checkLabels(name, labels ?? base.labels, model, base.length);
  return own ? new Dataset({ ...base, labels: own } as DatasetOptions) : base;
}

function datasetOf(data: Float32Array | Uint8Array, { inputShape, likelihood }: ModelSpec): Dataset {
  const { high, isWhole } = support(likelihood);
  const kind = isWhole ? 'categorical' : high === 1 || types.isUint8Array(data) ? 'unit' : 'real';
  return new Dataset({ shape: inputShape, kind, data });
}

/**
 * The values of examples, whatever model they are of, as the addon takes them; with dynamic binarization drawn from seed 0.
 *
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE for a value that is not finite
 */
export function checkFiniteValues(name: string, x: Examples): Float32Array | Uint8Array {
  const values: unknown = x instanceof Dataset ? x.drawn(0) : ArrayBuffer.isView(x) ? x : x?.data;
  if (!types.isFloat32Array(values) && !types.isUint8Array(values)) {
    throw new TorchvaeError('ERR_TYPE', expected('a Dataset, Tensor, Float32Array or Uint8Array', name, x));
  }
  const own = unshared(values);
  if (types.isFloat32Array(own)) checkValues(name, own, FINITE);
  return own;
}

/** @throws TorchvaeError as {@link checkExamples}; z has rows of finite values */
export function checkCodes(name: string, z: unknown, spec: ModelSpec): Float32Array {
  if (!types.isFloat32Array(z)) throw new TorchvaeError('ERR_TYPE', expected('a Float32Array', name, z));
  const values = unshared(z);
  const size = latentCodeSize(spec);
  checkRows(name, values, size, 'latentSize', [size]);
  checkValues(name, values, FINITE);
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

/** Whether a likelihood is defined for a value. */
export function supports({ low, high, isWhole }: Support, value: number): boolean {
  return value >= low && value <= high && (!isWhole || Number.isInteger(value));
}

function checkValues(name: string, x: Float32Array, supported: Support): void {
  refuseValue(
    name,
    x,
    x.findIndex((value) => !supports(supported, value)),
    supported,
  );
}

/** The same for values of which some may be NaN or infinite. */
function checkFiniteOnes(name: string, x: Float32Array, supported: Support): void {
  const i = x.findIndex((value) => Number.isFinite(value) && !supports(supported, value));
  refuseValue(name, x, i, supported);
}

function refuseValue(name: string, x: Float32Array, i: number, supported: Support): void {
  if (i < 0) return;
  throw new TorchvaeError(
    'ERR_RANGE',
    `Expected values in ${supported.range} for ${name} but received ${x[i]} at index ${i}`,
  );
}
