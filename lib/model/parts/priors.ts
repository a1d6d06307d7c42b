import { integer, type PartInput, type PartOf, widths } from './fields.ts';

export const PRIORS = {
  /** N(0, I); if the prior is conditioned, a normal of learned mean and variance for each label (Sohn et al. 2015). */
  'standard-normal': {},
  /** A mixture of diagonal normals, all of it learned. */
  mixture: {
    /** Default 10. */
    components: integer(10, 1, 1 << 16),
  },
  /** A mixture of the posteriors of learned pseudo-inputs (Tomczak and Welling 2018). */
  vamp: {
    /** Pseudo-inputs. Default 500. */
    components: integer(500, 1, 1 << 16),
  },
  /** A flow of affine couplings over N(0, I) (Dinh et al. 2017). */
  realnvp: {
    /** Couplings. Default 4. */
    layers: integer(4, 1, 64),
    /** Widths of each coupling's hidden layers, tanh. Default [64]. */
    hidden: widths([64]),
  },
  /** Uniform over categories, for posteriors that have them; their default. */
  categorical: {},
} as const;

/** p(z). */
export type PriorSpec = PartOf<typeof PRIORS>;
/** A {@link PriorSpec} as a caller writes it. */
export type PriorInput = PartInput<typeof PRIORS>;
