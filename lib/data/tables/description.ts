import { timeText } from './cells.ts';
import type { Field, LabelField } from './fields.ts';

/** A column and what it became. */
export interface ColumnSummary {
  readonly column: string;
  /** For people. */
  readonly became: string;
}

/** Categories that are named. */
const SHOWN = 8;

/** What a column became in a schema. */
export function summaryOf(field: Field | (LabelField & { readonly type: 'label' })): ColumnSummary {
  return { column: field.name, became: becameOf(field) };
}

function becameOf(field: Field | (LabelField & { readonly type: 'label' })): string {
  if (field.type === 'label') return `label, ${listOf(field.categories, 'classes')}`;
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
  return `number${range}${kind}`;
}

function listOf(names: readonly string[], what: string): string {
  const more = names.length > SHOWN ? `, ... (${names.length} ${what})` : '';
  return names.slice(0, SHOWN).join(', ') + more;
}
