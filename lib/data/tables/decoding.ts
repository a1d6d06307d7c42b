import { timeText } from './cells.ts';
import type { DateField, Field, NumericField } from './fields.ts';
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
  const number = decodeNumber(field, values, isBounded);
  return field.type === 'date' ? timeText(number, field.precision) : number;
}

/** The number that the values of a field stand for, of a date its seconds. */
export function decodeNumber(
  field: NumericField | DateField,
  values: Float32Array,
  isBounded: boolean,
): number {
  if (field.type === 'numeric' && field.zeros !== undefined && values[1]! > 0.5) return 0;
  const value = values[0]! * field.scale + field.center;
  const bounded = isBounded ? Math.min(Math.max(value, field.min), field.max) : value;
  return field.type === 'date' || field.decimals === undefined ? bounded : roundTo(bounded, field.decimals);
}
