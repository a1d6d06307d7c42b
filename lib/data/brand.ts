/**
 * Whether the value has the brand of a class. `instanceof` asks by identity, which a second copy of the package, or a test runner that
 * loads modules anew in another realm, does not share; brands are the same everywhere in a process.
 */
export function isBranded(brand: symbol, value: unknown): boolean {
  return typeof value === 'object' && value !== null && brand in value;
}
