import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { decodeSafetensors } from '../../lib/model/safetensors.ts';

/** The float tensors and the metadata of a file in test/fixtures. */
export function readFixture(name: string) {
  const path = fileURLToPath(new URL(`../fixtures/${name}.safetensors`, import.meta.url));
  const { tensors, metadata } = decodeSafetensors(readFileSync(path), name);
  const values = (key: string) => {
    const tensor = tensors.get(key);
    if (!tensor) throw new Error(`${name} has no tensor ${key}`);
    return tensor.data as Float32Array;
  };
  /** The tensors whose names begin with `prefix.`, without it. */
  const group = (prefix: string) =>
    new Map(
      [...tensors]
        .filter(([key]) => key.startsWith(`${prefix}.`))
        .map(([key, { data }]) => [key.slice(prefix.length + 1), data as Float32Array]),
    );
  return { metadata, values, group };
}

/** The largest difference, relative to the largest magnitude in `wanted`. */
export function relativeError(came: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (came.length !== wanted.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let magnitude = 0;
  for (let i = 0; i < wanted.length; i++) {
    const distance = Math.abs(came[i]! - wanted[i]!);
    if (!(distance <= difference)) difference = distance; // a NaN stays
    magnitude = Math.max(magnitude, Math.abs(wanted[i]!));
  }
  return difference === 0 ? 0 : difference / magnitude;
}
