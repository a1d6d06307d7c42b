import { type ObjectiveName, toMinimize } from './objectives.ts';
import type { Json, Values } from './space/parameter.ts';
import type { JournalTrial, TrialState } from './study/replay.ts';
import type { Study } from './study/study.ts';

/** One number that a trial was judged by. */
export interface TrialResult {
  objective: ObjectiveName;
  /** Of several seeds the mean. */
  value: number;
  /** Half the width of the mean's 95% confidence interval, where there were several seeds. */
  margin?: number;
}

/** A setting that a search tried. */
export interface Trial<V = Values> {
  /** From 0. */
  number: number;
  /** `waiting`: interrupted, or put in by another program; it is gone on with first. */
  state: TrialState;
  /** By the names of the parameters that are active. */
  values: V;
  /** In the order of the objectives; empty unless complete. */
  results: readonly TrialResult[];
  /** Epochs that it was trained for; of several seeds, by the first. */
  epochs: number;
  /** Its run directory; of several seeds the folder of those. */
  directory: string;
  /** Why it failed. */
  error?: string;
}

/** A trial of the study's file as callers see it. */
export function trialOf(study: Study, trial: JournalTrial): Trial {
  const { number, state, values = [], userAttributes, intermediate } = trial;
  const margins = Array.isArray(userAttributes.margins) ? (userAttributes.margins as Json[]) : [];
  return {
    number,
    state,
    values: study.valuesOf(trial),
    results:
      state === 'complete'
        ? study.definition.objectives.map((objective, i) => ({
            objective,
            value: values[i] ?? Number.NaN,
            ...(typeof margins[i] === 'number' && { margin: margins[i] }),
          }))
        : [],
    epochs: Math.max(0, Number(userAttributes.epochs ?? 0), ...intermediate.keys()),
    directory: study.directoryOf(number),
    ...(typeof userAttributes.error === 'string' && { error: userAttributes.error }),
  };
}

/** The completed trials that no other is better than by all objectives: of one objective, the best. */
export function bestOf<V>(trials: readonly Trial<V>[]): Trial<V>[] {
  const complete = trials.filter(({ results }) => results.length > 0);
  const losses = new Map(
    complete.map((trial) => [
      trial,
      toMinimize(
        trial.results.map(({ objective }) => objective),
        trial.results.map(({ value }) => value),
      ),
    ]),
  );
  const isBetter = (one: Trial<V>, other: Trial<V>) => {
    const [a, b] = [losses.get(one)!, losses.get(other)!];
    const isEqual = a.every((value, i) => value === b[i]);
    return isEqual ? one.number < other.number : a.every((value, i) => value <= b[i]!);
  };
  return complete.filter((trial) => !complete.some((other) => other !== trial && isBetter(other, trial)));
}
