import { derivedSeed, Random } from '../data/random.ts';
import { BoundedNormal } from '../data/tables/bounded-normal.ts';
import { type Field, type NumericField, widthOf } from '../data/tables/fields.ts';
import type { TableSchema } from '../data/tables/schema.ts';
import type { Core } from './core.ts';
import { support } from './parts/likelihoods.ts';
import { readState } from './state.ts';

/** The least chance of a number other than 0 that its mean is divided by: errors of the model are then no more than fifty times as large. */
const LEAST_CHANCE = 0.02;

/**
 * Makes rows that a table can have of draws from p(x|z), in place. Categories are drawn by their means, which are the chances that
 * the model gives them: the largest of a group with a normal's noise on it would come up too often where it is rare. Numbers and dates
 * keep the mean and the deviation of p(x|z) within the bounds of the training rows.
 *
 * @param draws [rows, ...inputShape]
 * @param means of p(x|z) at the same z
 */
export async function drawRows(
  core: Core,
  schema: TableSchema,
  draws: Float32Array,
  means: Float32Array,
  seed: number,
): Promise<void> {
  const deviations = await deviationsOf(core);
  const random = new Random(derivedSeed(seed, 1));
  const numbers = new Map<number, BoundedNormal>();
  const areChances = support(core.spec.likelihood).high === 1;
  // A Laplace density gives medians.
  const hasMeans = core.spec.likelihood.type !== 'laplace';
  const { dimensions } = core;
  for (let row = 0; row < draws.length; row += dimensions) {
    let at = 0;
    while (at < dimensions) {
      for (const field of schema.fields) {
        const width = widthOf(field);
        const [drawn, mean] = [draws, means].map((values) => values.subarray(row + at, row + at + width));
        if (field.type === 'categorical')
          drawCategory(drawn!, areChances ? mean! : nearestChances(mean!), field.usual, random);
        else if (field.type === 'numeric' && drawZero(field, drawn!, mean!, random)) drawn![0] = 0;
        else if (deviations) {
          // Rows that are 0 have no deviation, but are among those that it was learned from.
          const wider = field.type === 'numeric' ? 1 / Math.sqrt(1 - (field.zeros ?? 0)) : 1;
          let normal = numbers.get(at);
          if (!normal) {
            normal = new BoundedNormal(boundsOf(field), wider * deviations[at % deviations.length]!);
            numbers.set(at, normal);
          }
          const center = hasMeans ? meanOf(field, mean!) : mean![0]!;
          const draw = center + wider * (drawn![0]! - mean![0]!);
          drawn![0] = normal.draw(center, draw, random);
        }
        at += width;
      }
    }
  }
}

/**
 * The mean of a number that is not 0. Where zeros are kept apart the model gives that of all rows at this z, with 0 for those that are 0, which is
 * the smaller the likelier these are.
 */
function meanOf(field: Field, [mean, zero]: Float32Array): number {
  if (field.type !== 'numeric' || field.zeros === undefined) return mean!;
  return mean! / Math.min(1, Math.max(LEAST_CHANCE, 1 - zero!));
}

/** Of a column whose zeros are kept apart: draws whether it is 0, and puts that down. */
function drawZero({ zeros }: NumericField, into: Float32Array, means: Float32Array, random: Random): boolean {
  if (zeros === undefined) return false;
  const isZero = random.uniform() < means[1]!;
  into[1] = isZero ? 1 : 0;
  return isZero;
}

/** A 1 in the place that is drawn, 0 in the others. */
function drawCategory(into: Float32Array, chances: Float32Array, usual: number, random: Random): void {
  let left = random.uniform() * chances.reduce((sum, chance) => sum + chance, 0);
  const found = chances.findIndex((chance) => {
    left -= chance;
    return left < 0;
  });
  into.fill(0)[found < 0 ? usual : found] = 1;
}

/**
 * The chances that lie nearest to the means of a normal, which are chances with errors to both sides: means less what makes those above 0 add
 * up to 1 (Duchi et al. 2008). Of many rare categories, the means that happen to lie above 0 alone would add up to far too much.
 */
export function nearestChances(means: Float32Array): Float32Array {
  const falling = Float32Array.from(means).sort().reverse();
  let [sum, less] = [0, 0];
  for (const [i, mean] of falling.entries()) {
    sum += mean;
    const wanted = (sum - 1) / (i + 1);
    if (mean <= wanted) break;
    less = wanted;
  }
  return means.map((mean) => Math.max(0, mean - less));
}

/** The bounds of a number or a date as an example holds it. */
function boundsOf(field: Exclude<Field, { type: 'categorical' }>) {
  const { center, scale, min, max } = field;
  const decimals = field.type === 'numeric' ? field.decimals : undefined;
  return {
    min: (min - center) / scale,
    max: (max - center) / scale,
    ...(decimals !== undefined && { step: 10 ** -decimals / scale }),
    ...(field.values && { values: field.values.map((value) => (value - center) / scale) }),
  };
}

/**
 * The standard deviation of p(x|z), for each value of an example or for all; undefined where it is another for each z, or p(x|z) has no
 * values beyond the bounds.
 */
async function deviationsOf(core: Core): Promise<Float64Array | undefined> {
  const { likelihood } = core.spec;
  if (likelihood.type === 'squared-error') return Float64Array.of(Math.SQRT1_2);
  if (likelihood.type !== 'gaussian' && likelihood.type !== 'laplace') return undefined;
  // The variance of a Laplace density is 2 b^2.
  const factor = likelihood.type === 'laplace' ? Math.SQRT2 : 1;
  if (likelihood.scale === 'fixed') return Float64Array.of(factor * likelihood.sigma);
  if (likelihood.scale === 'predicted') return undefined;
  const { tensors } = await readState(core);
  return Float64Array.from(tensors.get('likelihood.logSigma')!.data, (log) => factor * Math.exp(log));
}
