import {
  checkBoolean,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  expected,
  readOption,
} from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';

/** Reads one setting: checks what was given, or answers with the default. */
export type Field<T> = (name: string, value: unknown) => T;

/** A part as a caller writes it, `{ type: 'gaussian'; sigma?: number }`, with all its settings filled in. */
export type Whole<Input> = Input extends object
  ? { -readonly [Key in keyof Input]-?: WholeSetting<Exclude<Input[Key], undefined>> }
  : never;

type WholeSetting<Setting> = Setting extends readonly unknown[]
  ? Setting
  : Setting extends object
    ? { [Key in keyof Setting]-?: Setting[Key] }
    : Setting;

/** How the settings of each type of a part are read. */
export type FieldsOf<Part extends { type: string }> = {
  readonly [Type in Part['type']]: {
    readonly [Key in Exclude<keyof Extract<Part, { type: Type }>, 'type'>]: Field<
      Extract<Part, { type: Type }>[Key]
    >;
  };
};

/** Far above any sensible layer, far below what overflows an index. */
export const MAX_WIDTH = 1 << 24;

/**
 * A part with all its settings: its name alone, or an object whose settings are checked.
 *
 * @throws TorchvaeError naming the field, what was expected and what came
 */
export function completePart<Part extends { type: string }>(
  name: string,
  input: unknown,
  table: FieldsOf<Part>,
): Part {
  const types = Object.keys(table) as Part['type'][];
  const given = typeof input === 'string' ? { type: input } : input;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TorchvaeError('ERR_TYPE', expected(`one of ${types.join(', ')}`, name, input));
  }
  const type = checkOneOf(`${name}.type`, readOption(name, given, 'type').value, types);
  const fields = table[type] as Record<string, Field<unknown>>;
  for (const key of Object.keys(given)) {
    if (key === 'type' || key in fields) continue;
    const others = types.filter((other) => key in table[other]);
    if (others.length === 0) continue;
    throw new TorchvaeError(
      'ERR_RANGE',
      `${name}.${key} belongs to ${others.join(', ')}, not to ${type}; leave it out`,
    );
  }
  const settings: Record<string, unknown> = checkOptions(`${name} (${type})`, given, [
    'type',
    ...Object.keys(fields),
  ]) as never;
  const whole: Record<string, unknown> = { type };
  for (const [key, read] of Object.entries(fields)) whole[key] = read(`${name}.${key}`, settings[key]);
  return whole as Part;
}

export function integer(standard: number, low: number, high = MAX_WIDTH): Field<number> {
  return (name, value) => checkInteger(name, value ?? standard, low, high);
}

export function number(standard: number, low: number, high: number): Field<number> {
  return (name, value) => checkNumber(name, value ?? standard, low, high);
}

export function flag(standard: boolean): Field<boolean> {
  return (name, value) => checkBoolean(name, value ?? standard);
}

export function oneOf<T extends string>(standard: T, ...others: T[]): Field<T> {
  return (name, value) => checkOneOf(name, value ?? standard, [standard, ...others]);
}

/** Widths of layers, in the order of computation. */
export function widths(standard: readonly number[], least = 0): Field<readonly number[]> {
  return (name, value) => {
    const given = value ?? standard;
    if (!Array.isArray(given) || given.length > 1000 || given.length < least) {
      const what = least > 0 ? `an array of at least ${least} layer widths` : 'an array of layer widths';
      throw new TorchvaeError('ERR_TYPE', expected(what, name, given));
    }
    return Array.from(given, (n, i) => checkInteger(`${name}[${i}]`, n, 1, MAX_WIDTH));
  };
}
