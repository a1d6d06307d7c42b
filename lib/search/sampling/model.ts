import type { Random } from '../../data/random.ts';
import { isSame, type Parameter, placeOf, type Values } from '../space/parameter.ts';
import { type Coordinate, GaussianProcess } from './gaussian-process.ts';
import type { Observation } from './sampler.ts';
import { targetsOf } from './targets.ts';

/** Trials that the process is conditioned on: the cost grows with the third power. */
const MOST_POINTS = 256;

/** What finished trials say of the rest of the space. */
export interface Model {
  process: GaussianProcess;
  /** The trials that it is made of, and their targets. */
  points: Float64Array[];
  targets: Float64Array;
  /** The completed trials among them, from the best. */
  ranked: Values[];
}

/** A Gaussian process of finished trials; of many, the best. */
export function modelOf(
  parameters: readonly Parameter[],
  finished: readonly Observation[],
  random: Random,
): Model {
  const coordinates = parameters.map(({ type }): Coordinate => (type === 'choice' ? 'unordered' : 'ordered'));
  const all = targetsOf(finished, random);
  const kept = [...all.keys()]
    .sort((a, b) => all[a]! - all[b]!)
    .slice(0, MOST_POINTS)
    .sort((a, b) => a - b);
  const points = kept.map((i) => pointOf(parameters, finished[i]!.values));
  const targets = Float64Array.from(kept, (i) => all[i]!);
  const ranked = [...kept]
    .filter((i) => finished[i]!.state === 'complete')
    .sort((a, b) => all[a]! - all[b]!)
    .map((i) => finished[i]!.values);
  return { process: GaussianProcess.fit(points, targets, coordinates), points, targets, ranked };
}

/** Places of ordered parameters and numbers of choices, as the process takes them. */
export function pointOf(parameters: readonly Parameter[], values: Values): Float64Array {
  return Float64Array.from(parameters, (parameter) => {
    const value = values[parameter.name];
    if (value === undefined) return parameter.type === 'choice' ? -1 : 0.5;
    return parameter.type === 'choice'
      ? parameter.choices.findIndex((choice) => isSame(choice, value))
      : placeOf(parameter, value);
  });
}
