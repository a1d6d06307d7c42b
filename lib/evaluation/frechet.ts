import { checkInteger, checkOptions } from '../check.ts';
import type { Examples } from '../model/input.ts';
import { callAddon } from '../runtime/addon.ts';
import { Device, type DeviceName } from '../runtime/device.ts';
import { pointSets } from './point-sets.ts';

/** How the Frechet distance is computed. */
export interface FrechetOptions {
  /** Values in one example; needed where neither set says it. */
  columns?: number;
  /** Principal components of the reference that both sets are projected to; 0 for the values themselves. Default 64. */
  components?: number;
  /** Default `auto`. */
  device?: DeviceName;
}

/**
 * The Frechet distance (Frechet 1957; the form of Heusel et al. 2017, eq. 6) between the normals that have the moments of
 * two sets of examples, on the principal components of the first: |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)). It says which
 * of two sets of samples is closer to the data; it is not comparable with distances in the features of another network,
 * such as Inception's.
 *
 * @param reference the data
 * @param samples the draws to compare with it
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE for values that are not finite, ERR_SHAPE for sets of examples of different sizes, or
 * of fewer than two
 */
export async function frechetDistance(
  reference: Examples,
  samples: Examples,
  options: FrechetOptions = {},
): Promise<number> {
  const known = ['columns', 'components', 'device'];
  const given = checkOptions('options of frechetDistance', options, known);
  const sets = pointSets(reference, samples, given.columns, 2);
  const components = checkInteger('components', given.components ?? 64, 0);
  const { addon, handle } = Device.open(given.device ?? 'auto');
  return callAddon(() =>
    addon.frechetDistance(handle, sets.reference, sets.samples, sets.columns, components),
  );
}
