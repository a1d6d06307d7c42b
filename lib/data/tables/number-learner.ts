import { MAX_CATEGORIES, MAX_DECIMALS, MOST_VALUES, PERIODS, type Period } from './fields.ts';

/** The share of zeros from which they are kept apart. */
const SPIKE = 0.1;
/** Fewer other values are counts, such as those of children. */
const MANY = 20;
/** How much more often 0 comes than any other value. */
const ABOVE = 3;
/** How often each of few values comes at least, on average. */
const OFTEN = 10;

/** Mean, deviation, bounds and decimals of numbers that come one by one. */
export class NumberLearner {
  count = 0;
  mean = 0;
  min = Infinity;
  max = -Infinity;
  /** Undefined once a number had more than {@link MAX_DECIMALS}. */
  decimals: number | undefined = 0;
  /** Whether all lie in [0, 1] as float32. */
  isUnit = true;
  /** How often each number came, in case the column turns out to be categorical; undefined once there are too many. */
  values: Map<number, number> | undefined = new Map();
  #squares = 0;
  #zeros = 0;
  #least = Infinity;
  #greatest = -Infinity;

  /** Welford's update, which large means do not spoil. NaN is passed over. */
  add(value: number): void {
    if (Number.isNaN(value)) return;
    this.count++;
    const before = value - this.mean;
    this.mean += before / this.count;
    this.#squares += before * (value - this.mean);
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    if (value === 0) this.#zeros++;
    else {
      if (value < this.#least) this.#least = value;
      if (value > this.#greatest) this.#greatest = value;
    }
    const single = Math.fround(value);
    if (single < 0 || single > 1) this.isUnit = false;
    if (this.decimals !== undefined) this.decimals = decimalsOf(value, this.decimals);
    if (!this.values) return;
    this.values.set(value, (this.values.get(value) ?? 0) + 1);
    if (this.values.size > MAX_CATEGORIES) this.values = undefined;
  }

  get deviation(): number {
    return Math.sqrt(this.#squares / this.count);
  }

  /**
   * The numbers other than 0, where 0 comes so often among numbers of many values that one density cannot be that of both; else undefined.
   */
  get apartFromZero() {
    const others = this.count - this.#zeros;
    if (this.#zeros < SPIKE * this.count || !this.#isAmongMany) return undefined;
    const sum = this.count * this.mean;
    const mean = sum / others;
    const squares = this.#squares + sum * this.mean - sum * mean;
    return {
      mean,
      deviation: Math.sqrt(Math.max(0, squares) / others),
      min: this.#least,
      max: this.#greatest,
      zeros: this.#zeros / this.count,
    };
  }

  /**
   * All values in their order, where these come again and again and leave others out that lie between them: such as 5, 10 and 20 mg, or
   * postcodes.
   *
   * @param step from one value that the column may have to the next
   */
  fewValues(step: number | undefined): number[] | undefined {
    const { values, min, max } = this;
    if (!values || values.size > MOST_VALUES || this.count < OFTEN * values.size) return undefined;
    const isFull = step !== undefined && values.size > Math.round((max - min) / step);
    return isFull ? undefined : [...values.keys()].sort((a, b) => a - b);
  }

  /** Whether the other numbers have many values, of which none comes nearly as often as 0. */
  get #isAmongMany(): boolean {
    if (!this.values) return true;
    let most = 0;
    for (const [value, count] of this.values) if (value !== 0 && count > most) most = count;
    return this.values.size > MANY && this.#zeros >= ABOVE * most;
  }
}

/** The decimals of the value, at least `least`; undefined for more than {@link MAX_DECIMALS}. */
function decimalsOf(value: number, least: number): number | undefined {
  for (let decimals = least; decimals <= MAX_DECIMALS; decimals++) {
    if (roundTo(value, decimals) === value) return decimals;
  }
  return undefined;
}

const POWERS = Array.from({ length: MAX_DECIMALS + 1 }, (_, decimals) => 10 ** decimals);

/** The number with so many decimals that is nearest. */
export function roundTo(value: number, decimals: number): number {
  const power = POWERS[decimals] ?? 10 ** decimals;
  const scaled = Math.round(value * power) / power;
  return Number.isFinite(scaled) ? scaled : value;
}

/** Finds the periods that show in dates which come one by one. */
export class PeriodLearner {
  readonly #first: Partial<Record<Period, number>> = {};
  readonly #varying = new Set<Period>();

  add(seconds: number): void {
    if (Number.isNaN(seconds)) return;
    for (const period of Object.keys(PERIODS) as Period[]) {
      if (this.#varying.has(period)) continue;
      const place = placeIn(period, seconds);
      this.#first[period] ??= place;
      if (place !== this.#first[period]) this.#varying.add(period);
    }
  }

  /**
   * The periods of which the dates cover at least two, at different places.
   *
   * @param span seconds between the first and the last date
   */
  shown(span: number): Period[] {
    return [...this.#varying].filter((period) => span >= 2 * PERIODS[period]).sort(bySize);
  }
}

function bySize(a: Period, b: Period): number {
  return PERIODS[a] - PERIODS[b];
}

/** The second of the day, the day of the week, or the day of the year. */
function placeIn(period: Period, seconds: number): number {
  const within = seconds - PERIODS[period] * Math.floor(seconds / PERIODS[period]);
  return period === 'day' ? within : Math.floor(within / PERIODS.day);
}
