import { checkBoolean, checkInteger, checkNumber, checkOneOf, checkOptions, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';

/** Reads one setting: checks what was given, or answers with the default. */
export type Field<T> = (name: string, value: unknown) => T;

/** The kinds that a part of a model comes in, each with its settings. */
export type PartTable = Readonly<Record<string, Readonly<Record<string, Field<unknown>>>>>;

type Settings<Fields> = { -readonly [F in keyof Fields]: Fields[F] extends Field<infer T> ? T : never };

/** A part, described whole. */
export type PartOf<Table extends PartTable> = {
  [Kind in keyof Table]: { type: Kind } & Settings<Table[Kind]>;
}[keyof Table];

/** A part as a caller writes it: its name alone, or with the settings that differ from the defaults. */
export type PartInput<Table extends PartTable> =
  | keyof Table
  | {
      [Kind in keyof Table]: { readonly type: Kind } & Readonly<Partial<Settings<Table[Kind]>>>;
    }[keyof Table];

/** Far above any sensible layer, far below what overflows an index. */
export const MAX_WIDTH = 1 << 24;

/** @throws TorchvaeError naming the field, what was expected and what came */
export function completePart<Table extends PartTable>(
  name: string,
  input: PartInput<Table>,
  table: Table,
): PartOf<Table> {
  const given = typeof input === 'string' ? { type: input } : input;
  if (typeof given !== 'object' || given === null) {
    throw new TorchvaeError('ERR_TYPE', expected(`one of ${Object.keys(table).join(', ')}`, name, input));
  }
  const everything = ['type', ...new Set(Object.values(table).flatMap((fields) => Object.keys(fields)))];
  const settings: Record<string, unknown> = checkOptions<object>(name, given, everything) as never;
  const kind = checkOneOf(`${name}.type`, settings.type, Object.keys(table));
  const fields = table[kind]!;
  for (const key of Object.keys(settings)) {
    if (key === 'type' || key in fields) continue;
    const others = Object.keys(table).filter((other) => key in table[other]!);
    throw new TorchvaeError(
      'ERR_RANGE',
      `${name}.${key} belongs to ${others.join(', ')}, not to ${kind}; leave it out`,
    );
  }
  const complete: Record<string, unknown> = { type: kind };
  for (const [key, read] of Object.entries(fields)) complete[key] = read(`${name}.${key}`, settings[key]);
  return complete as PartOf<Table>;
}

export function integer(standard: number, low: number, high = MAX_WIDTH): Field<number> {
  return (name, value) => checkInteger(name, (value ?? standard) as number, low, high);
}

export function number(standard: number, low: number, high: number): Field<number> {
  return (name, value) => checkNumber(name, (value ?? standard) as number, low, high);
}

export function flag(standard: boolean): Field<boolean> {
  return (name, value) => checkBoolean(name, value ?? standard);
}

export function oneOf<T extends string>(standard: T, ...others: T[]): Field<T> {
  return (name, value) => checkOneOf(name, (value ?? standard) as T, [standard, ...others]);
}

/** Widths of layers, in the order of computation. */
export function widths(standard: readonly number[], least = 0): Field<number[]> {
  return (name, value) => {
    const given = value ?? standard;
    if (!Array.isArray(given) || given.length > 1000 || given.length < least) {
      const what = least > 0 ? `an array of at least ${least} layer widths` : 'an array of layer widths';
      throw new TorchvaeError('ERR_TYPE', expected(what, name, given));
    }
    return Array.from(given, (n, i) => checkInteger(`${name}[${i}]`, n, 1, MAX_WIDTH));
  };
}
