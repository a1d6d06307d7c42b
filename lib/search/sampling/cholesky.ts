/** A lower triangle, row-major in a square. */
export interface Triangle {
  size: number;
  data: Float64Array;
}

/** L with L Lᵀ = matrix, of which the lower triangle is read; undefined where the matrix is not positive definite. */
export function cholesky(matrix: Float64Array, size: number): Triangle | undefined {
  const data = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j]!;
      for (let k = 0; k < j; k++) sum -= data[i * size + k]! * data[j * size + k]!;
      if (i !== j) data[i * size + j] = sum / data[j * size + j]!;
      else if (sum > 0) data[i * size + i] = Math.sqrt(sum);
      else return undefined;
    }
  }
  return { size, data };
}

/** x with L x = b. */
export function solveLower({ size, data }: Triangle, b: ArrayLike<number>): Float64Array {
  const x = Float64Array.from(b);
  for (let i = 0; i < size; i++) {
    let sum = x[i]!;
    for (let k = 0; k < i; k++) sum -= data[i * size + k]! * x[k]!;
    x[i] = sum / data[i * size + i]!;
  }
  return x;
}

/** x with Lᵀ x = b. */
export function solveUpper({ size, data }: Triangle, b: ArrayLike<number>): Float64Array {
  const x = Float64Array.from(b);
  for (let i = size - 1; i >= 0; i--) {
    x[i]! /= data[i * size + i]!;
    for (let k = 0; k < i; k++) x[k]! -= data[i * size + k]! * x[i]!;
  }
  return x;
}

/** The inverse of L Lᵀ, whole. */
export function inverse(triangle: Triangle): Float64Array {
  const { size } = triangle;
  const result = new Float64Array(size * size);
  const unit = new Float64Array(size);
  for (let j = 0; j < size; j++) {
    unit.fill(0)[j] = 1;
    result.set(solveUpper(triangle, solveLower(triangle, unit)), j * size);
  }
  return result;
}
