import { checkInteger } from '../check.ts';

const MASK_64 = 0xffffffffffffffffn;

/**
 * Seeded random numbers for data on the JavaScript side: splits, shuffles and procedural images. The same seed gives
 * the same numbers on every machine. Not for secrets.
 *
 * The generator is xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021), which
 * needs 32-bit arithmetic only; its state is filled from the seed by SplitMix64, as its authors advise.
 */
export class Random {
  readonly #state: Uint32Array;

  /**
   * @param seed an integer from 0 to 2^53 - 1, or the four 32-bit words of a state that is not all zero
   * @throws TorchvaeError ERR_TYPE or ERR_RANGE for another seed
   */
  constructor(seed: number | readonly [number, number, number, number]) {
    // An array of anything else would pass for a state, of which nothing but zeros might come.
    const isState = Array.isArray(seed) && seed.length === 4 && seed.some((word) => word >>> 0 !== 0);
    this.#state = isState ? Uint32Array.from(seed) : stateFromSeed(checkInteger('seed', seed, 0));
  }

  /** The next 32 random bits, as an integer from 0 to 2^32 - 1. */
  uint32(): number {
    const s = this.#state;
    const s1 = s[1]!;
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    s[2]! ^= s[0]!;
    s[3]! ^= s1;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= s1 << 9;
    const s3 = s[3]!;
    s[3] = (s3 << 11) | (s3 >>> 21);
    return result;
  }

  /** Uniform in [0, 1), with 53 random bits. */
  uniform(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }

  /** A draw from N(0, 1) (Box and Muller 1958). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A uniform integer from 0 to `bound` - 1; `bound` is from 1 to 2^32. Without the bias of a bare remainder. */
  below(bound: number): number {
    const fair = 0x100000000 - (0x100000000 % bound);
    let value = this.uint32();
    while (value >= fair) value = this.uint32();
    return value % bound;
  }

  /** The integers 0 to `length` - 1 in random order (Fisher-Yates). */
  permutation(length: number): Uint32Array {
    return this.shuffle(Uint32Array.from({ length }, (_, i) => i));
  }

  /** Shuffles in place (Fisher-Yates) and returns the same array. */
  shuffle<T extends Uint32Array | number[]>(values: T): T {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const kept = values[i]!;
      values[i] = values[j]!;
      values[j] = kept;
    }
    return values;
  }
}

/** The seed of the `index`-th of many sequences that are to differ: `seed` itself for 0. */
export function derivedSeed(seed: number, index: number): number {
  if (index === 0) return seed;
  const [, high] = splitMix(seed);
  const [low] = splitMix(BigInt.asUintN(64, high! + BigInt(index)));
  return Number(low! >> 11n);
}

/** Two outputs of SplitMix64, low word first. */
function stateFromSeed(seed: number): Uint32Array {
  const words = splitMix(seed);
  const low = Number(words[0]! & 0xffffffffn);
  const high = Number(words[0]! >> 32n);
  return Uint32Array.of(low, high, Number(words[1]! & 0xffffffffn), Number(words[1]! >> 32n));
}

function splitMix(seed: number | bigint): BigUint64Array {
  const words = new BigUint64Array(2);
  let counter = BigInt(seed);
  for (let i = 0; i < 2; i++) {
    counter = (counter + 0x9e3779b97f4a7c15n) & MASK_64;
    let mixed = ((counter ^ (counter >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK_64;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & MASK_64;
    words[i] = mixed ^ (mixed >> 31n);
  }
  return words;
}
