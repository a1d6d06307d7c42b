import { types } from 'node:util';
import { expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { Core, Position } from './core.ts';
import type { Tensor } from './input.ts';
import { AVERAGE, isParameter, parameterValues } from './parameters.ts';

/** A tensor in the model's precision. */
interface StateTensor {
  shape: number[];
  data: Float32Array | Float64Array;
}

/** All tensors of a model, and the position in training that goes with them. */
export function readState(core: Core): Promise<{ position: Position; tensors: Map<string, StateTensor> }> {
  return core.exclusive(async () => {
    const named = core.call((addon, handle) => addon.stateTensors(handle));
    const { tensors } = await core.call((addon, handle) => addon.readState(handle));
    const position = structuredClone(core.position);
    return {
      position,
      tensors: new Map(named.map(({ name, shape }, i) => [name, { shape, data: tensors[i]! }] as const)),
    };
  });
}

/** See `VAE.parameters`. */
export async function parameters(core: Core): Promise<Map<string, Tensor>> {
  const { tensors } = await readState(core);
  const weights = [...tensors].filter(([name]) => isParameter({ name }));
  return new Map(weights.map(([name, tensor]) => [name, inFloat32(tensor)]));
}

/** As callers get weights of every model. */
function inFloat32({ shape, data }: StateTensor): Tensor {
  return { shape, data: data instanceof Float32Array ? data : Float32Array.from(data) };
}

/** See `VAE.averagedParameters`. */
export async function averagedParameters(core: Core): Promise<Map<string, Tensor>> {
  const { tensors } = await readState(core);
  const found = [...tensors].filter(([name]) => name.startsWith(AVERAGE));
  if (found.length > 0) {
    return new Map(found.map(([name, tensor]) => [name.slice(AVERAGE.length), inFloat32(tensor)]));
  }
  throw new TorchvaeError(
    'ERR_STATE',
    'This VAE keeps no average of its weights; train it with averageWeights, such as fit(data, { averageWeights: 0.999 })',
  );
}

/** See `VAE.setParameters`. */
export async function setParameters(
  core: Core,
  values: ReadonlyMap<string, Float32Array | Tensor>,
): Promise<void> {
  if (!types.isMap(values)) {
    throw new TorchvaeError('ERR_TYPE', expected('a Map from names to values', 'values', values));
  }
  const named = core.call((addon, handle) => addon.stateTensors(handle));
  const known = new Map(named.filter(isParameter).map(({ name, shape }) => [name, shape]));
  const tensors: Record<string, Float32Array> = Object.create(null);
  for (const [name, value] of values) tensors[name] = parameterValues(name, value, known);
  await core.exclusive(async () => {
    const { step } = core.position;
    await core.call((addon, handle) => addon.writeState(handle, { step, tensors }));
    core.threshold = undefined;
  });
}
