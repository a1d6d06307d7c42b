/** Where values stand along an axis. */
export interface Scale {
  /** From a value to a place, in pixels. */
  at(value: number): number;
  /** Values that the axis names. */
  readonly ticks: readonly number[];
  /** What is written at a tick. */
  name(tick: number): string;
}

/** How an axis is laid out. */
interface ScaleOptions {
  /** About how many ticks. Default 5. */
  count?: number;
  /** Whether only whole numbers are named. Default false. */
  whole?: boolean;
  /** A value that the axis covers in any case. */
  from?: number;
  /** Whether it ends a little beyond the values instead of at round numbers. Default false. */
  tight?: boolean;
}

/** An axis from `start` to `end`, in pixels, over these values. */
export function linearScale(
  values: Iterable<number>,
  start: number,
  end: number,
  { count = 5, whole = false, from = Number.POSITIVE_INFINITY, tight = false }: ScaleOptions = {},
): Scale {
  let [low, high] = extent(values, from);
  if (low === high) {
    const half = whole ? 1 : Math.abs(low) / 2 || 0.5;
    [low, high] = [low - half, high + half];
  }
  const step = Math.max(roundStep((high - low) / count), whole ? 1 : 0);
  const margin = (high - low) * 0.03;
  const ends = tight
    ? ([low - margin, high + margin] as const)
    : ([Math.floor(low / step) * step, Math.ceil(high / step) * step] as const);
  const first = Math.ceil(ends[0] / step - 1e-9);
  const last = Math.floor(ends[1] / step + 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return scaleOf(ticks, ends, [start, end], (value) => value);
}

/** An axis of powers of ten; values of 0 and below have no place on it. */
export function logarithmicScale(values: Iterable<number>, start: number, end: number): Scale {
  const positive = [...values].filter((value) => value > 0);
  const [low, high] = positive.length > 0 ? extent(positive) : [1, 10];
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const decades = Math.max(1, last - first);
  // More names than this stand upon each other.
  const every = Math.ceil(decades / 8);
  const ticks = Array.from({ length: Math.floor(decades / every) + 1 }, (_, i) => 10 ** (first + i * every));
  if (ticks.at(-1)! < high) ticks.push(ticks.at(-1)! * 10 ** every);
  return scaleOf(ticks, [ticks[0]!, ticks.at(-1)!], [start, end], Math.log10);
}

function scaleOf(
  ticks: readonly number[],
  values: readonly [number, number],
  [start, end]: readonly [number, number],
  bend: (value: number) => number,
): Scale {
  const [low, high] = [bend(values[0]), bend(values[1])];
  return {
    ticks,
    name: shortNumber,
    at: (value) => start + ((bend(value) - low) / (high - low)) * (end - start),
  };
}

function extent(values: Iterable<number>, from = Number.POSITIVE_INFINITY): [number, number] {
  let low = from;
  let high = from === Number.POSITIVE_INFINITY ? Number.NEGATIVE_INFINITY : from;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 1];
}

/** 1, 2 or 5 times a power of ten, at least `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= step * (1 - 1e-9))!;
}

/** A number for people, in about as many characters as a label has room for. */
export function shortNumber(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-4) return value.toExponential(1).replace(/\.0e/, 'e').replace('e+', 'e');
  return String(Number(value.toPrecision(4)));
}
