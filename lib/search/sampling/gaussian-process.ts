import { cholesky, inverse, solveLower, solveUpper, type Triangle } from './cholesky.ts';

/** How two coordinates are compared: by their distance, or by whether they are the same. */
export type Coordinate = 'ordered' | 'unordered';

/** Logarithms: a length for every coordinate, then the variances of the signal and of the noise. */
type Scales = Float64Array;

const SQRT5 = Math.sqrt(5);
/** Means and standard deviations of the normal priors of {@link Scales}; targets have the variance 1. */
const LENGTH = { mean: Math.log(0.5), deviation: 1 };
const SIGNAL = { mean: 0, deviation: 1 };
const NOISE = { mean: Math.log(1e-3), deviation: 2 };
/** Noise below this leaves the matrix without an inverse. */
const LEAST_NOISE = Math.log(1e-6);
const ITERATIONS = 60;

/**
 * A Gaussian process (Rasmussen and Williams 2006, algorithm 2.1) with a Matérn 5/2 kernel over ordered and unordered
 * coordinates, of each a length of its influence.
 */
export class GaussianProcess {
  readonly #points: readonly Float64Array[];
  readonly #coordinates: readonly Coordinate[];
  readonly #scales: Scales;
  readonly #triangle: Triangle;
  readonly #weights: Float64Array;

  private constructor(
    points: readonly Float64Array[],
    targets: Float64Array,
    coordinates: readonly Coordinate[],
    scales: Scales,
  ) {
    this.#points = points;
    this.#coordinates = coordinates;
    this.#scales = scales;
    this.#triangle = factor(covariance(points, coordinates, scales), points.length, scales)!;
    this.#weights = solveUpper(this.#triangle, solveLower(this.#triangle, targets));
  }

  /**
   * The most probable scales for these targets.
   *
   * @param points in [0, 1] where ordered; numbers that stand for choices where unordered
   * @param targets of mean 0 and variance 1
   */
  static fit(
    points: readonly Float64Array[],
    targets: Float64Array,
    coordinates: readonly Coordinate[],
  ): GaussianProcess {
    const starts = [0, -1.2].map((shift) => {
      const start = new Float64Array(coordinates.length + 2).fill(LENGTH.mean + 0.5 * shift);
      start.set([SIGNAL.mean, NOISE.mean + shift], coordinates.length);
      return climb(start, (scales) => posterior(points, targets, coordinates, scales));
    });
    const best = starts.reduce((one, other) => (other.value > one.value ? other : one));
    return new GaussianProcess(points, targets, coordinates, best.scales);
  }

