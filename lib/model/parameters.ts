import { types } from 'node:util';
import { expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { StateTensor } from '../runtime/native.ts';
import { type Checkpoint, damaged } from './checkpoint.ts';
import { checkTensorShape, isTensor, type Tensor } from './input.ts';

/** What the names of averaged weights begin with. */
export const AVERAGE = 'average.';

/** Whether this is a tensor of weights, not the optimizer's or the average of one. */
export function isParameter({ name }: { name: string }): boolean {
  return !name.startsWith('optimizer.') && !name.startsWith(AVERAGE);
}

/** Whether an average is kept of this tensor, where one is: not of an opponent, nor of running statistics and codebooks. */
function isAveragedParameter({ name, isTrained }: StateTensor): boolean {
  return isParameter({ name }) && isTrained && !name.startsWith('adversary.');
}

/** A copy of the caller's values for one parameter, since they are used later. */
export function parameterValues(
  name: string,
  value: Float32Array | Tensor,
  known: ReadonlyMap<string, readonly number[]>,
): Float32Array {
  const shape = known.get(name);
  if (!shape) {
    throw new TorchvaeError(
      'ERR_SHAPE',
      expected(`one of ${[...known.keys()].join(', ')}`, 'a parameter', name),
    );
  }
  const argument = `the parameter ${name}`;
  const data = isTensor(value) ? value.data : value;
  if (!types.isFloat32Array(data)) {
    throw new TorchvaeError('ERR_TYPE', expected('a Float32Array', argument, data));
  }
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (data.length !== size) throw new TorchvaeError('ERR_SHAPE', expected(`${size} values`, argument, data));
  if (isTensor(value)) checkTensorShape(argument, value, shape);
  const copy = new Float32Array(data);
  const bad = copy.findIndex((number) => !Number.isFinite(number));
  if (bad < 0) return copy;
  throw new TorchvaeError('ERR_RANGE', expected('finite values', `${argument} at ${bad}`, copy[bad]));
}

/** @throws TorchvaeError ERR_CHECKPOINT unless the file has as many weights as the model that its spec describes */
export function checkWeights(
  path: string,
  plan: readonly StateTensor[],
  tensors: Checkpoint['tensors'],
): void {
  const size = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);
  const wanted = plan.reduce((sum, { shape }) => sum + size(shape), 0);
  let weights = 0;
  for (const [name, { data }] of tensors) if (isParameter({ name })) weights += data.length;
  if (weights === wanted) return;
  throw damaged(path, `Expected ${wanted} weights, as its spec says, but its tensors have ${weights}`);
}

/** The checkpoint's tensors as the model wants them: these names, these shapes, and no others. */
export function tensorsFor(
  named: readonly StateTensor[],
  tensors: Checkpoint['tensors'],
  path: string,
): Record<string, Float32Array | Float64Array> {
  const values: Record<string, Float32Array | Float64Array> = Object.create(null);
  const weights = named.filter(isAveragedParameter);
  const isAveraged = weights.some(({ name }) => tensors.has(AVERAGE + name));
  const averages = isAveraged ? weights.map(({ name, shape }) => ({ name: AVERAGE + name, shape })) : [];
  for (const { name, shape } of [...named, ...averages]) {
    const tensor = tensors.get(name);
    if (tensor?.shape.join() !== shape.join()) {
      const came = tensor ? `it has shape ${tensor.shape.join(' x ')}` : 'there is none';
      throw damaged(path, `Expected a tensor ${name} of shape ${shape.join(' x ')} but ${came}`);
    }
    values[name] = tensor.data;
  }
  const strange = [...tensors.keys()].find((name) => !(name in values));
  if (strange === undefined) return values;
  throw damaged(path, `Its spec has no tensor ${strange}`);
}
