import type { Parameter, Values } from '../space/parameter.ts';

/** A trial as samplers see it. */
export interface Observation {
  values: Values;
  state: 'complete' | 'pruned' | 'running';
  /** Each the less the better; empty unless complete. */
  losses: readonly number[];
  /** How many epochs it reported, and the last value, the less the better. */
  reported?: { epochs: number; loss: number };
}

/** How a search chooses the values of trials. */
export interface Sampler {
  /**
   * The values of a trial: a function of the seed, the trial's number and the history, so that a resumed study goes on as it
   * would have.
   */
  propose(number: number, history: readonly Observation[]): Values;
  /** How many different trials there are; Infinity where the sampler finds more. */
  readonly size: number;
}

/** The makers of samplers. */
export type SamplerMaker = (
  parameters: readonly Parameter[],
  options: { seed: number; gridPoints: number },
) => Sampler;
