import { types } from 'node:util';
import { expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { isTensor, type Tensor } from '../../model/input.ts';

/** Codes in a plane. */
export interface Projection {
  /** [codes, 2], row-major. */
  points: Float32Array;
  /** What the two axes are, for people. */
  axes: readonly [string, string];
}

/** Rounds of the iteration. Directions that still turn then have about equal variances. */
const ROUNDS = 200;

/**
 * Codes as points of a plane: codes of two dimensions as they are, of one dimension along a line, of more dimensions on their first
 * two principal components.
 *
 * @param codes [n, size of z], such as the `mean` of what `VAE.encode` returns
 * @throws TorchvaeError ERR_TYPE, ERR_SHAPE
 */
export function projectCodes(codes: Tensor): Projection {
  if (!isTensor(codes)) throw new TorchvaeError('ERR_TYPE', expected('a Tensor', 'codes', codes));
  const { data, shape } = codes;
  if (!types.isFloat32Array(data)) {
    throw new TorchvaeError('ERR_TYPE', expected('a Float32Array', 'data of the codes', data));
  }
  const [rows = 0, size = 0] = Array.isArray(shape) ? shape : [];
  if (shape?.length !== 2 || !(rows * size > 0) || rows * size !== data.length) {
    throw new TorchvaeError('ERR_SHAPE', expected('[n, size of z] with its values', 'codes', data));
  }
  if (size === 2) return { points: Float32Array.from(data), axes: ['dimension 0 of z', 'dimension 1 of z'] };
  if (size === 1) {
    const points = Float32Array.from({ length: 2 * rows }, (_, i) => (i % 2 === 0 ? data[i / 2]! : 0));
    return { points, axes: ['dimension 0 of z', ''] };
  }
  const centered = center(data, rows, size);
  const directions = principalDirections(centered, rows, size);
  const points = new Float32Array(2 * rows);
  const variances = [0, 0];
  for (let row = 0; row < rows; row++) {
    directions.forEach((direction, k) => {
      const value = dot(direction, centered.subarray(row * size, (row + 1) * size));
      points[2 * row + k] = value;
      variances[k]! += value * value;
    });
  }
  const total = dot(centered, centered) || 1;
  const axis = (name: string, k: number) =>
    `${name} principal component (${((100 * variances[k]!) / total).toFixed(0)}% of the variance)`;
  return { points, axes: [axis('first', 0), axis('second', 1)] };
}

function center(data: Float32Array, rows: number, size: number): Float64Array {
  const means = new Float64Array(size);
  data.forEach((value, i) => {
    means[i % size]! += value / rows;
  });
  return Float64Array.from(data, (value, i) => value - means[i % size]!);
}

/** The two eigenvectors of the covariance with the largest eigenvalues, by orthogonal iteration (Golub and Van Loan, 8.2.4). */
function principalDirections(centered: Float64Array, rows: number, size: number): Float64Array[] {
  let directions: Float64Array[] = [0, 1].map((k) =>
    Float64Array.from({ length: size }, (_, i) => Math.cos((k + 1) * (i + 1))),
  );
  for (let round = 0; round < ROUNDS; round++) {
    const next = orthonormal(directions.map((direction) => covarianceTimes(direction, centered, rows, size)));
    const turned = next.map((direction, k) => 1 - Math.abs(dot(direction, directions[k]!)));
    directions = next;
    if (Math.max(...turned) < 1e-14) break;
  }
  // A direction and its opposite are the same component: the largest part of it points up.
  return directions.map((direction) => {
    const largest = direction.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
    return largest < 0 ? direction.map((value) => -value) : direction;
  });
}

function covarianceTimes(
  direction: Float64Array,
  centered: Float64Array,
  rows: number,
  size: number,
): Float64Array {
  const result = new Float64Array(size);
  for (let row = 0; row < rows; row++) {
    const code = centered.subarray(row * size, (row + 1) * size);
    const along = dot(code, direction);
    for (let i = 0; i < size; i++) result[i]! += along * code[i]!;
  }
  return result;
}

/** Orthonormalizes by Gram-Schmidt. A vector of length 0 stays 0: nothing varies along it. */
function orthonormal([first, second]: Float64Array[]): Float64Array[] {
  const a = unit(first!);
  const along = dot(second!, a);
  return [a, unit(second!.map((value, i) => value - along * a[i]!))];
}

function unit(vector: Float64Array): Float64Array {
  const length = Math.sqrt(dot(vector, vector));
  return length > 1e-150 ? vector.map((value) => value / length) : vector.fill(0);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
