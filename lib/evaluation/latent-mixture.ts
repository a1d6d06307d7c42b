import { checkInteger, checkOptions } from '../check.ts';
import { Random } from '../data/random.ts';
import { encode, type Labeled } from '../model/codes.ts';
import type { Core } from '../model/core.ts';
import type { Examples, Tensor } from '../model/input.ts';
import { checkOutputSize } from '../model/output.ts';
import type { NativeMixture } from '../runtime/native.ts';

/** How a mixture is fitted. */
export interface MixtureOptions {
  /** Normal distributions with full covariances. Default 10. */
  components?: number;
  /** At most so many rounds of expectation and maximization. Default 100. */
  iterations?: number;
  /** Seed of the first centers. Default 0. */
  seed?: number;
}

/**
 * A mixture of normals over codes z, fitted after training: draws from it look more like the data than draws from a prior
 * that the codes do not fill (Ghosh et al. 2020, section 4).
 */
export class LatentMixture {
  /** [components]; they add up to 1. */
  readonly weights: Float64Array;
  /** [components, dimensions]. */
  readonly means: Float64Array;
  /** Lower Cholesky factors of the covariances, [components, dimensions, dimensions]. */
  readonly factors: Float64Array;
  /** Values in a code. */
  readonly dimensions: number;
  /** The mean over the codes that it was fitted to, in nats. */
  readonly logLikelihood: number;
  /** Rounds until the likelihood converged. */
  readonly iterations: number;

  constructor({ weights, means, factors, logLikelihood, iterations }: NativeMixture) {
    this.weights = weights;
    this.means = means;
    this.factors = factors;
    this.dimensions = means.length / weights.length;
    this.logLikelihood = logLikelihood;
    this.iterations = iterations;
  }

  /**
   * `count` codes, [count, dimensions]; the same seed (default 0) gives the same ones.
   *
   * @throws TorchvaeError ERR_TYPE, ERR_RANGE
   */
  sample(count: number, options: { seed?: number } = {}): Tensor {
    checkInteger('count', count, 1);
    checkOutputSize('count', count, this.dimensions);
    const { seed = 0 } = checkOptions('options of LatentMixture.sample', options, ['seed']);
    const random = new Random(checkInteger('seed', seed, 0));
    const { dimensions: d } = this;
    const data = new Float32Array(count * d);
    const noise = new Float64Array(d);
    for (let i = 0; i < count; i++) {
      const k = this.#component(random.uniform());
      for (let j = 0; j < d; j++) noise[j] = random.normal();
      for (let row = 0; row < d; row++) {
        let value = this.means[k * d + row]!;
        for (let j = 0; j <= row; j++) value += this.factors[(k * d + row) * d + j]! * noise[j]!;
        data[i * d + row] = value;
      }
    }
    return { data, shape: [count, d] };
  }

  /** The component at this share of the whole weight. */
  #component(share: number): number {
    let left = share;
    for (let k = 0; k < this.weights.length - 1; k++) {
      left -= this.weights[k]!;
      if (left < 0) return k;
    }
    return this.weights.length - 1;
  }
}

/** See `VAE.fitMixture`. */
export async function fitMixture(
  core: Core,
  x: Examples,
  options: Labeled & MixtureOptions,
): Promise<LatentMixture> {
  const known = ['labels', 'components', 'iterations', 'seed'];
  const given = checkOptions('options of fitMixture', options, known);
  const { components = 10, iterations = 100, seed = 0 } = given;
  checkInteger('components', components, 1, 1 << 12);
  checkInteger('iterations', iterations, 1);
  checkInteger('seed', seed, 0);
  const { mean } = await encode(core, x, given.labels ? { labels: given.labels } : {});
  // Rows of a table that cannot be read have no code.
  const codes = mean.data.filter((value) => !Number.isNaN(value));
  const { handle } = core.device;
  const fitted = await core.call((addon) =>
    addon.fitMixture(handle, codes, core.codeSize, components, iterations, seed),
  );
  return new LatentMixture(fitted);
}
