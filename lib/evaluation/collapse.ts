import type { Dataset } from '../data/dataset.ts';
import { checkLabels } from '../model/classes.ts';
import type { Core } from '../model/core.ts';
import { checkFinite } from '../model/output.ts';
import type { NativeLatentStatistics } from '../runtime/native.ts';

/** How much of its code a model uses, over some examples. */
export interface LatentHealth {
  /** Dimensions of z whose posterior mean varies over the examples: Var_x(E_q[z]) > 0.01 (Burda et al. 2016). */
  activeUnits: number;
  /** Var_x(E_q[z]) of each dimension of z. */
  meanVariance: Float32Array;
  /** KL(q(z|x) || p(z)) of each dimension (or of all together, where there is no closed form), in nats. */
  klPerDimension: Float32Array;
  /**
   * I(x; z) under q in nats, with the aggregated posterior taken over these examples (Hoffman and Johnson 2016): at most the
   * logarithm of their number. Undefined where q(z|x) is no normal.
   */
  mutualInformation: number | undefined;
  /** Examples that it was taken over. */
  examples: number;
  /** What is to be said where most of z is unused. */
  alarm?: CollapseAlarm;
}

/** A latent space of which the model makes little use. */
export interface CollapseAlarm {
  /** `collapsed`: no dimension carries anything; `partly`: less than a quarter does. */
  degree: 'collapsed' | 'partly';
  message: string;
}

/** The variance of the posterior's mean from which a dimension counts as active (Burda et al. 2016, appendix C). */
export const ACTIVE_VARIANCE = 0.01;

/** Says where most of z is unused, and what to try; undefined where there is nothing to say. */
export function collapseAlarm(activeUnits: number, dimensions: number): CollapseAlarm | undefined {
  const remedy =
    'let beta warm up (objective.warmup), give each dimension free bits (objective.freeBits), lower beta, or weaken the ' +
    'decoder';
  if (activeUnits === 0) {
    return {
      degree: 'collapsed',
      message: `Posterior collapse: none of ${dimensions} dimensions of z carries anything of x; ${remedy}`,
    };
  }
  if (activeUnits >= dimensions / 4) return undefined;
  return {
    degree: 'partly',
    message:
      `${activeUnits} of ${dimensions} dimensions of z are in use; make z smaller, or, if reconstructions are poor, ` +
      remedy,
  };
}

/** Of a data set, with codes and dynamic binarization drawn from `seed`. */
export async function surveyLatents(core: Core, data: Dataset, seed: number): Promise<LatentHealth> {
  const values = data.drawn(seed);
  const labels = checkLabels('data', data.labels, core, data.length);
  const found = await core.call((addon, model) => addon.latentStatistics(model, values, seed, labels));
  checkFinite('meanVariance', found.meanVariance);
  checkFinite('klPerDimension', found.divergence);
  // The scale of points has no meaning, as no prior sets it; and one example does not vary.
  const hasScale = core.spec.posterior.type !== 'deterministic' && data.length > 1;
  return latentHealth(found, data.length, hasScale);
}

function latentHealth(
  { meanVariance, divergence, mutualInformation }: NativeLatentStatistics,
  examples: number,
  hasScale: boolean,
): LatentHealth {
  const activeUnits = meanVariance.filter((variance) => variance > ACTIVE_VARIANCE).length;
  const alarm = hasScale && collapseAlarm(activeUnits, meanVariance.length);
  return {
    activeUnits,
    meanVariance,
    klPerDimension: divergence,
    mutualInformation: Number.isNaN(mutualInformation) ? undefined : mutualInformation,
    examples,
    ...(alarm && { alarm }),
  };
}
