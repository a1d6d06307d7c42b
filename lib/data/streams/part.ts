import { TorchvaeError } from '../../errors.ts';
import { checkDivision, checkParts, type SplitOptions, splitIndices } from '../examples/split.ts';
import { derivedSeed } from '../random.ts';

/** The examples of a stream that belong to one part of it, by their places in the order of the source. */
export interface Part {
  readonly length: number;
  /** How many of the examples before this place belong to it. */
  count(end: number): number;
  /** The place of its example with this index. */
  place(index: number): number;
  /** The places from `first` to before `end` that belong to it, ascending, counted from `first`. */
  rows(first: number, end: number): Uint32Array;
}

/** Examples that are divided together: so many consecutive ones hold each part in its fraction. */
const CHUNK = 2 ** 16;
/** Chunks whose division is kept in memory. */
const KEPT = 256;

/** @throws TorchvaeError ERR_TYPE; ERR_RANGE for a stratified split */
export function checkStreamDivision(name: string, options: SplitOptions) {
  const { stratified, ...division } = checkDivision(options);
  if (!stratified) return division;
  throw new TorchvaeError(
    'ERR_RANGE',
    `${name} is streamed, so that its labels are not known before it is read: leave stratified out, or load the data into memory`,
  );
}

/**
 * Divides the examples of a stream, each into exactly one part: one part after the other, or at random. What is drawn is a function of the
 * seed and the place: of the first 65,536 examples it is the division of as many in memory, and of all those behind it is made anew for each
 * 65,536, so that nothing that grows with the stream lies in memory.
 *
 * @throws TorchvaeError ERR_RANGE for a part without examples
 */
export function divide(
  name: string,
  length: number,
  fractions: readonly number[],
  { seed, chronological }: { seed: number; chronological: boolean },
): Part[] {
  const parts = chronological ? stretches(length, fractions) : drawnParts(length, fractions, seed);
  checkParts(parts, fractions, length, name);
  return parts;
}

/** A part of at least `count` examples, drawn from all over; undefined where these are nearly all. */
export function spreadPart(length: number, count: number): Part | undefined {
  // Each chunk's share is rounded.
  const share = (count + Math.ceil(length / CHUNK)) / length;
  return share < 1 ? drawnParts(length, [share, 1 - share], 0)[0] : undefined;
}

function stretches(length: number, fractions: readonly number[]): Part[] {
  let share = 0;
  let start = 0;
  return fractions.map((fraction, part): Part => {
    share += fraction;
    const begin = start;
    const stop = part === fractions.length - 1 ? length : Math.round(share * length);
    start = stop;
    const within = (place: number) => Math.min(Math.max(place, begin), stop);
    return {
      length: stop - begin,
      count: (end) => within(end) - begin,
      place: (index) => begin + index,
      rows: (first, end) => {
        const from = within(first);
        return Uint32Array.from({ length: Math.max(0, within(end) - from) }, (_, i) => from - first + i);
      },
    };
  });
}

function drawnParts(length: number, fractions: readonly number[], seed: number): Part[] {
  const chunks = new Map<number, Uint32Array[]>();
  const chunk = (index: number): Uint32Array[] => {
    const known = chunks.get(index);
    if (known) return known;
    if (chunks.size === KEPT) chunks.clear();
    const size = Math.min(CHUNK, length - index * CHUNK);
    const parts = splitIndices(size, fractions, { seed: derivedSeed(seed, index), chronological: false });
    chunks.set(index, parts);
    return parts;
  };
  return fractions.map((_, part): Part => {
    const whole = length < CHUNK ? 0 : chunk(0)[part]!.length;
    const count = (end: number): number => {
      const index = Math.floor(end / CHUNK);
      const rest = end - index * CHUNK;
      return index * whole + (rest === 0 ? 0 : placeIn(chunk(index)[part]!, rest));
    };
    return {
      length: count(length),
      count,
      place: (index) => {
        // A stream that is shorter than a chunk has no whole one.
        const last = Math.floor((length - 1) / CHUNK);
        const at = whole === 0 ? last : Math.min(last, Math.floor(index / whole));
        return at * CHUNK + chunk(at)[part]![index - at * whole]!;
      },
      rows: (first, end) => {
        const rows: number[] = [];
        for (let index = Math.floor(first / CHUNK); index * CHUNK < end; index++) {
          const start = index * CHUNK;
          const places = chunk(index)[part]!;
          const [from, to] = [first - start, end - start].map((place) => placeIn(places, place));
          for (let i = from!; i < to!; i++) rows.push(start + places[i]! - first);
        }
        return Uint32Array.from(rows);
      },
    };
  });
}

/** The part of a part: `inner` counts the examples of `outer` alone. */
export function partOfPart(outer: Part, inner: Part): Part {
  return {
    length: inner.length,
    count: (end) => inner.count(outer.count(end)),
    place: (index) => outer.place(inner.place(index)),
    rows: (first, end) => {
      const rows = outer.rows(first, end);
      const before = outer.count(first);
      return inner.rows(before, before + rows.length).map((i) => rows[i]!);
    },
  };
}

/** How many of these ascending numbers are below `limit`. */
function placeIn(numbers: Uint32Array, limit: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
