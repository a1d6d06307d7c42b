import { Random } from '../../data/random.ts';
import { valuesAt } from '../sampling/designs.ts';
import { modelOf, pointOf } from '../sampling/model.ts';
import type { Observation } from '../sampling/sampler.ts';
import { sobolPoint } from '../sampling/sobol.ts';
import type { Parameter } from '../space/parameter.ts';

/** Trials without which nothing can be said. */
const LEAST = 8;
/** Points that the variance is taken over. */
const POINTS = 512;

/**
 * How much of the result's variance over the space each parameter is part of: Sobol's total effects (Homma and Saltelli 1996), by
 * Jansen's estimator (1999), of the Gaussian process that the Bayesian sampler makes of the trials. They add up to more than 1
 * where parameters act together. None where there are too few trials.
 */
export function importanceOf(
  parameters: readonly Parameter[],
  trials: readonly Observation[],
): { name: string; share: number }[] {
  if (trials.length < LEAST) return [];
  const { process } = modelOf(parameters, trials, new Random(0));
  const predict = (cube: readonly number[]) =>
    process.predict(pointOf(parameters, valuesAt(parameters, cube))).mean;
  const count = parameters.length;
  const pairs = Array.from({ length: POINTS }, (_, i) => sobolPoint(i, 2 * count, 0));
  const plain = pairs.map((pair) => predict(pair.slice(0, count)));
  const mean = plain.reduce((sum, value) => sum + value, 0) / POINTS;
  const variance = plain.reduce((sum, value) => sum + (value - mean) ** 2, 0) / POINTS;
  const shares = parameters.map(({ name }, k) => {
    const changed = pairs.map((pair) => predict(pair.slice(0, count).with(k, pair[count + k]!)));
    const effect = changed.reduce((sum, value, i) => sum + (value - plain[i]!) ** 2, 0) / (2 * POINTS);
    return { name, share: variance > 0 ? effect / variance : 0 };
  });
  return shares.sort((a, b) => b.share - a.share);
}
