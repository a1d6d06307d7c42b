import { types } from 'node:util';
import { short } from '../../counted.ts';

/** Numbers one after the other, example by example. */
type Numbers = ArrayLike<number | bigint>;

/** Numbers that are looked at: more say the same, and take time. */
const LOOKED_AT = 2 ** 24;
/** Fewer examples say little of others. */
const MANY = 10;
/** Deviations and means beyond which, or below whose inverse, training goes measurably worse than at mean 0 and deviation 1. */
const FAR = 10;
/** Steps from one float32 to the next in a deviation, below which rounding is more than a fiftieth of it. */
const STEPS = 16;
/** A picture of which no pixel is as bright as this is taken for one of fewer levels. */
const BRIGHT = 128;

/** How the numbers at one place of an example are spread. */
interface Place {
  readonly place: number;
  readonly mean: number;
  readonly deviation: number;
}

/** Finds how the numbers at each place of an example are spread, part by part. */
export class Spread {
  readonly #size: number;
  readonly #means: Float64Array;
  readonly #squares: Float64Array;
  /** Those of the example that is added. */
  readonly #row: Float64Array;
  #count = 0;
  #isRounded = false;

  /** @param size numbers in an example */
  constructor(size: number) {
    this.#size = size;
    this.#means = new Float64Array(size);
    this.#squares = new Float64Array(size);
    this.#row = new Float64Array(size);
  }

  /** @param numbers as they came, whole examples; those that hold NaN or an infinity are passed over */
  add(numbers: Numbers): void {
    const size = this.#size;
    this.#isRounded ||= !types.isFloat32Array(numbers);
    for (let at = 0; at < numbers.length && this.#count * size < LOOKED_AT; at += size) {
      if (this.#take(numbers, at)) this.#addRow();
    }
  }

  /** Whether all numbers of the example are finite as float32. */
  #take(numbers: Numbers, at: number): boolean {
    for (let i = 0; i < this.#size; i++) {
      this.#row[i] = Number(numbers[at + i]);
      if (!Number.isFinite(Math.fround(this.#row[i]!))) return false;
    }
    return true;
  }

  /** Welford's update. */
  #addRow(): void {
    this.#count++;
    for (let i = 0; i < this.#size; i++) {
      const value = this.#row[i]!;
      const before = value - this.#means[i]!;
      this.#means[i]! += before / this.#count;
      this.#squares[i]! += before * (value - this.#means[i]!);
    }
  }

  /** For people: what is lost by rounding to float32, or else that the numbers are far from mean 0 and deviation 1. */
  get notes(): string[] {
    if (this.#count < MANY) return [];
    const varying: Place[] = Array.from(this.#squares, (squares, place) => ({
      place,
      mean: this.#means[place]!,
      deviation: Math.sqrt(squares / this.#count),
    })).filter(({ deviation }) => deviation > 0);
    const lost = varying.filter(({ mean, deviation }) => deviation < STEPS * stepAt(mean));
    if (this.#isRounded && lost.length > 0) return [lossNote(lost[0]!, varying)];
    const isFar = ({ mean, deviation }: Place) => Math.abs(mean) > FAR || deviation > FAR;
    const far = varying.filter(isFar).length;
    // A few places may well vary little, such as those at the edge of a picture.
    const small = varying.filter(({ deviation }) => deviation < 1 / FAR).length;
    if (far > 0) return [farNote(far, varying)];
    return small > varying.length / 2 ? [farNote(small, varying)] : [];
  }
}

/** From this number to the next as float32. */
function stepAt(value: number): number {
  return 2 ** (Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -126))) - 23);
}

function lossNote({ place, mean, deviation }: Place, all: readonly Place[]): string {
  const which = all.length > 1 ? `number ${place} of the examples varies` : 'numbers vary';
  return `${which} by ${short(deviation)} around ${short(mean)}, which float32, of seven digits, hardly keeps; subtract the mean before`;
}

function farNote(far: number, all: readonly Place[]): string {
  const range = (values: readonly number[]) => {
    const ends = [Math.min, Math.max].map((end) => short(values.reduce((a, b) => end(a, b))));
    return [...new Set(ends)].join(' to ');
  };
  const means = range(all.map(({ mean }) => mean));
  const deviations = range(all.map(({ deviation }) => deviation));
  if (all.length === 1)
    return `numbers are kept as they are, of mean ${means} and deviation ${deviations}, which trains worse than 0 and 1; scale them`;
  return (
    `numbers are kept as they are, and of ${all.length} that vary in an example ${far} ${far === 1 ? 'is' : 'are'} far from mean 0 and ` +
    `deviation 1 (means ${means}, deviations ${deviations}), which trains worse; scale them, or read them as a table, whose columns are scaled`
  );
}

/** Finds whether numbers are all one, or bytes so small that they may be no pixels, part by part. */
export class Darkness {
  #first: number | bigint | undefined;
  #most = 0;
  #isConstant = true;

  /** @param numbers as they came */
  add(numbers: Numbers): void {
    this.#first ??= numbers[0];
    for (let i = 0; i < numbers.length; i++) {
      const value = numbers[i]!;
      if (value !== this.#first) this.#isConstant = false;
      if ((value as number) > this.#most) this.#most = Number(value);
      if (!this.#isConstant && this.#most >= BRIGHT) return;
    }
  }

  /**
   * Whether there is nothing to say, whatever follows.
   *
   * @param isPixels whether the numbers are bytes; of others it only matters that they differ
   */
  isSettled(isPixels: boolean): boolean {
    return !this.#isConstant && (!isPixels || this.#most >= BRIGHT);
  }

  /**
   * For people.
   *
   * @param examples that the numbers are of; fewer than ten say little of others
   * @param isPixels whether they are bytes b that mean b/255
   */
  notes(examples: number, isPixels: boolean): string[] {
    if (examples < MANY) return [];
    if (this.#isConstant) return [`all values are ${this.#first}, which says nothing`];
    const most = this.#most;
    if (!isPixels || most >= BRIGHT) return [];
    return [
      `bytes are read as b/255, and none is above ${most}, so that no value is above ${short(most / 255)}; if ${most} should be 1, ` +
        `divide by ${most} and write float32`,
    ];
  }
}

/** For people: that the numbers of so many examples are all one, or bytes so small that they may be no pixels. */
export function darkNotes(numbers: Numbers, examples: number, isPixels: boolean): string[] {
  if (examples < MANY) return [];
  if (!isPixels && differ(numbers)) return [];
  const darkness = new Darkness();
  darkness.add(numbers);
  return darkness.notes(examples, isPixels);
}

function differ(numbers: Numbers): boolean {
  for (let i = 1; i < numbers.length; i++) if (numbers[i] !== numbers[0]) return true;
  return false;
}
