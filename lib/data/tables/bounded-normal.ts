import type { Random } from '../random.ts';

/** The values that a column can have. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
  /** The distance of one value to the next, where the column has decimals of a fixed number. */
  readonly step?: number | undefined;
  /** All values, in their order, where the column has no others. */
  readonly values?: readonly number[] | undefined;
}

/** Deviations beyond which a normal has no weight that matters. */
const REACH = 4;
/** Of the values that are looked at around a mean. */
const WINDOW = 8;
/** Steps in a deviation from which rounding widens a normal by less than 0.3%. */
const FINE = 4;
/** Values in a window, and the cells that stand for more. */
const MOST_VALUES = 512;
const CELLS = 256;
/** The share of the largest variance that a mean between two values allows, from which the values are these two. */
const MOST = 0.999;
/** Of Newton's method. */
const ROUNDS = 60;

/** Values and the running sum of their chances. */
interface Weighted {
  /** [values]. */
  readonly values: Float64Array;
  /** [values]; the last is 1. */
  readonly sums: Float64Array;
  /** The width of the cell around each value, over which a draw is spread; 0 for values that are meant. */
  readonly width: number;
}

/**
 * Draws the values of a bounded column where a model says how its mean and deviation are. A normal reaches beyond the bounds: if what lies
 * there is moved onto them, draws have too small a deviation and come too often at the ends. So these are drawn from the distribution of
 * greatest entropy on the values of the column that has this mean and deviation, exp(a x + b x^2) with the a and b that solve it, which is the
 * normal itself where no bound is near.
 */
export class BoundedNormal {
  readonly #bounds: Bounds;
  readonly #deviation: number;
  /** By the side of the bounds, and the place of the mean on it. */
  readonly #solved: [low: Map<number, Weighted>, high: Map<number, Weighted>] = [new Map(), new Map()];

  constructor(bounds: Bounds, deviation: number) {
    this.#bounds = bounds;
    this.#deviation = deviation;
  }

