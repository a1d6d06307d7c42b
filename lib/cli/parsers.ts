import { InvalidArgumentError } from 'commander';

/** A commander parser for an integer from `min` to `max`. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected an integer ${range}.`);
  };
}

/** A commander parser for a number from 0 to `max`. */
export function nonNegative(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= 0 && value <= max) return value;
    throw new InvalidArgumentError(`Expected a number from 0 to ${max}.`);
  };
}

/** A commander parser for a share: above 0 and below 1. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value < 1) return value;
  throw new InvalidArgumentError('Expected a number above 0 and below 1.');
}

/** A commander parser for an option that may be repeated. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** A commander parser for data, of which there is one: the last of several would be taken without a word. */
export function one(text: string, before: string | undefined): string {
  if (before === undefined) return text;
  throw new InvalidArgumentError(
    `It was given before as '${before}'; put several files into a folder and name that.`,
  );
}
