import { type FieldsOf, flag, integer, number, type Whole, widths } from './fields.ts';

/** q(z|x), as a caller writes it: its type, or its type and the settings that differ from the defaults. */
export type PosteriorInput =
  /** The diagonal normal, with mean and log-variance linear in the encoder's output (Kingma and Welling 2014). */
  | 'gaussian'
  | { type: 'gaussian' }
  /** A deterministic code, from which another perceptron makes the mean and log-deviation of a diagonal normal. */
  | 'sampling-network'
  | {
      type: 'sampling-network';
      /** Values in the code. Default 2. */
      codeSize?: number;
      /** Widths of the sampling network's hidden layers, relu. Default [128]. */
      hidden?: readonly number[];
    }
  /** A diagonal normal carried through an inverse autoregressive flow (Kingma et al. 2016). */
  | 'iaf'
  | {
      type: 'iaf';
      /** Masked perceptrons in a row. Default 2. */
      steps?: number;
      /** Width of their hidden layer. Default 128. */
      hidden?: number;
      /** Values that the encoder hands to all of them. Default 32. */
      context?: number;
    }
  /**
   * z = e mu + (1 - e) sigma with e ~ Bernoulli(1/2) for each dimension. It has no density: the KL divergence that is
   * reported and weighted is that of the normal with the same mu and sigma.
   */
  | 'bernoulli-mixed'
  | { type: 'bernoulli-mixed' }
  /** A deterministic code with noise from U(-1/2, 1/2) (as in learned compression, Balle et al. 2017). */
  | 'uniform-noise'
  | {
      type: 'uniform-noise';
      /** Batch normalization of the code. Default true. */
      batchNorm?: boolean;
    }
  /** latentSize variables of some categories each, relaxed while training (Jang et al. 2017; Maddison et al. 2017). */
  | 'gumbel-softmax'
  | {
      type: 'gumbel-softmax';
      /** Categories of each variable. Default 10. */
      categories?: number;
      /** Of the relaxation at the first step. Default 1. */
      temperature?: number;
      /** Of the relaxation in the end. Default 0.5. */
      finalTemperature?: number;
      /** Steps in which the temperature falls exponentially from one to the other. Default 10000. */
      temperatureSteps?: number;
    }
  /** Vectors of latentSize values, each replaced by the nearest of a learned codebook (van den Oord et al. 2017). */
  | 'vector-quantized'
  | {
      type: 'vector-quantized';
      /** Vectors in a code. Default 16. */
      positions?: number;
      /** Entries of the codebook. Default 64. */
      codes?: number;
      /** Weight of the term that draws vectors to their entries. Default 0.25. */
      commitment?: number;
      /** Of the moving averages that the codebook follows. Default 0.99. */
      decay?: number;
    }
  /** A point: for autoencoders that are regularized otherwise. There is no KL divergence. */
  | 'deterministic'
  | { type: 'deterministic' };

/** q(z|x) with all its settings. */
export type PosteriorSpec = Whole<PosteriorInput>;

export const POSTERIORS: FieldsOf<PosteriorSpec> = {
  gaussian: {},
  'sampling-network': { codeSize: integer(2, 1), hidden: widths([128]) },
  iaf: { steps: integer(2, 1, 64), hidden: integer(128, 1), context: integer(32, 1) },
  'bernoulli-mixed': {},
  'uniform-noise': { batchNorm: flag(true) },
  'gumbel-softmax': {
    categories: integer(10, 2),
    temperature: number(1, 1e-2, 100),
    finalTemperature: number(0.5, 1e-2, 100),
    temperatureSteps: integer(10000, 1, 2 ** 40),
  },
  'vector-quantized': {
    positions: integer(16, 1),
    codes: integer(64, 2),
    commitment: number(0.25, 0, 1e3),
    decay: number(0.99, 0, 1 - 1e-9),
  },
  deterministic: {},
};

/** Values in a code z. */
export function codeSize(posterior: PosteriorSpec, latentSize: number): number {
  switch (posterior.type) {
    case 'gumbel-softmax':
      return latentSize * posterior.categories;
    case 'vector-quantized':
      return latentSize * posterior.positions;
    default:
      return latentSize;
  }
}

const WITHOUT_DENSITY: readonly string[] = [
  'bernoulli-mixed',
  'gumbel-softmax',
  'vector-quantized',
  'deterministic',
] satisfies PosteriorSpec['type'][];

/** Whether q(z|x) has a density, which importance weights need. */
export function hasDensity({ type }: PosteriorSpec): boolean {
  return !WITHOUT_DENSITY.includes(type);
}