  /** The same scales with further points. */
  extended(points: readonly Float64Array[], targets: Float64Array): GaussianProcess {
    return new GaussianProcess(points, targets, this.#coordinates, this.#scales);
  }

  /** Of the function at a point, without noise. */
  predict(point: Float64Array): { mean: number; deviation: number } {
    const near = Float64Array.from(this.#points, (other) =>
      kernel(point, other, this.#coordinates, this.#scales),
    );
    const mean = near.reduce((sum, value, i) => sum + value * this.#weights[i]!, 0);
    const explained = solveLower(this.#triangle, near).reduce((sum, value) => sum + value * value, 0);
    const signal = Math.exp(this.#scales[this.#coordinates.length]!);
    return { mean, deviation: Math.sqrt(Math.max(1e-12, signal - explained)) };
  }
}

/** (Δ / length)² along a coordinate. */
function apart(one: number, other: number, coordinate: Coordinate, logLength: number): number {
  const difference = coordinate === 'ordered' ? one - other : one === other ? 0 : 1;
  return difference === 0 ? 0 : difference * difference * Math.exp(-2 * logLength);
}

function distance(
  a: Float64Array,
  b: Float64Array,
  coordinates: readonly Coordinate[],
  scales: Scales,
): number {
  let sum = 0;
  for (let i = 0; i < coordinates.length; i++) sum += apart(a[i]!, b[i]!, coordinates[i]!, scales[i]!);
  return Math.sqrt(sum);
}

function kernel(
  a: Float64Array,
  b: Float64Array,
  coordinates: readonly Coordinate[],
  scales: Scales,
): number {
  const r = SQRT5 * distance(a, b, coordinates, scales);
  return Math.exp(scales[coordinates.length]! - r) * (1 + r + (r * r) / 3);
}

function covariance(
  points: readonly Float64Array[],
  coordinates: readonly Coordinate[],
  scales: Scales,
): Float64Array {
  const size = points.length;
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      const value = kernel(points[i]!, points[j]!, coordinates, scales);
      matrix[i * size + j] = value;
      matrix[j * size + i] = value;
    }
  return matrix;
}

/** Of the covariance with noise. */
function factor(matrix: Float64Array, size: number, scales: Scales): Triangle | undefined {
  const noisy = Float64Array.from(matrix);
  for (let i = 0; i < size; i++) noisy[i * size + i]! += Math.exp(scales.at(-1)!);
  return cholesky(noisy, size);
}

/** The logarithm of the scales' posterior density, up to a constant, with its gradient; undefined where it cannot be computed. */
function posterior(
  points: readonly Float64Array[],
  targets: Float64Array,
  coordinates: readonly Coordinate[],
  scales: Scales,
): { value: number; gradient: Float64Array } | undefined {
  const size = points.length;
  const matrix = covariance(points, coordinates, scales);
  const triangle = factor(matrix, size, scales);
  if (!triangle) return undefined;
  const weights = solveUpper(triangle, solveLower(triangle, targets));
  const precision = inverse(triangle);
  const gradient = new Float64Array(scales.length);
  let value = 0;
  const [signal, noise] = [coordinates.length, coordinates.length + 1];
  for (let i = 0; i < size; i++) {
    value -= 0.5 * targets[i]! * weights[i]! + Math.log(triangle.data[i * size + i]!);
    gradient[noise]! += 0.5 * Math.exp(scales[noise]!) * (weights[i]! ** 2 - precision[i * size + i]!);
    for (let j = 0; j < size; j++) {
      const pull = 0.5 * (weights[i]! * weights[j]! - precision[i * size + j]!);
      gradient[signal]! += pull * matrix[i * size + j]!;
      if (i === j) continue;
      const r = SQRT5 * distance(points[i]!, points[j]!, coordinates, scales);
      // The kernel's derivative by the logarithm of a length, but for that coordinate's share of the distance.
      const slope = (5 / 3) * Math.exp(scales[signal]! - r) * (1 + r);
      for (let k = 0; k < coordinates.length; k++)
        gradient[k]! += pull * slope * apart(points[i]![k]!, points[j]![k]!, coordinates[k]!, scales[k]!);
    }
  }
  scales.forEach((scale, k) => {
    const { mean, deviation } = k < signal ? LENGTH : k === signal ? SIGNAL : NOISE;
    value -= 0.5 * ((scale - mean) / deviation) ** 2;
    gradient[k]! -= (scale - mean) / deviation ** 2;
  });
  return { value, gradient };
}

/** Rprop (Riedmiller 1994), which suits the likelihood of Gaussian processes (Blum and Riedmiller 2013): steps by the gradient's signs alone. */
function climb(
  start: Scales,
  slope: (scales: Scales) => { value: number; gradient: Float64Array } | undefined,
): { scales: Scales; value: number } {
  const scales = Float64Array.from(start);
  const steps = new Float64Array(scales.length).fill(0.2);
  const before = new Float64Array(scales.length);
  let best = { scales: Float64Array.from(start), value: Number.NEGATIVE_INFINITY };
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const here = slope(scales);
    if (!here) return best;
    if (here.value > best.value) best = { scales: Float64Array.from(scales), value: here.value };
    here.gradient.forEach((gradient, k) => {
      const turn = gradient * before[k]!;
      steps[k] = Math.min(1, Math.max(1e-4, steps[k]! * (turn > 0 ? 1.2 : turn < 0 ? 0.5 : 1)));
      before[k] = turn < 0 ? 0 : gradient;
      scales[k]! += steps[k]! * Math.sign(before[k]!);
    });
    scales[scales.length - 1] = Math.max(LEAST_NOISE, scales.at(-1)!);
  }
  return best;
}
