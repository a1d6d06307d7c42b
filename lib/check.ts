import { types } from 'node:util';
import { TorchvaeError } from './errors.ts';
import { nearest } from './nearest.ts';

/** The value as it should appear in an error message: short, with its type. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string') {
    return `${JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)} of type string`;
  }
  if (types.isPromise(value)) return 'a promise, which is to be awaited';
  if (typeof value === 'object') {
    const name = value.constructor?.name ?? 'Object';
    return ArrayBuffer.isView(value) || Array.isArray(value)
      ? `${name} of length ${(value as ArrayLike<unknown>).length}`
      : `an instance of ${name}`;
  }
  if (typeof value === 'function') return `function ${value.name}`;
  return `${String(value)} of type ${typeof value}`;
}

/** The sentence of all argument errors: "Expected X for NAME but received VALUE of type T". */
export function expected(what: string, name: string, value: unknown): string {
  return `Expected ${what} for ${name} but received ${describeValue(value)}`;
}

/** Throws ERR_TYPE unless `value` is an integer, ERR_RANGE unless it lies in [min, max]. */
export function checkInteger(
  name: string,
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  const range =
    max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`;
  if (typeof value !== 'number') throw new TorchvaeError('ERR_TYPE', expected(range, name, value));
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new TorchvaeError('ERR_RANGE', expected(range, name, value));
  }
  return value;
}

/** Throws ERR_TYPE unless `value` is a number, ERR_RANGE unless it is finite and lies in [min, max]. */
export function checkNumber(name: string, value: unknown, min = -Infinity, max = Infinity): number {
  const range =
    min === -Infinity && max === Infinity
      ? 'a finite number'
      : max === Infinity
        ? `a number of at least ${min}`
        : `a number from ${min} to ${max}`;
  if (typeof value !== 'number') throw new TorchvaeError('ERR_TYPE', expected(range, name, value));
  if (!Number.isFinite(value) || value < min || value > max) {
    throw new TorchvaeError('ERR_RANGE', expected(range, name, value));
  }
  return value;
}

/** Throws ERR_TYPE unless `value` is true or false. */
export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new TorchvaeError('ERR_TYPE', expected('a boolean', name, value));
}

/** Throws ERR_TYPE unless `value` is a string, ERR_RANGE unless it is one of `choices`. */
export function checkOneOf<T extends string>(name: string, value: unknown, choices: readonly T[]): T {
  const range = `one of ${choices.join(', ')}`;
  if (typeof value !== 'string') throw new TorchvaeError('ERR_TYPE', expected(range, name, value));
  if (choices.includes(value as T)) return value as T;
  throw new TorchvaeError('ERR_RANGE', `${expected(range, name, value)}${suggestion(value, choices)}`);
}

/**
 * A copy of the options. Each is read once, so that the checked value is the one that is used. Throws ERR_TYPE unless `value` is
 * an object that can be read; ERR_RANGE for a key that is not in `known`.
 */
export function checkOptions<T extends object>(name: string, value: T, known: readonly string[]): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
    throw new TorchvaeError('ERR_TYPE', expected('an object', name, value));
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new TorchvaeError(
      'ERR_RANGE',
      `Unknown option ${unknown} in ${name}; known options are ${known.join(', ')}${suggestion(unknown, known)}`,
    );
  }
  const options: Record<string, unknown> = {};
  for (const key of known) {
    const given = readOption(name, value, key);
    if (given.has) options[key] = given.value;
  }
  return options as T;
}

/** One option, and whether the object has it. Throws ERR_TYPE where a getter or a proxy throws. */
export function readOption(name: string, value: object, key: string): { has: boolean; value: unknown } {
  try {
    const has = key in value;
    return { has, value: has ? (value as Record<string, unknown>)[key] : undefined };
  } catch (cause) {
    throw new TorchvaeError('ERR_TYPE', `Expected ${key} of ${name} to be readable: ${cause}`, { cause });
  }
}

/** The end of a message about an unknown word: the known one that was probably meant. */
function suggestion(word: string, known: readonly string[]): string {
  const meant = nearest(word, known);
  return meant === undefined ? '' : `; did you mean ${meant}?`;
}

/** Throws ERR_TYPE unless `value` is a path: a string that is not empty. */
export function checkPath(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new TorchvaeError('ERR_TYPE', expected('a path', name, value));
}

/** Throws ERR_TYPE unless `value` is undefined or a signal, of any realm. */
export function checkSignal(value: unknown): void {
  const signal = value as Partial<AbortSignal> | null | undefined;
  const isSignal = typeof signal?.aborted === 'boolean' && typeof signal.addEventListener === 'function';
  if (value !== undefined && !isSignal)
    throw new TorchvaeError('ERR_TYPE', expected('an AbortSignal', 'signal', value));
}

/** A copy without the keys whose value is undefined, so that defaults apply to them. */
export function defined<T extends object>(options: T): { [K in keyof T]: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
