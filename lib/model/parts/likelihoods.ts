import { type FieldsOf, integer, number, oneOf, type Whole } from './fields.ts';

/** p(x|z), as a caller writes it: its type, or its type and the settings that differ from the defaults. */
export type LikelihoodInput =
  /** Cross-entropy with logits; for x in [0, 1]. */
  | 'bernoulli'
  | { type: 'bernoulli' }
  /** The normalized density that extends it to all of [0, 1] (Loaiza-Ganem and Cunningham 2019). */
  | 'continuous-bernoulli'
  | { type: 'continuous-bernoulli' }
  /** A normal density; for real x. */
  | 'gaussian'
  | {
      type: 'gaussian';
      /** The standard deviation, or the one that learning begins from. Default 1. */
      sigma?: number;
      /** The scale is fixed (default), learned for all values together, learned for each, or given by the decoder. */
      scale?: 'fixed' | 'learned' | 'per-dimension' | 'predicted';
      /** What the decoder's output goes through to become the location; sigmoid for values in [0, 1]. Default identity. */
      link?: 'identity' | 'sigmoid';
    }
  /** The sum of squared errors, which is no density: the normal's exponent for sigma^2 = 1/2. For real x. */
  | 'squared-error'
  | {
      type: 'squared-error';
      /** What the decoder's output goes through to become the location; sigmoid for values in [0, 1]. Default identity. */
      link?: 'identity' | 'sigmoid';
    }
  /** A Laplace density; for real x. */
  | 'laplace'
  | {
      type: 'laplace';
      /** The density's b, or the one that learning begins from. Default 1. */
      sigma?: number;
      /** The scale is fixed (default), learned for all values together, learned for each, or given by the decoder. */
      scale?: 'fixed' | 'learned' | 'per-dimension' | 'predicted';
      /** What the decoder's output goes through to become the location; sigmoid for values in [0, 1]. Default identity. */
      link?: 'identity' | 'sigmoid';
    }
  /** A probability for each of the 256 levels of a byte; for x in [0, 1], rounded to them. */
  | 'categorical'
  | { type: 'categorical' }
  /** A mixture of logistic distributions, discretized to 256 levels (Salimans et al. 2017); for x in [0, 1]. */
  | 'logistic-mixture'
  | {
      type: 'logistic-mixture';
      /** Distributions for each value. Default 5. */
      components?: number;
    }
  /** A probability for each token of a vocabulary; for x in 0, ..., vocabulary - 1, such as text has. */
  | 'tokens'
  | {
      type: 'tokens';
      /** `categories` of a `TextSchema`. Default 256. */
      vocabulary?: number;
      /** Values of the vector that the encoder is shown for a token. Default 32. */
      embedding?: number;
    };

/** p(x|z) with all its settings. */
export type LikelihoodSpec = Whole<LikelihoodInput>;

const link = oneOf('identity', 'sigmoid');
const realValued = {
  sigma: number(1, 1e-6, 1e6),
  scale: oneOf('fixed', 'learned', 'per-dimension', 'predicted'),
  link,
} as const;

export const LIKELIHOODS: FieldsOf<LikelihoodSpec> = {
  bernoulli: {},
  'continuous-bernoulli': {},
  gaussian: realValued,
  'squared-error': { link },
  laplace: realValued,
  categorical: {},
  'logistic-mixture': { components: integer(5, 1, 256) },
  tokens: { vocabulary: integer(256, 2, 1 << 20), embedding: integer(32, 1, 1 << 14) },
};

/** The values of x that a likelihood is defined for. */
export interface Support {
  low: number;
  high: number;
  /** Whether x is whole numbers. */
  isWhole: boolean;
  /** The same in words, for messages. */
  range: string;
}

/** All finite numbers. */
export const FINITE: Support = {
  low: -Number.MAX_VALUE,
  high: Number.MAX_VALUE,
  isWhole: false,
  range: 'the finite numbers',
};

/** The data that a likelihood is defined for. */
export function support(likelihood: LikelihoodSpec): Support {
  switch (likelihood.type) {
    case 'gaussian':
    case 'squared-error':
    case 'laplace':
      return FINITE;
    case 'tokens': {
      const high = likelihood.vocabulary - 1;
      return { low: 0, high, isWhole: true, range: `the whole numbers from 0 to ${high}` };
    }
    default:
      return { low: 0, high: 1, isWhole: false, range: '[0, 1]' };
  }
}
