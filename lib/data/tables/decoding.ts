import { timeText } from './cells.ts';
import type { Field } from './fields.ts';
import { roundTo } from './number-learner.ts';

/**
 * The cell that the values of a field stand for; of NaN, as a row that cannot be read has, a missing one: NaN or no text.
 *
 * @param isBounded whether numbers and dates are kept within those of the training rows
 */
export function decodeField(field: Field, values: Float32Array, isBounded: boolean): number | string {
  if (values.some(Number.isNaN)) return field.type === 'numeric' ? Number.NaN : '';
  if (field.type === 'categorical') {
    let best = 0;
    for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
    return field.categories[best]!;
  }
  if (field.type === 'numeric' && field.zeros !== undefined && values[1]! > 0.5) return 0;
  const value = values[0]! * field.scale + field.center;
  const bounded = isBounded ? Math.min(Math.max(value, field.min), field.max) : value;
  if (field.type === 'date') return timeText(bounded, field.precision);
  return field.decimals === undefined ? bounded : roundTo(bounded, field.decimals);
}
