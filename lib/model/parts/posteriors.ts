import { flag, integer, number, type PartInput, type PartOf, widths } from './fields.ts';

export const POSTERIORS = {
  /** The diagonal normal, with mean and log-variance linear in the encoder's output (Kingma and Welling 2014). */
  gaussian: {},
  /** A deterministic code, of which a perceptron of its own makes the mean and log-deviation of a diagonal normal. */
  'sampling-network': {
    /** Values in the code. Default 2. */
    codeSize: integer(2, 1),
    /** Widths of the sampling network's hidden layers, relu. Default [128]. */
    hidden: widths([128]),
  },
  /** A diagonal normal carried through an inverse autoregressive flow (Kingma et al. 2016). */
  iaf: {
    /** Masked perceptrons in a row. Default 2. */
    steps: integer(2, 1, 64),
    /** Width of their hidden layer. Default 128. */
    hidden: integer(128, 1),
    /** Values that the encoder hands to all of them. Default 32. */
    context: integer(32, 1),
  },
  /**
   * z = e mu + (1 - e) sigma with e ~ Bernoulli(1/2) for each dimension. It has no density: the KL divergence that is
   * reported and weighted is that of the normal with the same mu and sigma.
   */
  'bernoulli-mixed': {},
  /** A deterministic code with noise from U(-1/2, 1/2) (as in learned compression, Balle et al. 2017). */
  'uniform-noise': {
    /** Batch normalization of the code. Default true. */
    batchNorm: flag(true),
  },
  /** latentSize variables of some categories each, relaxed while training (Jang et al. 2017; Maddison et al. 2017). */
  'gumbel-softmax': {
    /** Default 10. */
    categories: integer(10, 2),
    /** Of the relaxation at the first step. Default 1. */
    temperature: number(1, 1e-2, 100),
    /** Of the relaxation in the end. Default 0.5. */
    finalTemperature: number(0.5, 1e-2, 100),
    /** Steps in which the temperature falls exponentially from one to the other. Default 10000. */
    temperatureSteps: integer(10000, 1, 2 ** 40),
  },
  /** Vectors of latentSize values, each replaced by the nearest of a learned codebook (van den Oord et al. 2017). */
  'vector-quantized': {
    /** Vectors in a code. Default 16. */
    positions: integer(16, 1),
    /** Entries of the codebook. Default 64. */
    codes: integer(64, 2),
    /** Weight of the term that draws vectors to their entries. Default 0.25. */
    commitment: number(0.25, 0, 1e3),
    /** Of the moving averages that the codebook follows. Default 0.99. */
    decay: number(0.99, 0, 1 - 1e-9),
  },
  /** A point: for autoencoders that are regularized otherwise. There is no KL divergence. */
  deterministic: {},
} as const;

/** q(z|x). */
export type PosteriorSpec = PartOf<typeof POSTERIORS>;
/** A {@link PosteriorSpec} as a caller writes it. */
export type PosteriorInput = PartInput<typeof POSTERIORS>;

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
