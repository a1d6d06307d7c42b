import { objectOf } from '../../report/epochs.ts';
import { isActive, type Json, type Parameter, type Values, valueAt } from '../space/parameter.ts';
import type { JournalTrial } from './replay.ts';

/** Workers in a row that took up a trial and came to no epoch. */
export function attemptsAt({ userAttributes, intermediate }: JournalTrial): number {
  const { workers = 1, epochs = 0 } = objectOf(userAttributes.attempts) ?? {};
  return intermediate.size > Number(epochs) ? 0 : Number(workers);
}

/** Given values where there are any, else those proposed, for the parameters that are active then. */
export function completed(parameters: readonly Parameter[], given: Values, proposed: Values): Values {
  const values: Record<string, Json> = {};
  for (const parameter of parameters) {
    if (!isActive(parameter, values)) continue;
    values[parameter.name] = given[parameter.name] ?? proposed[parameter.name] ?? valueAt(parameter, 0.5);
  }
  return values;
}

/** As Python reads it in all versions. */
export function now(): string {
  return new Date().toISOString().replace('Z', '000+00:00');
}
