import { countOf, isActive, type Json, type Parameter, type Values, valueAt } from '../space/parameter.ts';
import type { Observation, SamplerMaker } from './sampler.ts';
import { sobolPoint } from './sobol.ts';

/** Combinations that a grid may have: more would not be trained in a lifetime, and their list would not fit in memory. */
const MAX_GRID = 1_000_000;

/** The values at a point of the unit cube, which has a coordinate for every parameter; those of inactive parameters are not used. */
export function valuesAt(parameters: readonly Parameter[], point: ArrayLike<number>): Values {
  const values: Record<string, Json> = {};
  parameters.forEach((parameter, i) => {
    if (isActive(parameter, values)) values[parameter.name] = valueAt(parameter, point[i]!);
  });
  return values;
}

/** Points of a scrambled Sobol sequence: random, but spread more evenly than independent draws. */
export const sobolSampler: SamplerMaker = (parameters, { seed }) => ({
  size: sizeOf(parameters),
  propose: (number, history) => freshPoint(parameters, number, seed, history),
});

/** How many different values there are. */
export function sizeOf(parameters: readonly Parameter[]): number {
  if (parameters.some((parameter) => countOf(parameter) > MAX_GRID)) return Number.POSITIVE_INFINITY;
  const size = combinations(parameters, MAX_GRID);
  return size > MAX_GRID ? Number.POSITIVE_INFINITY : size;
}

/** Points of the sequence that are looked at for one that is new. */
const LOOKS = 1000;

/** The values at the sequence's point of this number, or at the next whose values no trial has. */
export function freshPoint(
  parameters: readonly Parameter[],
  number: number,
  seed: number,
  history: readonly Observation[],
): Values {
  const done = new Set(history.map(({ values }) => keyOf(parameters, values)));
  const first = valuesAt(parameters, sobolPoint(number, parameters.length, seed));
  let values = first;
  for (let look = 1; look < LOOKS; look++) {
    if (!done.has(keyOf(parameters, values))) return values;
    values = valuesAt(parameters, sobolPoint(number + look, parameters.length, seed));
  }
  return first;
}

/** A text that equal values share. */
export function keyOf(parameters: readonly Parameter[], values: Values): string {
  return JSON.stringify(parameters.map(({ name }) => values[name] ?? null));
}

/** All combinations, the last parameter changing fastest; of ranges `gridPoints` values, or all where there are no more. */
export const gridSampler: SamplerMaker = (parameters, { gridPoints }) => {
  const size = combinations(parameters, gridPoints);
  return {
    size,
    propose: (number) => combinationAt(parameters, gridPoints, number % size),
  };
};

function levelsOf(parameter: Parameter, gridPoints: number): readonly Json[] {
  if (parameter.type === 'choice') return parameter.choices;
  const count = countOf(parameter);
  if (count <= gridPoints) {
    return Array.from({ length: count }, (_, i) =>
      Number((parameter.low + i * parameter.step).toPrecision(15)),
    );
  }
  // Ends included: a range that is worth a search is worth its ends.
  const places = Array.from({ length: gridPoints }, (_, i) =>
    gridPoints === 1 ? 0.5 : i / (gridPoints - 1),
  );
  return [...new Set(places.map((place) => valueAt(parameter, place)))];
}

/** The combinations of all parameters from one on, given the values of those before. */
function combinations(parameters: readonly Parameter[], gridPoints: number): number {
  return walk(parameters, gridPoints, {}, Number.POSITIVE_INFINITY).count;
}

function combinationAt(parameters: readonly Parameter[], gridPoints: number, index: number): Values {
  return walk(parameters, gridPoints, {}, index).found!;
}

/** Counts combinations until number `index`. */
function walk(
  parameters: readonly Parameter[],
  gridPoints: number,
  before: Values,
  index: number,
): { count: number; found?: Values } {
  const [parameter, ...rest] = parameters;
  if (!parameter) return index === 0 ? { count: 1, found: before } : { count: 1 };
  if (!isActive(parameter, before)) return walk(rest, gridPoints, before, index);
  let count = 0;
  for (const value of levelsOf(parameter, gridPoints)) {
    const below = walk(rest, gridPoints, { ...before, [parameter.name]: value }, index - count);
    count += below.count;
    if (below.found) return { count, found: below.found };
    if (count > MAX_GRID) break;
  }
  return { count };
}
