import { assignment } from '../search/settings.ts';
import type { Values } from '../search/space/parameter.ts';
import type { Trial, TrialResult } from '../search/trial.ts';
import { inFlags } from './flags.ts';

/** A trial in a line: its state, its results, its values. */
export function trialLine({ number, state, values, results, epochs, error }: Trial): string {
  const judged = results.map(resultText).join('  ');
  const parts = [
    `trial ${number}`,
    state.padEnd(8),
    ...(judged === '' ? [] : [judged]),
    valuesText(values),
    ...(epochs > 0 ? [`(${epochs} ${epochs === 1 ? 'epoch' : 'epochs'})`] : []),
    ...(error === undefined ? [] : [inFlags(error)]),
  ];
  return parts.join('  ');
}

/** `elbo -106.93 +- 0.41`. */
export function resultText({ objective, value, margin }: TrialResult): string {
  const digits = Number.isInteger(value) ? 0 : 2;
  return `${objective} ${value.toFixed(digits)}${margin === undefined ? '' : ` +- ${margin.toFixed(2)}`}`;
}

/** `beta=1.94  latentSize=8`. */
export function valuesText(values: Values): string {
  return Object.entries(values)
    .map(([name, value]) => {
      const shown = typeof value === 'number' ? Number(value.toPrecision(4)) : value;
      return `${name}=${assignment(name, shown).replace(/^[^=]*=/, '')}`;
    })
    .join('  ');
}
