import { checkInteger, checkNumber, checkOptions, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { labelsIn } from '../../model/classes.ts';
import type { Labeled } from '../../model/codes.ts';
import type { Examples, Tensor } from '../../model/input.ts';
import type { VAE } from '../../vae.ts';

/** How {@link traverse} goes along the dimensions of z. */
export interface TraverseOptions {
  /** The dimensions, in the order in which they are shown. Default: all. */
  dimensions?: readonly number[];
  /** The first value. Default -3: three standard deviations of a normal prior. */
  from?: number;
  /** The last value. Default 3. */
  to?: number;
  /** Values from the first to the last. Default 11. */
  steps?: number;
}

/**
 * What each dimension of z stands for: the code of one example (the mean of q(z|x)) with one of its values replaced by others
 * from -3 to 3, decoded to the mean of p(x|z) (Higgins et al. 2017, figure 2).
 *
 * @param x one example, [1, ...inputShape]
 * @returns [dimensions, steps, ...inputShape]: `imageGrid(data, inputShape, { columns: steps })` shows a dimension in each row
 * @throws TorchvaeError ERR_STATE for a model whose codes are categories, ERR_SHAPE for more examples than one, ERR_RANGE for a
 * dimension that z does not have, and what `VAE.encode` throws
 */
export async function traverse(
  vae: VAE,
  x: Examples,
  options: TraverseOptions & Labeled = {},
): Promise<Tensor> {
  const known = ['dimensions', 'from', 'to', 'steps', 'labels'];
  const given = checkOptions('options of traverse', options, known);
  const from = checkNumber('from', given.from ?? -3, -1e6, 1e6);
  const to = checkNumber('to', given.to ?? 3, from, 1e6);
  const steps = checkInteger('steps', given.steps ?? 11, 2, 1000);
  const { posterior, inputShape } = vae.spec;
  if (!canTraverse(vae)) {
    throw new TorchvaeError(
      'ERR_STATE',
      `The codes of a ${posterior.type} posterior are categories, which have no values to go along; interpolate instead`,
    );
  }
  const labels = given.labels ?? labelsIn('x', x, vae);
  const { data: code, shape } = (await vae.encode(x, labels && { labels })).mean;
  const [examples, size] = shape as [number, number];
  if (examples !== 1)
    throw new TorchvaeError('ERR_SHAPE', `Expected one example for x but received ${examples}`);
  const dimensions = checkDimensions(given.dimensions, size);
  const codes = new Float32Array(dimensions.length * steps * size);
  dimensions.forEach((dimension, row) => {
    for (let step = 0; step < steps; step++) {
      const at = (row * steps + step) * size;
      codes.set(code, at);
      codes[at + dimension] = from + ((to - from) * step) / (steps - 1);
    }
  });
  const rows = dimensions.length * steps;
  const repeated = labels && vae.spec.condition && Array<number | string>(rows).fill(labels[0]!);
  const { data } = await vae.decode(codes, repeated && { labels: repeated });
  return { data, shape: [dimensions.length, steps, ...inputShape] };
}

/** Whether a dimension of the model's codes is a number, not a part of a category. */
export function canTraverse({ spec: { posterior } }: VAE): boolean {
  return posterior.type !== 'gumbel-softmax' && posterior.type !== 'vector-quantized';
}

function checkDimensions(given: readonly number[] | undefined, size: number): readonly number[] {
  if (given === undefined) return Array.from({ length: size }, (_, i) => i);
  if (!Array.isArray(given) || given.length === 0) {
    throw new TorchvaeError('ERR_TYPE', expected('an array of dimensions', 'dimensions', given));
  }
  return Array.from(given, (dimension, i) => checkInteger(`dimensions[${i}]`, dimension, 0, size - 1));
}
