import { checkInteger, checkOptions, expected } from '../check.ts';
import { Dataset } from '../data/dataset.ts';
import { TorchvaeError } from '../errors.ts';
import type { Examples, Tensor } from '../model/input.ts';
import { Device, type DeviceName } from '../runtime/device.ts';
import { unshared } from '../runtime/memory.ts';

/** How the Frechet distance is taken. */
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
 * @param samples what is held against it
 * @throws TorchvaeError ERR_SHAPE for sets of examples of different sizes, or of fewer than two
 */
export async function frechetDistance(
  reference: Examples | Tensor,
  samples: Examples | Tensor,
  options: FrechetOptions = {},
): Promise<number> {
  const known = ['columns', 'components', 'device'];
  const given = checkOptions('options of frechetDistance', options, known);
  const [ofReference, ofSamples] = [columnsOf(reference), columnsOf(samples)];
  const columns = given.columns ?? ofReference ?? ofSamples;
  if (columns === undefined) {
    throw new TorchvaeError('ERR_SHAPE', expected('the values in one example', 'columns', columns));
  }
  checkInteger('columns', columns, 1);
  const components = checkInteger('components', given.components ?? 64, 0);
  const { addon, handle } = Device.open(given.device ?? 'auto');
  const [a, b] = [valuesOf('reference', reference, columns), valuesOf('samples', samples, columns)];
  return addon.frechetDistance(handle, a, b, columns, components);
}

function columnsOf(x: Examples | Tensor): number | undefined {
  if (x instanceof Dataset) return x.size;
  if (!ArrayBuffer.isView(x) && !Array.isArray(x?.shape)) {
    throw new TorchvaeError(
      'ERR_TYPE',
      expected('a Dataset, Tensor, Float32Array or Uint8Array', 'reference or samples', x),
    );
  }
  return ArrayBuffer.isView(x) ? undefined : x.shape.slice(1).reduce((product, n) => product * n, 1);
}

function valuesOf(name: string, x: Examples | Tensor, columns: number): Float32Array | Uint8Array {
  const data = ArrayBuffer.isView(x) ? x : x.data;
  if (data.length >= 2 * columns && data.length % columns === 0) return unshared(data);
  throw new TorchvaeError('ERR_SHAPE', expected(`at least two examples of ${columns} values`, name, data));
}
