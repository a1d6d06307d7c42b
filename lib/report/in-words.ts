/** A value of JSON for people: `mlp; hidden 400; activation relu` for `{ type: 'mlp', hidden: [400], activation: 'relu' }`. */
export function inWords(value: unknown): string {
  if (value === null) return 'none';
  if (Array.isArray(value)) return value.length > 0 ? value.map(inWords).join(', ') : 'none';
  if (typeof value === 'object') {
    const { type, ...rest } = value as Record<string, unknown>;
    const settings = Object.entries(rest)
      .filter(([, setting]) => setting !== undefined)
      .map(([name, setting]) => `${name} ${nested(setting)}`)
      .join('; ');
    if (type === undefined) return settings;
    return settings === '' ? inWords(type) : `${inWords(type)}; ${settings}`;
  }
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
}

function nested(value: unknown): string {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? `(${inWords(value)})`
    : inWords(value);
}

/** `inputShape` as `input shape`, for all names of an object. */
export function namesInWords(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const spaced = (name: string) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [spaced(name), value]));
}
