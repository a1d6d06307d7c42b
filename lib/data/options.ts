import { TorchvaeError } from '../errors.ts';

/** The options with these names. */
export function only<T extends object>(options: T, names: readonly string[]): T {
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name))) as T;
}

/**
 * An option of another kind of data is a mistake.
 *
 * @throws TorchvaeError ERR_RANGE for an option that is given and has none of these names
 */
export function refuseOthers(what: string, source: string, options: object, names: readonly string[]): void {
  const other = Object.entries(options).find(([name, value]) => value !== undefined && !names.includes(name));
  if (!other) return;
  throw new TorchvaeError(
    'ERR_RANGE',
    `The option ${other[0]} of ${what} has no meaning for ${source}; leave it out`,
  );
}
