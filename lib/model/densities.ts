import { checkInteger, checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { withKnownLabels } from './classes.ts';
import { type Labeled, readExamples } from './codes.ts';
import type { Core } from './core.ts';
import { checkCodes, type Examples, type Tensor } from './input.ts';
import { askRows } from './odd-rows.ts';
import { infiniteForNaN } from './output.ts';

/** How one draw of z for each example is made. */
export interface NoiseOptions extends Labeled {
  /** [n, size of z], for z = mean + exp(logVariance / 2) noise. Default: drawn from `seed`. */
  noise?: Float32Array;
  /** Seed of the noise, where it is drawn; default 0. */
  seed?: number;
}

/**
 * The terms of the loss for each example, in nats, each [n]; +Infinity for an example so far from the training data that its density
 * vanishes, and for a row of a table that cannot be read (`Dataset.cells` counts what is unseen); NaN for one that holds NaN or an infinity.
 */
export interface LossesPerExample {
  /** -log p(x|z). */
  reconstruction: Float32Array;
  /** KL(q(z|x) || p(z)). */
  kl: Float32Array;
}

/** Examples as the addon takes them, with the noise of one draw of z each, or the seed of that noise. */
export function readWithNoise(core: Core, method: string, x: Examples, options: NoiseOptions) {
  const given = checkOptions(`options of ${method}`, options, ['noise', 'seed', 'labels']);
  const { values, labels, rows, seed } = readExamples(core, x, given);
  if (given.noise === undefined) return { values, noise: seed, labels };
  const noise = checkCodes('noise', given.noise, core.spec);
  const wanted = rows * core.codeSize;
  if (noise.length !== wanted) {
    throw new TorchvaeError(
      'ERR_SHAPE',
      expected(`${wanted} values, the size of z for each example,`, 'noise', noise),
    );
  }
  return { values, noise, labels };
}

/** See `VAE.lossesPerExample`. */
export async function lossesPerExample(
  core: Core,
  x: Examples,
  options: NoiseOptions,
): Promise<LossesPerExample> {
  return askRows(
    core,
    withKnownLabels(x, core, options?.labels),
    (readable) => lossesOf(core, readWithNoise(core, 'lossesPerExample', readable, options)),
    ({ reconstruction, kl }, row, value) => {
      reconstruction[row] = value;
      kl[row] = value;
    },
  );
}

/** The losses of examples that {@link readWithNoise} has checked. */
async function lossesOf(
  core: Core,
  { values, noise, labels }: ReturnType<typeof readWithNoise>,
): Promise<LossesPerExample> {
  const { reconstruction, kl } = await core.call((addon, handle) =>
    addon.losses(handle, values, noise, labels),
  );
  return { reconstruction: infiniteForNaN(reconstruction), kl: infiniteForNaN(kl) };
}

/** See `VAE.negativeLogLikelihood`. */
export async function negativeLogLikelihood(
  core: Core,
  x: Examples,
  options: Labeled & { samples?: number; seed?: number },
): Promise<Float32Array> {
  const known = ['labels', 'samples', 'seed'];
  const given = checkOptions('options of negativeLogLikelihood', options, known);
  const { samples = 5000 } = given;
  checkInteger('samples', samples, 1, 1 << 24);
  const ask = async (readable: Examples) => {
    const { values, labels, seed } = readExamples(core, readable, given);
    return infiniteForNaN(
      await core.call((addon, handle) => addon.importance(handle, values, samples, seed, labels)),
    );
  };
  return askRows(core, withKnownLabels(x, core, given.labels), ask, (result, row, value) => {
    result[row] = value;
  });
}

/** See `VAE.divergences`. */
export async function divergences(
  core: Core,
  x: Examples,
  options: Labeled & { seed?: number },
): Promise<Tensor> {
  const given = checkOptions('options of divergences', options, ['labels', 'seed']);
  const ask = async (readable: Examples): Promise<Tensor> => {
    const { values, labels, rows, seed } = readExamples(core, readable, given);
    const result = await core.call((addon, handle) => addon.divergences(handle, values, seed, labels));
    return { data: infiniteForNaN(result.values), shape: [rows, result.groups] };
  };
  return askRows(
    core,
    withKnownLabels(x, core, given.labels),
    ask,
    ({ data, shape: [, groups] }, row, value) => {
      data.fill(value, row * groups!, (row + 1) * groups!);
    },
  );
}
