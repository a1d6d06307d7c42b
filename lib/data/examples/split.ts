import { checkBoolean, checkNumber, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { Random } from '../random.ts';

/** The fractions of the parts, the training part first, from the two ways of asking for them. */
export function checkFractions(
  validation: number | undefined,
  fractions: readonly number[] | undefined,
): readonly number[] {
  if ((validation === undefined) === (fractions === undefined)) {
    throw new TorchvaeError('ERR_TYPE', 'Expected either validation or fractions for split, and not both');
  }
  const parts = fractions ?? [1 - checkNumber('validation', validation, 0, 1), validation!];
  if (!Array.isArray(parts) || parts.length < 2) {
    throw new TorchvaeError('ERR_TYPE', expected('an array of at least two numbers', 'fractions', fractions));
  }
  parts.forEach((fraction, i) => {
    checkNumber(fractions ? `fractions[${i}]` : 'validation', fraction, 0, 1);
  });
  const sum = parts.reduce((total, fraction) => total + fraction, 0);
  if (Math.abs(sum - 1) > 1e-9) {
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected numbers that add up to 1 for fractions but their sum is ${sum}`,
    );
  }
  return parts;
}

/** How a data set is divided. */
export interface SplitOptions {
  /** Default 0. The same seed divides the same way on every machine. */
  seed?: number;
  /** Whether every part holds each label in the same proportion, to within one example. Default false. */
  stratified?: boolean;
  /** Whether the parts follow one another in the order of the examples, as those of a series should. Default false: at random. */
  chronological?: boolean;
}

export const SPLIT_OPTIONS = ['seed', 'stratified', 'chronological'] as const;

/** @throws TorchvaeError ERR_TYPE; ERR_RANGE for options that exclude each other */
export function checkDivision({ seed = 0, stratified = false, chronological = false }: SplitOptions) {
  checkBoolean('stratified', stratified);
  checkBoolean('chronological', chronological);
  if (stratified && chronological) {
    throw new TorchvaeError(
      'ERR_RANGE',
      'A split is either stratified or chronological; leave one of them out',
    );
  }
  return { seed, stratified, chronological };
}

/**
 * Which of the examples 0 to `length` - 1 go into each part: one after the other, or drawn at random by `seed`, ascending within a part.
 * With `labels`, the examples of each label are divided separately.
 */
export function splitIndices(
  length: number,
  fractions: readonly number[],
  { seed, chronological }: { seed: number; chronological: boolean },
  labels?: Int32Array,
): Uint32Array[] {
  const order = chronological
    ? Uint32Array.from({ length }, (_, i) => i)
    : new Random(seed).permutation(length);
  const parts = fractions.map((): number[] => []);
  for (const group of labels ? groupByLabel(order, labels) : [order]) {
    let share = 0;
    let start = 0;
    fractions.forEach((fraction, part) => {
      share += fraction;
      const end = part === fractions.length - 1 ? group.length : Math.round(share * group.length);
      for (; start < end; start++) parts[part]!.push(group[start]!);
    });
  }
  return parts.map((indices) => Uint32Array.from(indices).sort());
}

function groupByLabel(order: Uint32Array, labels: Int32Array): number[][] {
  const groups = new Map<number, number[]>();
  for (const index of order) {
    const label = labels[index]!;
    const group = groups.get(label);
    if (group) group.push(index);
    else groups.set(label, [index]);
  }
  return [...groups.values()];
}

/** @throws TorchvaeError ERR_RANGE for a part without examples */
export function checkParts(
  parts: readonly { readonly length: number }[],
  fractions: readonly number[],
  length: number,
  name: string,
): void {
  const part = parts.findIndex((part) => part.length === 0);
  if (part < 0) return;
  const share = `fraction ${fractions[part]} of the ${length} examples of ${name}`;
  throw new TorchvaeError('ERR_RANGE', `Expected at least one example in every part, but ${share} is none`);
}