  /** @param draw of the normal with this mean and deviation */
  draw(mean: number, draw: number, random: Random): number {
    const { min, max, step, values: listed } = this.#bounds;
    if (mean <= min) return min;
    if (mean >= max) return max;
    if (listed) {
      const { values, sums } = this.#around(mean, random);
      return values[placeOf(sums, random.uniform())]!;
    }
    const reach = REACH * this.#deviation;
    const isInside = mean - reach >= min && mean + reach <= max;
    if (isInside && (step === undefined || this.#deviation >= FINE * step)) return draw;
    if (this.#deviation ** 2 >= MOST * (mean - min) * (max - mean)) return this.#byMean(mean, random);
    const { values, sums, width } = this.#around(mean, random);
    const value = values[placeOf(sums, random.uniform())]!;
    return width === 0 ? value : this.#onStep(value + width * (random.uniform() - 0.5));
  }

  /** A draw where no distribution on the bounds has so large a deviation: of those with this mean, the one of greatest entropy. */
  #byMean(mean: number, random: Random): number {
    const { min, max, step } = this.#bounds;
    const isLow = mean - min <= max - mean;
    const distance = isLow ? mean - min : max - mean;
    const share = random.uniform();
    const from =
      step === undefined
        ? fallingDraw(distance, max - min, share)
        : step * fallingSteps(distance / step, Math.round((max - min) / step), share);
    return isLow ? min + from : max - from;
  }

  #onStep(value: number): number {
    const { min, step } = this.#bounds;
    return step === undefined ? value : min + step * Math.round((value - min) / step);
  }

  /**
   * The distribution at one of the means for which it is solved: the one before or the one after, drawn so that the mean is kept. They lie
   * a quarter of a deviation apart, and ever closer towards the bounds, where the distribution changes with the distance to these.
   */
  #around(mean: number, random: Random): Weighted {
    const { min, max } = this.#bounds;
    const isLow = mean - min <= max - mean;
    const distance = isLow ? mean - min : max - mean;
    const near = REACH * this.#deviation;
    const place =
      distance < near ? 4 * REACH * Math.log(distance / near) : (distance - near) / (this.#deviation / 4);
    const node = Math.floor(place + random.uniform());
    const solved = this.#solved[isLow ? 0 : 1];
    let weighted = solved.get(node);
    if (!weighted) {
      const from = node < 0 ? near * Math.exp(node / (4 * REACH)) : near + (node * this.#deviation) / 4;
      weighted = this.#solve(isLow ? Math.min(max, min + from) : Math.max(min, max - from));
      solved.set(node, weighted);
    }
    return weighted;
  }

  #solve(mean: number): Weighted {
    const { values, width } = this.#valuesAround(mean);
    const variance = this.#deviation ** 2;
    const [low, high] = [values[0]!, values.at(-1)!];
    if (variance >= MOST * (mean - low) * (high - mean))
      return this.#bounds.values ? tilted(values, mean) : twoOf(low, high, mean);
    // Between two whole numbers lies none that would be nearer to the mean.
    const below = values.findLast((value) => value <= mean)!;
    const above = values.find((value) => value >= mean)!;
    if (width === 0 && variance <= 1.001 * (mean - below) * (above - mean)) return twoOf(below, above, mean);
    return { values, sums: runningSums(matching(values, mean, variance)), width };
  }

  #valuesAround(mean: number): { values: Float64Array; width: number } {
    const { min, max, step, values: listed } = this.#bounds;
    if (listed) return { values: Float64Array.from(listed), width: 0 };
    const isWide = 32 * this.#deviation > max - min;
    const reach = Math.max(WINDOW * this.#deviation, 1.5 * (step ?? 0));
    const [low, high] = isWide ? [min, max] : [Math.max(min, mean - reach), Math.min(max, mean + reach)];
    if (step !== undefined && (high - low) / step < MOST_VALUES) {
      const [first, last] = [Math.ceil((low - min) / step - 1e-6), Math.floor((high - min) / step + 1e-6)];
      return {
        values: Float64Array.from({ length: last - first + 1 }, (_, i) => min + (first + i) * step),
        width: 0,
      };
    }
    const width = (high - low) / CELLS;
    return { values: Float64Array.from({ length: CELLS }, (_, i) => low + (i + 0.5) * width), width };
  }
}

/** Of the distributions on these values that have this mean, the one of greatest entropy: chances in proportion to exp(rate x). */
function tilted(values: Float64Array, mean: number): Weighted {
  const [least, most] = [values[0]!, values.at(-1)!];
  const chancesAt = (rate: number) => {
    const weights = values.map((value) => Math.exp(rate * (value - (rate > 0 ? most : least))));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return weights.map((weight) => weight / sum);
  };
  let [low, high] = [-1e3 / (mean - least), 1e3 / (most - mean)];
  for (let round = 0; round < 60; round++) {
    const middle = (low + high) / 2;
    const found = chancesAt(middle).reduce((sum, chance, i) => sum + chance * values[i]!, 0);
    if (found < mean) low = middle;
    else high = middle;
  }
  return { values, sums: runningSums(chancesAt((low + high) / 2)), width: 0 };
}

/** The place of this share in a density on [0, length] that falls exponentially and has this mean, at most half of the length. */
function fallingDraw(mean: number, length: number, share: number): number {
  const rate = rateOf((rate) => 1 / rate - length / Math.expm1(rate * length), mean);
  if (rate * length < 1e-6) return share * length;
  return -Math.log1p(share * Math.expm1(-rate * length)) / rate;
}

/** The same of whole numbers from 0 to `most`. */
function fallingSteps(mean: number, most: number, share: number): number {
  const count = most + 1;
  const rate = rateOf((rate) => 1 / Math.expm1(rate) - count / Math.expm1(rate * count), mean);
  const place = rate * count < 1e-6 ? share * count : -Math.log1p(share * Math.expm1(-rate * count)) / rate;
  return Math.min(most, Math.floor(place));
}

/** The rate at which a mean that falls with the rate is this one. */
function rateOf(meanOf: (rate: number) => number, mean: number): number {
  let [low, high] = [1e-9 / mean, 1e3 / mean];
  for (let round = 0; round < 50; round++) {
    const middle = Math.sqrt(low * high);
    // Near 0 the two parts of the mean are too large to be told apart.
    if (meanOf(middle) > mean) low = middle;
    else high = middle;
  }
  return low;
}

/** The chances of the values in proportion to exp(a x + b x^2) that have this mean and variance, by Newton's method. */
function matching(values: Float64Array, mean: number, variance: number): Float64Array {
  const middle = (values[0]! + values.at(-1)!) / 2;
  const half = (values.at(-1)! - values[0]!) / 2;
  const places = values.map((value) => (value - middle) / half);
  const first = (mean - middle) / half;
  const spread = variance / half ** 2;
  const second = first ** 2 + spread;
  let [a, b] = [first / spread, -0.5 / spread];
  let now = momentsOf(places, a, b);
  const objectiveOf = ({ logSum }: Moments, x: number, y: number) => logSum - x * first - y * second;
  for (let round = 0; round < ROUNDS; round++) {
    const [g, h] = [now.one - first, now.two - second];
    if (Math.abs(g) < 1e-9 && Math.abs(h) < 1e-9) break;
    const [p, q, r] = [now.two - now.one ** 2, now.three - now.one * now.two, now.four - now.two ** 2];
    const determinant = p * r - q * q;
    if (!(determinant > 0)) break;
    const [da, db] = [(r * g - q * h) / determinant, (p * h - q * g) / determinant];
    let size = 1;
    let next = momentsOf(places, a - da, b - db);
    while (!(objectiveOf(next, a - size * da, b - size * db) <= objectiveOf(now, a, b)) && size > 1e-6) {
      size /= 2;
      next = momentsOf(places, a - size * da, b - size * db);
    }
    [a, b, now] = [a - size * da, b - size * db, next];
  }
  return now.chances;
}

/** Means of the first four powers under exp(a x + b x^2), and the logarithm of its sum. */
interface Moments {
  chances: Float64Array;
  logSum: number;
  one: number;
  two: number;
  three: number;
  four: number;
}

function momentsOf(places: Float64Array, a: number, b: number): Moments {
  const exponents = places.map((x) => a * x + b * x * x);
  const top = exponents.reduce((most, value) => Math.max(most, value), -Infinity);
  const chances = exponents.map((value) => Math.exp(value - top));
  const sum = chances.reduce((total, chance) => total + chance, 0);
  const moments = { one: 0, two: 0, three: 0, four: 0 };
  for (let i = 0; i < chances.length; i++) {
    chances[i]! /= sum;
    const x = places[i]!;
    const weighted = chances[i]! * x;
    moments.one += weighted;
    moments.two += weighted * x;
    moments.three += weighted * x * x;
    moments.four += weighted * x * x * x;
  }
  return { chances, logSum: top + Math.log(sum), ...moments };
}

/** Two values with the chances that give this mean. */
function twoOf(low: number, high: number, mean: number): Weighted {
  const share = high > low ? (high - mean) / (high - low) : 1;
  return { values: Float64Array.of(low, high), sums: Float64Array.of(share, 1), width: 0 };
}

function runningSums(chances: Float64Array): Float64Array {
  let sum = 0;
  const sums = chances.map((chance) => {
    sum += chance;
    return sum;
  });
  sums[sums.length - 1] = 1;
  return sums;
}

/** The first place whose sum lies above the share. */
function placeOf(sums: Float64Array, share: number): number {
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle]! > share) high = middle;
    else low = middle + 1;
  }
  return low;
}
