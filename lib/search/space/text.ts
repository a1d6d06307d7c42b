import { TorchvaeError } from '../../errors.ts';
import type { Json } from './parameter.ts';

const FORMS = '0.5..8, 0.5..8:log, 2..64:int:log, 0..1:step=0.1, or values with commas between them';

/** What {@link parseParameter} makes of a text: the fields of a range, or choices. */
type Parsed = Record<string, unknown>;

/**
 * A parameter as the command line has it: `LOW..HIGH` with `:int`, `:log`, `:step=X` behind it, or values with commas between them;
 * then `@PARENT=VALUE` or `@PARENT=VALUE|VALUE` for each condition.
 *
 * @throws TorchvaeError ERR_RANGE for a text of another form
 */
export function parseParameter(label: string, text: string): Parsed {
  const [body, ...conditions] = text.split('@') as [string, ...string[]];
  const when = conditions.map((condition) => {
    const at = condition.indexOf('=');
    if (at < 1) throw malformed(label, text, 'a condition PARENT=VALUE behind @');
    return [
      condition.slice(0, at),
      condition
        .slice(at + 1)
        .split('|')
        .map(parseValue),
    ] as const;
  });
  return {
    ...(body.includes('..') && !/["[{]/.test(body) ? parseRange(label, body) : { choices: parseList(body) }),
    ...(when.length > 0 && { when: Object.fromEntries(when) }),
  };
}

/** Whether a text says what to search, rather than one value. */
export function isSearched(text: string): boolean {
  if (isJson(text)) return false;
  return text.includes('@') || text.includes('..') || text.includes(',');
}

/** JSON where it can be, else a word. */
export function parseValue(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

function parseRange(label: string, body: string): Parsed {
  const [ends, ...marks] = body.split(':') as [string, ...string[]];
  const [low, high, ...more] = ends.split('..');
  const isNumber = (end: string | undefined) => end?.trim() && Number.isFinite(Number(end));
  if (!isNumber(low) || !isNumber(high) || more.length > 0) throw malformed(label, body, FORMS);
  const range: Parsed = { low: Number(low), high: Number(high) };
  for (const mark of marks) {
    const step = /^step=(.+)$/.exec(mark)?.[1];
    if (mark === 'int' || mark === 'log') range[mark] = true;
    else if (isNumber(step)) range.step = Number(step);
    else throw malformed(label, body, 'one of int, log, step=X behind a colon');
  }
  return range;
}

/** Values with commas between them; those within brackets and quotes are not such commas. */
function parseList(body: string): Json[] {
  const whole = `[${body}]`;
  if (isJson(whole)) return JSON.parse(whole) as Json[];
  return body.split(',').map((value) => parseValue(value.trim()));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function malformed(label: string, text: string, what: string): TorchvaeError {
  return new TorchvaeError('ERR_RANGE', `Expected ${what} for ${label} but received ${text}`);
}
