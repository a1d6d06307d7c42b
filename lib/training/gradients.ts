import type { Core } from '../model/core.ts';
import { type NoiseOptions, readWithNoise } from '../model/densities.ts';
import type { Examples, Tensor } from '../model/input.ts';
import { checkFinite } from '../model/output.ts';
import { weightsAt } from './schedule.ts';

/** The mean losses of one batch and their gradients. */
export interface Gradients {
  /** What the objective minimizes, in nats. */
  loss: number;
  reconstruction: number;
  kl: number;
  /** The objective's further terms, by their names. */
  terms: Record<string, number>;
  /** For each parameter a gradient of its shape. */
  gradients: Map<string, Tensor>;
}

/** See `VAE.gradients`. */
export async function gradients(core: Core, x: Examples, options: NoiseOptions): Promise<Gradients> {
  const { values, noise, labels } = readWithNoise(core, 'gradients', x, options);
  const schedule = Float64Array.from([0, ...weightsAt(core.spec, Infinity)]);
  const result = await core.call((addon, handle) => addon.gradients(handle, values, noise, schedule, labels));
  const named = core.call((addon, handle) => addon.stateTensors(handle));
  result.gradients.forEach((gradient, i) => {
    checkFinite(`gradient of ${named[i]!.name}`, gradient);
  });
  return {
    loss: result.loss / result.examples,
    reconstruction: result.reconstruction / result.examples,
    kl: result.kl / result.examples,
    terms: Object.fromEntries(core.termNames.map((name, i) => [name, result.terms[i]! / result.examples])),
    gradients: new Map(
      result.gradients.map((data, i) => [named[i]!.name, { data, shape: named[i]!.shape }] as const),
    ),
  };
}
