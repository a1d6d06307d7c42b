import { derivedSeed, Random } from '../../data/random.ts';
import { countOf, isActive, type Json, type Parameter, placeOf, type Values } from '../space/parameter.ts';
import { freshPoint, keyOf, sizeOf, valuesAt } from './designs.ts';
import { logExpectedImprovement } from './improvement.ts';
import { modelOf, pointOf } from './model.ts';
import type { Observation, Sampler, SamplerMaker } from './sampler.ts';
import { sobolPoint } from './sobol.ts';

/** Trials before there is a model. */
const FIRST = 6;
/** Variations of good trials, of which the most promising is taken, and the size of their steps. */
const VARIATIONS = 8;
const VARIATION = 0.25;
/** Points of Sobol's sequence at which a search for the best improvement begins. */
const CANDIDATES = 512;
/** The best of them from which it goes on, and its steps from each. */
const CLIMBERS = 6;
const STEPS = 80;

/**
 * Bayesian optimization: a Gaussian process of the finished trials, and the point whose expected improvement is greatest. It begins
 * with a few points of the scrambled Sobol sequence. Every other trial takes the most promising of a few variations of good trials: where
 * results are rugged, the point of the greatest improvement stays in one place for too long. Trials under way count as if they had
 * come out as predicted, so that workers do not try the same (Ginsbourger et al. 2010). Choices are compared by whether they are the same, inactive
 * parameters lie in the middle of their range.
 */
export const bayesianSampler: SamplerMaker = (parameters, { seed }): Sampler => ({
  size: sizeOf(parameters),
  propose(number, history) {
    const random = new Random(derivedSeed(seed, number + 1));
    const known = history.filter(({ values }) => fits(parameters, values));
    const finished = known.filter(({ state }) => state !== 'running');
    const isBegun = finished.length >= FIRST && finished.some(({ state }) => state === 'complete');
    if (!isBegun) return freshPoint(parameters, number, seed, history);
    return best(parameters, known, random);
  },
});

/** Whether the values are of this space, which those of a trial that another program added need not be. */
function fits(parameters: readonly Parameter[], values: Values): boolean {
  return parameters.every((parameter) => !isActive(parameter, values) || parameter.name in values);
}

function best(parameters: readonly Parameter[], known: readonly Observation[], random: Random): Values {
  const model = modelOf(
    parameters,
    known.filter(({ state }) => state !== 'running'),
    random,
  );
  const { points, targets, ranked } = model;
  let { process } = model;
  const running = known
    .filter(({ state }) => state === 'running')
    .map(({ values }) => pointOf(parameters, values));
  if (running.length > 0) {
    const believed = running.map((point) => process.predict(point).mean);
    process = process.extended([...points, ...running], Float64Array.from([...targets, ...believed]));
  }
  // What the process believes of the best trial: a value that noise made low is not waited for.
  const target = Math.min(...points.map((point) => process.predict(point).mean));
  return maximize(parameters, random, known, ranked, (values) =>
    logExpectedImprovement(target, process.predict(pointOf(parameters, values))),
  );
}

/** Coordinates of the unit cube that give these values. */
function cubeOf(parameters: readonly Parameter[], values: Values): number[] {
  return parameters.map((parameter) => {
    const value: Json | undefined = values[parameter.name];
    return value === undefined ? 0.5 : placeOf(parameter, value);
  });
}

/** The values with the highest score, by steps that shrink from the best of many points; trials that have been are left out. */
function maximize(
  parameters: readonly Parameter[],
  random: Random,
  known: readonly Observation[],
  ranked: readonly Values[],
  scoreOf: (values: Values) => number,
): Values {
  const done = new Set(known.map(({ values }) => keyOf(parameters, values)));
  const tried = (cube: readonly number[]) => {
    const values = valuesAt(parameters, cube);
    const isNew = !done.has(keyOf(parameters, values));
    return { cube, values, score: isNew ? scoreOf(values) : Number.NEGATIVE_INFINITY };
  };
  const complete = ranked.map((values) => cubeOf(parameters, values));
  if (known.length % 2 === 1) {
    const good = complete.slice(0, Math.max(3, Math.ceil(complete.length / 4)));
    const varied = Array.from({ length: VARIATIONS }, () =>
      tried(moved(good[random.below(good.length)]!, VARIATION, random, parameters)),
    ).reduce((one, other) => (other.score > one.score ? other : one));
    if (varied.score > Number.NEGATIVE_INFINITY) return varied.values;
  }
  const seed = random.uint32();
  const count = Math.min(CANDIDATES, 4 * parameters.reduce((product, each) => product * countOf(each), 1));
  const starts = Array.from({ length: count }, (_, i) => tried(sobolPoint(i, parameters.length, seed)));
  const sorted = starts.sort((a, b) => b.score - a.score).slice(0, CLIMBERS);
  const bestTrials = complete.slice(0, 2).map(tried);
  let found = sorted[0]!;
  for (const start of [...sorted, ...bestTrials]) {
    let here = start;
    for (let step = 0; step < STEPS; step++) {
      const next = tried(moved(here.cube, 0.3 * 0.93 ** step, random, parameters));
      if (next.score > here.score) here = next;
    }
    if (here.score > found.score) found = here;
  }
  return found.values;
}

/** A step along some coordinates, one at least; choices are drawn anew. */
function moved(
  cube: readonly number[],
  size: number,
  random: Random,
  parameters: readonly Parameter[],
): number[] {
  const certain = random.below(cube.length);
  return cube.map((place, i) => {
    if (i !== certain && random.uniform() > 0.4) return place;
    if (parameters[i]!.type === 'choice') return random.uniform();
    return Math.min(1, Math.max(0, place + size * random.normal()));
  });
}
