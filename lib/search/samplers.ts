import { bayesianSampler } from './sampling/bayesian.ts';
import { gridSampler, sobolSampler } from './sampling/designs.ts';
import type { SamplerMaker } from './sampling/sampler.ts';

/** The samplers by their names. */
export const SAMPLERS = {
  bayesian: bayesianSampler,
  random: sobolSampler,
  grid: gridSampler,
} as const satisfies Record<string, SamplerMaker>;

/** How a search chooses: by a model of the trials so far, by an even spread, or every combination. */
export type SamplerName = keyof typeof SAMPLERS;
