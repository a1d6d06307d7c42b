import { checkInteger, checkOptions } from '../check.ts';
import type { Examples } from '../model/input.ts';
import { callAddon } from '../runtime/addon.ts';
import { Device, type DeviceName } from '../runtime/device.ts';
import { pointSets } from './point-sets.ts';

/** How precision and recall are computed. */
export interface PrecisionRecallOptions {
  /** Values in one example; needed where neither set says it. */
  columns?: number;
  /** Principal components of the reference that both sets are projected to; 0 for the values themselves. Default 64. */
  components?: number;
  /** The nearest neighbor that the ball around each example reaches to. Default 5. */
  neighbors?: number;
  /** Default `auto`. */
  device?: DeviceName;
}

/** How samples lie relative to the data; shares from 0 to 1, except for the density. */
export interface PrecisionRecall {
  /** Samples that lie in the ball around some example: how many look like data (Kynkaanniemi et al. 2019, eq. 2). */
  precision: number;
  /** Examples that lie in the ball around some sample: how much of the data is drawn (the same, with the roles changed). */
  recall: number;
  /** Balls around examples that a sample lies in, over `neighbors`; about 1 for good samples (Naeem et al. 2020, eq. 5). */
  density: number;
  /** Examples whose ball holds a sample (Naeem et al. 2020, eq. 6). */
  coverage: number;
}

/**
 * Fidelity and diversity of samples apart: precision and recall, density and coverage, by balls around each point that reach
 * to its k-th nearest neighbor in its own set, on the principal components of the data. Like {@link frechetDistance}, these
 * compare models on one data set, and are not comparable with those in another network's features. Precision and recall
 * change with the number of points: take as many samples as examples. Time grows with the square of that; 10,000 take seconds.
 *
 * @param reference the data
 * @param samples the draws to compare with it
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE for values that are not finite, ERR_SHAPE for sets of examples of different sizes, or
 * of no more than `neighbors`
 */
export async function precisionRecall(
  reference: Examples,
  samples: Examples,
  options: PrecisionRecallOptions = {},
): Promise<PrecisionRecall> {
  const known = ['columns', 'components', 'neighbors', 'device'];
  const given = checkOptions('options of precisionRecall', options, known);
  const neighbors = checkInteger('neighbors', given.neighbors ?? 5, 1, 1 << 16);
  const components = checkInteger('components', given.components ?? 64, 0);
  const sets = pointSets(reference, samples, given.columns, neighbors + 1);
  const { addon, handle } = Device.open(given.device ?? 'auto');
  return callAddon(() =>
    addon.manifoldScores(handle, sets.reference, sets.samples, sets.columns, components, neighbors),
  );
}
