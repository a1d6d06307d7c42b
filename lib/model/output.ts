import { TorchvaeError } from '../errors.ts';

/** The most values in one result: 4 GiB. The system would kill the process for more. */
export const MAX_VALUES = 2 ** 30;

/** @throws TorchvaeError ERR_NONFINITE for a result that holds NaN or an infinity */
export function checkFinite(name: string, values: Float32Array, allowed?: number): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i]) || values[i] === allowed) continue;
    throw new TorchvaeError(
      'ERR_NONFINITE',
      `The ${name} has ${values[i]} at index ${i}: the weights or the input are too large, or training has diverged`,
    );
  }
}

/**
 * Values of -log densities with +Infinity in place of NaN: of finite rows only, NaN is the difference of infinities of one that lies too
 * far out for its density to be computed.
 */
export function infiniteForNaN(values: Float32Array): Float32Array {
  return values.map((value) => (Number.isNaN(value) ? Infinity : value));
}

/** @throws TorchvaeError ERR_RANGE for more rows than one result can hold */
export function checkOutputSize(name: string, rows: number, columns: number): void {
  const limit = Math.floor(MAX_VALUES / columns);
  if (rows <= limit) return;
  throw new TorchvaeError(
    'ERR_RANGE',
    `Expected at most ${limit} examples of ${columns} values for ${name} but received ${rows}; ask in several calls`,
  );
}
