import { timeText } from './cells.ts';
import type { Field, LabelField, NumericField } from './fields.ts';
import { elementName } from './vectors.ts';

/** A column and what it became. */
export interface ColumnSummary {
  readonly column: string;
  /** For people. */
  readonly became: string;
}

/** Categories that are named. */
const SHOWN = 8;

/** What columns became in a schema; the numbers of a vector come together. */
export function summariesOf(fields: readonly Field[]): ColumnSummary[] {
  const summaries: ColumnSummary[] = [];
  for (let i = 0; i < fields.length; ) {
    const vector = vectorAt(fields, i);
    summaries.push(
      vector.length > 1 ? vectorSummary(vector) : { column: fields[i]!.name, became: becameOf(fields[i]!) },
    );
    i += vector.length;
  }
  return summaries;
}

/** What the column of the labels became. */
export function labelSummary({ name, categories }: LabelField): ColumnSummary {
  return { column: name, became: `label, ${listOf(categories, 'classes')}` };
}

/** The numeric fields from this one on that are numbers of one vector, or the field alone. */
function vectorAt(fields: readonly Field[], first: number): readonly Field[] {
  const [, name] = /^(.*)\[0\]$/.exec(fields[first]!.name) ?? [];
  if (name === undefined) return [fields[first]!];
  const isNext = (field: Field | undefined, i: number) =>
    field?.type === 'numeric' && field.name === elementName(name, i);
  let length = 0;
  while (isNext(fields[first + length], length)) length++;
  return fields.slice(first, first + Math.max(1, length));
}

function vectorSummary(vector: readonly Field[]): ColumnSummary {
  const name = vector[0]!.name.slice(0, -'[0]'.length);
  const numbers = vector as readonly NumericField[];
  const min = Math.min(...numbers.map((field) => field.min));
  const max = Math.max(...numbers.map((field) => field.max));
  return { column: name, became: `vector of ${vector.length} numbers, ${min} to ${max}` };
}

function becameOf(field: Field): string {
  if (field.type === 'categorical') return `category, ${listOf(field.categories, 'values')}`;
  const { min, max } = field;
  if (field.type === 'date') {
    const [from, to] = [min, max].map((seconds) => timeText(seconds, field.precision));
    const periods = field.periods.length ? `with the ${field.periods.join(' and the ')}` : 'without a period';
    return `date, ${from} to ${to}, ${periods}`;
  }
  const { decimals } = field;
  const kind =
    decimals === undefined
      ? ''
      : decimals === 0
        ? ', whole'
        : `, ${decimals} decimal${decimals === 1 ? '' : 's'}`;
  const range = Math.abs(min) === Number.MAX_VALUE ? '' : `, ${min} to ${max}`;
  const zeros = field.zeros === undefined ? '' : `, or 0 (${Math.round(100 * field.zeros)}%)`;
  return `number${range}${kind}${zeros}`;
}

function listOf(names: readonly string[], what: string): string {
  const more = names.length > SHOWN ? `, ... (${names.length} ${what})` : '';
  return names.slice(0, SHOWN).join(', ') + more;
}
