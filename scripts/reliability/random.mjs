/** Numbers that a seed fixes, so that what a fuzz found can be run again. */

/** @returns a function that draws from [0, 1): mulberry32 */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws from `random` in the forms that a fuzz needs. */
export class Random {
  constructor(seed) {
    this.next = generator(seed);
  }

  /** @returns an integer of [0, below) */
  below(below) {
    return Math.floor(this.next() * below);
  }

  /** @returns whether something of this probability is the case */
  chance(probability) {
    return this.next() < probability;
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}
