import { types } from 'node:util';

/** Rows of `width` values picked from `source`, in the plain array type behind `source`, which may be a Buffer. */
export function gather<T extends Uint8Array | Int32Array | Uint32Array | Float32Array>(
  source: T,
  indices: ArrayLike<number>,
  width: number,
): T {
  const PlainArray = types.isUint8Array(source)
    ? Uint8Array
    : types.isInt32Array(source)
      ? Int32Array
      : types.isUint32Array(source)
        ? Uint32Array
        : Float32Array;
  const picked = new PlainArray(indices.length * width) as T;
  for (let i = 0; i < indices.length; i++) {
    const start = indices[i]! * width;
    picked.set(source.subarray(start, start + width), i * width);
  }
  return picked;
}
