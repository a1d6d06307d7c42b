import { types } from 'node:util';
import { checkNumber, checkOneOf } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { Random } from '../random.ts';

/**
 * How values in [0, 1] became, or become, 0 and 1: `none` leaves them; `threshold` cuts at a value; `fixed` draws each once,
 * as a coin with that chance; `dynamic` draws all anew for every batch of every epoch. A likelihood is comparable only
 * with others of the same binarization.
 */
export type Binarization = 'none' | 'threshold' | 'fixed' | 'dynamic';

/** How `Dataset.binarize` makes 0 and 1 of values in [0, 1]. */
export interface BinarizeOptions {
  mode: Exclude<Binarization, 'none'>;
  /** Of mode `threshold`: values of at least this become 1. Default 0.5. */
  threshold?: number;
  /** Of mode `fixed`. Default 0. */
  seed?: number;
}

/** @throws TorchvaeError ERR_RANGE for settings of another mode */
export function checkBinarize({ mode, threshold, seed }: BinarizeOptions): Required<BinarizeOptions> {
  checkOneOf('mode', mode, ['threshold', 'fixed', 'dynamic']);
  const misplaced =
    threshold !== undefined && mode !== 'threshold'
      ? 'threshold'
      : seed !== undefined && mode !== 'fixed'
        ? 'seed'
        : undefined;
  if (misplaced) {
    throw new TorchvaeError(
      'ERR_RANGE',
      `The option ${misplaced} of binarize has no meaning for mode '${mode}'; leave it out`,
    );
  }
  return { mode, threshold: checkNumber('threshold', threshold ?? 0.5, 0, 1), seed: seed ?? 0 };
}

/**
 * Bytes 0 and 255, of bytes that mean b/255 or of floats in [0, 1]; floats 0 and 1 where some values are not finite, which stay.
 */
export function thresholded(values: Uint8Array | Float32Array, threshold: number): Uint8Array | Float32Array {
  const limit = types.isUint8Array(values) ? threshold * 255 : threshold;
  const result = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) result[i] = values[i]! >= limit ? 255 : 0;
  return withInvalid(result, values);
}

/** The same, drawn with the chance that each value is. */
export function drawn(values: Uint8Array | Float32Array, seed: number): Uint8Array | Float32Array {
  const random = new Random(seed);
  const scale = (types.isUint8Array(values) ? 255 : 1) / 2 ** 32;
  const result = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) result[i] = random.uint32() * scale < values[i]! ? 255 : 0;
  return withInvalid(result, values);
}

/** Bytes cannot hold what is not finite. */
function withInvalid(bytes: Uint8Array, values: Uint8Array | Float32Array): Uint8Array | Float32Array {
  if (types.isUint8Array(values) || values.every(Number.isFinite)) return bytes;
  return Float32Array.from(bytes, (byte, i) => (Number.isFinite(values[i]) ? byte / 255 : values[i]!));
}
