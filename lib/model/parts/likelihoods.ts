import { integer, number, oneOf, type PartInput, type PartOf } from './fields.ts';

const realValued = {
  /** The scale (a Gaussian's standard deviation, a Laplace's b), or the one that learning begins from. Default 1. */
  sigma: number(1, 1e-6, 1e6),
  /** Who sets the scale: it is fixed, learned for all values together, learned for each, or given by the decoder. */
  scale: oneOf('fixed', 'learned', 'per-dimension', 'predicted'),
  /** What the decoder's output goes through to become the location; sigmoid for values in [0, 1]. Default identity. */
  link: oneOf('identity', 'sigmoid'),
} as const;

export const LIKELIHOODS = {
  /** Cross-entropy with logits; for x in [0, 1]. */
  bernoulli: {},
  /** The normalised density that extends it to all of [0, 1] (Loaiza-Ganem and Cunningham 2019). */
  'continuous-bernoulli': {},
  /** A normal density; for real x. */
  gaussian: realValued,
  /** The sum of squared errors, which is no density: the normal's exponent for sigma^2 = 1/2. For real x. */
  'squared-error': { link: realValued.link },
  /** A Laplace density; for real x. */
  laplace: realValued,
  /** A probability for each of the 256 levels of a byte; for x in [0, 1], rounded to them. */
  categorical: {},
  /** A mixture of logistic distributions, discretised to 256 levels (Salimans et al. 2017); for x in [0, 1]. */
  'logistic-mixture': {
    /** Default 5. */
    components: integer(5, 1, 256),
  },
} as const;

/** p(x|z). */
export type LikelihoodSpec = PartOf<typeof LIKELIHOODS>;
/** A {@link LikelihoodSpec} as a caller writes it. */
export type LikelihoodInput = PartInput<typeof LIKELIHOODS>;

/** What data a likelihood can be asked about. */
export function support(likelihood: LikelihoodSpec): { isUnit: boolean; range: string } {
  const isUnit = !['gaussian', 'squared-error', 'laplace'].includes(likelihood.type);
  return { isUnit, range: isUnit ? '[0, 1]' : 'the finite numbers' };
}
