/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Values of other parameters, or one of several each; all must hold. */
export type Condition = Readonly<Record<string, readonly Json[]>>;

/** A range of numbers. */
export interface Range {
  name: string;
  type: 'range';
  /** Included, as `high` is. */
  low: number;
  high: number;
  /** Whether only whole numbers are taken. */
  int: boolean;
  /** Whether the logarithm is what is searched evenly. */
  log: boolean;
  /** The distance between two values; 0 where they lie everywhere. */
  step: number;
  when: Condition;
}

/** A list of values without an order. */
export interface Choice {
  name: string;
  type: 'choice';
  choices: readonly Json[];
  when: Condition;
}

/** A checked parameter of a search. */
export type Parameter = Range | Choice;

/** The values of a trial, by the names of its active parameters. */
export type Values = Readonly<Record<string, Json>>;

/** Whether two values are the same JSON. */
export function isSame(one: Json | undefined, other: Json | undefined): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

/** Whether the parameter has a place among these values, which hold those that it depends on. */
export function isActive({ when }: Parameter, values: Values): boolean {
  return Object.entries(when).every(([parent, wanted]) =>
    wanted.some((value) => parent in values && isSame(values[parent], value)),
  );
}

/** How many values the parameter has; Infinity for a range of real numbers. */
export function countOf(parameter: Parameter): number {
  if (parameter.type === 'choice') return parameter.choices.length;
  const { low, high, step } = parameter;
  if (low === high) return 1;
  return step === 0 ? Number.POSITIVE_INFINITY : Math.floor((high - low) / step + 1e-9) + 1;
}

/** The value at a place from 0 to 1; equal stretches are equally likely, of a logarithmic range those of the logarithm. */
export function valueAt(parameter: Parameter, place: number): Json {
  if (parameter.type === 'choice') {
    const { choices } = parameter;
    return choices[Math.min(choices.length - 1, Math.floor(place * choices.length))]!;
  }
  const { low, high, step, log } = parameter;
  const [from, to] = bounds(parameter);
  const spot = from + (to - from) * place;
  const raw = log ? Math.exp(spot) : spot;
  if (step === 0) return Math.min(high, Math.max(low, raw));
  const level = Math.min(countOf(parameter) - 1, Math.max(0, Math.round((raw - low) / step)));
  return Number((low + level * step).toPrecision(15));
}

/** The place of a value, such that {@link valueAt} gives the value; of a choice, the middle of its stretch. */
export function placeOf(parameter: Parameter, value: Json): number {
  if (parameter.type === 'choice') {
    const index = parameter.choices.findIndex((choice) => isSame(choice, value));
    return (index + 0.5) / parameter.choices.length;
  }
  const [from, to] = bounds(parameter);
  const spot = parameter.log ? Math.log(value as number) : (value as number);
  return to > from ? Math.min(1, Math.max(0, (spot - from) / (to - from))) : 0.5;
}

/** Whether a trial of other origin has a value that this parameter can take. */
export function contains(parameter: Parameter, value: Json | undefined): value is Json {
  if (value === undefined) return false;
  if (parameter.type === 'choice') return parameter.choices.some((choice) => isSame(choice, value));
  const { low, high, int } = parameter;
  return typeof value === 'number' && value >= low && value <= high && (!int || Number.isInteger(value));
}

/** What is searched evenly: levels have half a step around each, so that the outermost are as likely as the others. */
function bounds({ low, high, step, log }: Range): [number, number] {
  const [from, to] = [low - step / 2, high + step / 2];
  return log ? [Math.log(from), Math.log(to)] : [from, to];
}
