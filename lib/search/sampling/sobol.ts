/**
 * Primitive polynomials, bits from the highest power, each followed by the first direction numbers (Joe and Kuo 2008,
 * new-joe-kuo-6.21201), for the dimensions after the first.
 */
const DIRECTIONS: readonly (readonly number[])[] = [
  [3, 1],
  [7, 1, 3],
  [11, 1, 3, 1],
  [13, 1, 1, 1],
  [19, 1, 1, 3, 3],
  [25, 1, 3, 5, 13],
  [37, 1, 1, 5, 5, 17],
  [41, 1, 1, 5, 5, 5],
  [47, 1, 1, 7, 11, 19],
  [55, 1, 1, 5, 1, 1],
  [59, 1, 1, 1, 3, 11],
  [61, 1, 3, 5, 5, 31],
  [67, 1, 3, 3, 9, 7, 49],
  [91, 1, 1, 1, 15, 21, 21],
  [97, 1, 3, 1, 13, 27, 49],
];
const DIMENSIONS = DIRECTIONS.length + 1;
const BITS = 32;

/** The 32 direction numbers of a dimension, as the bits of fractions. */
function directionsOf(dimension: number): Uint32Array {
  const found = new Uint32Array(BITS);
  if (dimension === 0) return found.map((_, i) => 2 ** (BITS - 1 - i));
  const [polynomial, ...first] = DIRECTIONS[dimension - 1] as [number, ...number[]];
  const degree = first.length;
  for (let i = 0; i < BITS; i++) {
    if (i < degree) {
      found[i] = first[i]! * 2 ** (BITS - 1 - i);
      continue;
    }
    let next = found[i - degree]! ^ (found[i - degree]! >>> degree);
    for (let k = 1; k < degree; k++) if ((polynomial >> (degree - k)) & 1) next ^= found[i - k]!;
    found[i] = next;
  }
  return found;
}

const TABLE = Array.from({ length: DIMENSIONS }, (_, i) => directionsOf(i));

/**
 * A point of Sobol's sequence (1967) in [0, 1)^dimensions, scrambled by `seed` as Owen (1995) does, with Burley's hash (2020):
 * stretches of 2^k points stay evenly spread, and each coordinate is uniform over the seeds. Beyond 16 dimensions, groups
 * of 16 take the sequence in different orders, as Burley pads it.
 *
 * @param index from 0
 * @param seed an integer from 0; undefined for the plain sequence
 */
export function sobolPoint(index: number, dimensions: number, seed?: number): number[] {
  return Array.from({ length: dimensions }, (_, dimension) => {
    const group = Math.floor(dimension / DIMENSIONS);
    const place = group === 0 ? index >>> 0 : scramble(index, hash(seed ?? 0, -group));
    const bits = bitsAt(place, TABLE[dimension % DIMENSIONS]!);
    return (seed === undefined ? bits : scramble(bits, hash(seed, dimension + 1))) / 2 ** BITS;
  });
}

function bitsAt(index: number, directions: Uint32Array): number {
  let bits = 0;
  for (let i = 0, gray = index ^ (index >>> 1); gray !== 0; i++, gray >>>= 1) {
    if (gray & 1) bits ^= directions[i]!;
  }
  return bits >>> 0;
}

/** A nested uniform scrambling of 32 bits (Laine and Karras 2011, with Vegdahl's constants). */
function scramble(bits: number, seed: number): number {
  let x = reversed(bits);
  x ^= Math.imul(x, 0x3d20adea);
  x = (x + seed) | 0;
  x = Math.imul(x, (seed >>> 16) | 1);
  x ^= Math.imul(x, 0x05526c56);
  x ^= Math.imul(x, 0x53a22864);
  return reversed(x);
}

function reversed(bits: number): number {
  let x = bits;
  x = ((x >>> 1) & 0x55555555) | ((x & 0x55555555) << 1);
  x = ((x >>> 2) & 0x33333333) | ((x & 0x33333333) << 2);
  x = ((x >>> 4) & 0x0f0f0f0f) | ((x & 0x0f0f0f0f) << 4);
  x = ((x >>> 8) & 0x00ff00ff) | ((x & 0x00ff00ff) << 8);
  return ((x >>> 16) | (x << 16)) >>> 0;
}

/** 32 bits of two integers (the finalizer of MurmurHash3). */
function hash(seed: number, salt: number): number {
  let x =
    (Math.imul(seed % 2 ** 32, 0x9e3779b1) ^ Math.imul(Math.floor(seed / 2 ** 32) + salt, 0x85ebca6b)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
