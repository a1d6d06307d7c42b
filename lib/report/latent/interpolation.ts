import { checkInteger, checkOneOf, checkOptions } from '../../check.ts';
import { Dataset } from '../../data/dataset.ts';
import { TorchvaeError } from '../../errors.ts';
import { labelsIn } from '../../model/classes.ts';
import type { Labeled } from '../../model/codes.ts';
import type { Examples, Tensor } from '../../model/input.ts';
import type { VAE } from '../../vae.ts';

/** How {@link interpolate} goes from one code to another. */
export interface InterpolateOptions {
  /** Images from an end to the other, both counted. Default 10. */
  steps?: number;
  /**
   * `linear`, or `spherical` along a great circle, which keeps to the distance from the origin that codes of a normal prior
   * have (White 2016). Default `linear`.
   */
  path?: 'linear' | 'spherical';
}

/**
 * What lies between examples: the means of q(z|x) of each two, and codes evenly between them, decoded to the mean of p(x|z).
 *
 * @param from [n, ...inputShape]
 * @param to as many
 * @param options.labels for a conditioned model, of `from`, of all that lies between, and of `to` unless that is a data set with
 * labels; default those of the data set `from`
 * @returns [n, steps, ...inputShape]: `imageGrid(data, inputShape, { columns: steps })` shows a pair in each row
 * @throws TorchvaeError ERR_SHAPE for another number of examples in `to`, and what `VAE.encode` throws
 */
export async function interpolate(
  vae: VAE,
  from: Examples,
  to: Examples,
  options: InterpolateOptions & Labeled = {},
): Promise<Tensor> {
  const given = checkOptions('options of interpolate', options, ['steps', 'path', 'labels']);
  const steps = checkInteger('steps', given.steps ?? 10, 2, 1000);
  const path = checkOneOf('path', given.path ?? 'linear', ['linear', 'spherical']);
  const labels = given.labels ?? labelsIn('from', from, vae);
  const start = (await vae.encode(from, labels && { labels })).mean;
  const ends = to instanceof Dataset && to.labels ? {} : labels && { labels };
  const end = (await vae.encode(to, ends)).mean;
  const [pairs, size] = start.shape as [number, number];
  if (end.shape[0] !== pairs) {
    throw new TorchvaeError(
      'ERR_SHAPE',
      `Expected as many examples in to as in from, ${pairs}, but received ${end.shape[0]}`,
    );
  }
  const codes = new Float32Array(pairs * steps * size);
  const between = path === 'linear' ? linear : spherical;
  for (let pair = 0; pair < pairs; pair++) {
    const [a, b] = [start, end].map(({ data }) => data.subarray(pair * size, (pair + 1) * size));
    for (let step = 0; step < steps; step++)
      codes.set(between(a!, b!, step / (steps - 1)), (pair * steps + step) * size);
  }
  const repeated =
    labels &&
    vae.spec.condition &&
    Array.from({ length: pairs * steps }, (_, i) => labels[Math.floor(i / steps)]!);
  const { data } = await vae.decode(codes, repeated && { labels: repeated });
  return { data, shape: [pairs, steps, ...vae.spec.inputShape] };
}

function linear(a: Float32Array, b: Float32Array, t: number): Float32Array {
  return a.map((value, i) => (1 - t) * value + t * b[i]!);
}

/** In float64, in which no product of two float32 numbers overflows. */
function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

/** Along the great circle of the directions, with lengths that go evenly from one to the other. */
function spherical(a: Float32Array, b: Float32Array, t: number): Float32Array {
  const [lengthA, lengthB] = [Math.sqrt(dot(a, a)), Math.sqrt(dot(b, b))];
  const cosine = Math.min(1, Math.max(-1, dot(a, b) / (lengthA * lengthB)));
  const angle = Math.acos(cosine);
  // No direction, one direction, or opposite ones, between which no great circle is the shortest.
  if (!(Math.sin(angle) > 1e-6)) return linear(a, b, t);
  const length = (1 - t) * lengthA + t * lengthB;
  const [wa, wb] = [Math.sin((1 - t) * angle), Math.sin(t * angle)].map(
    (w) => (w / Math.sin(angle)) * length,
  );
  return a.map((value, i) => (wa! * value) / lengthA + (wb! * b[i]!) / lengthB);
}
