import { checkOptions, defined, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import {
  completePart,
  type Field,
  type FieldsOf,
  integer,
  number,
  oneOf,
  type Whole,
  widths,
} from './fields.ts';

/** How beta grows to its full size. */
export interface Warmup {
  /**
   * `linear` rises evenly, `sigmoid` along a logistic curve (Bowman et al. 2016), `cyclical` rises evenly over the first
   * half of each cycle (Fu et al. 2019). Default linear.
   */
  shape?: 'linear' | 'sigmoid' | 'cyclical';
  /** Length of the warm-up in optimizer steps. */
  steps: number;
  /** Cycles of a cyclical warm-up. Default 4. */
  cycles?: number;
}

/** The nats that the divergence is held to (Burgess et al. 2018). */
export interface Capacity {
  /** Nats at the first step. Default 0. */
  from?: number;
  /** Nats in the end. */
  to: number;
  /** Optimizer steps in which the capacity rises linearly. */
  steps: number;
}

/** What training minimizes, as a caller writes it: its type, or the settings that differ from the defaults. Without a type, the elbo. */
export type ObjectiveInput =
  /** The evidence lower bound, with its weight beta. */
  | 'elbo'
  | {
      type?: 'elbo';
      /** Weight of the KL divergence; 1 is the evidence lower bound, more a beta-VAE (Higgins et al. 2017). Default 1. */
      beta?: number;
      /** Makes beta grow from 0 to its full size over the first steps. Default none. */
      warmup?: Warmup | null;
      /** Nats of divergence that each dimension may have at no cost (Kingma et al. 2016). Default 0. */
      freeBits?: number;
      /** Holds the divergence to so many nats, with beta as the strictness. Default none. */
      capacity?: Capacity | null;
    }
  /** The importance-weighted bound (Burda et al. 2016). */
  | 'iwae'
  | {
      type: 'iwae';
      /** Draws of z for each x. Default 5. */
      samples?: number;
    }
  /** The same bound with the doubly reparameterized gradient for the encoder (Tucker et al. 2019). */
  | 'dreg'
  | {
      type: 'dreg';
      /** Draws of z for each x. Default 5. */
      samples?: number;
    }
  /** The divergence in three parts, with beta on the total correlation (Chen et al. 2018). */
  | 'beta-tc'
  | {
      type: 'beta-tc';
      /** Weight of the total correlation. Default 1. */
      beta?: number;
      /** Makes beta grow from 0 to its full size over the first steps. Default none. */
      warmup?: Warmup | null;
      /** Weight of the mutual information between x and z. Default 1. */
      alpha?: number;
      /** Weight of the dimension-wise divergence. Default 1. */
      gamma?: number;
      /** How q(z) is estimated from a batch. Default stratified. */
      estimator?: 'stratified' | 'weighted';
    }
  /** The total correlation by a discriminator (Kim and Mnih 2018). */
  | 'factor'
  | {
      type: 'factor';
      /** Weight of the KL divergence. Default 1. */
      beta?: number;
      /** Makes beta grow from 0 to its full size over the first steps. Default none. */
      warmup?: Warmup | null;
      /** Weight of the total correlation. Default 10. */
      gamma?: number;
      /** Widths of the discriminator's hidden layers, leaky relu. Default [256, 256]. */
      hidden?: readonly number[];
      /** Learning rate of the discriminator's Adam. Default 1e-4. */
      learningRate?: number;
    }
  /** Codes whose covariance is pressed to the identity (Kumar et al. 2018). */
  | 'dip'
  | {
      type: 'dip';
      /** Weight of the KL divergence. Default 1. */
      beta?: number;
      /** Makes beta grow from 0 to its full size over the first steps. Default none. */
      warmup?: Warmup | null;
      /** 1 for the covariance of the means, 2 for that of the codes. Default 1. */
      variant?: number;
      /** Weight of the squares off the diagonal. Default 10. */
      offDiagonal?: number;
      /** Weight of the squared distances of the diagonal from 1. Default 5. */
      diagonal?: number;
    }
  /** InfoVAE: reconstruction + (1 - alpha) KL + (alpha + lambda - 1) MMD (Zhao et al. 2019). */
  | 'info'
  | {
      type: 'info';
      /** Weight of the KL divergence. Default 1. */
      beta?: number;
      /** Makes beta grow from 0 to its full size over the first steps. Default none. */
      warmup?: Warmup | null;
      /** Default 0. */
      alpha?: number;
      /** Default 100. */
      lambda?: number;
      /** Of the discrepancy: inverse multiquadratic (default) or Gaussian. */
      kernel?: 'imq' | 'rbf';
    }
  /** The Wasserstein autoencoder with the maximum mean discrepancy (Tolstikhin et al. 2018). */
  | 'wae-mmd'
  | {
      type: 'wae-mmd';
      /** Weight of the discrepancy. Default 10. */
      lambda?: number;
      /** Of the discrepancy: inverse multiquadratic (default) or Gaussian. */
      kernel?: 'imq' | 'rbf';
    }
  /** A VAE with a discriminator of images, whose features measure likeness (Larsen et al. 2016). */
  | 'vae-gan'
  | {
      type: 'vae-gan';
      /** Weight of the KL divergence. Default 1. */
      beta?: number;
      /** Makes beta grow from 0 to its full size over the first steps. Default none. */
      warmup?: Warmup | null;
      /** Weight of the likelihood of x. Default 1. */
      pixels?: number;
      /** Weight of the likeness of the discriminator's features. Default 1. */
      features?: number;
      /** Weight of the game in the decoder's loss. Default 1. */
      adversarial?: number;
      /** Widths of the discriminator's hidden layers, leaky relu. Default [256, 256]. */
      hidden?: readonly number[];
      /** Learning rate of the discriminator's Adam. Default 1e-4. */
      learningRate?: number;
    }
  /** The regularized autoencoder (Ghosh et al. 2020), with beta on half the code's squared norm. */
  | 'rae'
  | {
      type: 'rae';
      /** Weight of half the code's squared norm. Default 1. */
      beta?: number;
      /** Makes beta grow from 0 to its full size over the first steps. Default none. */
      warmup?: Warmup | null;
      /** Weight of the squared norm of the decoder's derivative. Default 0. */
      gradientPenalty?: number;
      /** Weight of the sum of the decoder's squared weights. Default 0. */
      weightPenalty?: number;
    };

/** What training minimizes, with all settings. */
export type ObjectiveSpec = Whole<ObjectiveInput>;

const warmup: Field<Required<Warmup> | null> = (name, value) => {
  if (value === undefined || value === null) return null;
  const { shape, steps, cycles } = settingsOf(name, value, ['shape', 'steps', 'cycles']);
  return {
    shape: oneOf('linear', 'sigmoid', 'cyclical')(`${name}.shape`, shape),
    steps: required(integer(1, 1, 2 ** 40))(`${name}.steps`, steps),
    cycles: integer(4, 1, 1e6)(`${name}.cycles`, cycles),
  };
};

const capacity: Field<Required<Capacity> | null> = (name, value) => {
  if (value === undefined || value === null) return null;
  const { from, to, steps } = settingsOf(name, value, ['from', 'to', 'steps']);
  return {
    from: number(0, 0, 1e6)(`${name}.from`, from),
    to: required(number(0, 0, 1e6))(`${name}.to`, to),
    steps: required(integer(1, 1, 2 ** 40))(`${name}.steps`, steps),
  };
};

const weighted = { beta: number(1, 0, 1e6), warmup } as const;
const opponent = { hidden: widths([256, 256], 1), learningRate: number(1e-4, 0, 1e3) } as const;
const kernel = oneOf('imq', 'rbf');

const OBJECTIVES: FieldsOf<ObjectiveSpec> = {
  elbo: { ...weighted, freeBits: number(0, 0, 1e3), capacity },
  iwae: { samples: integer(5, 1, 1 << 16) },
  dreg: { samples: integer(5, 1, 1 << 16) },
  'beta-tc': {
    ...weighted,
    alpha: number(1, 0, 1e6),
    gamma: number(1, 0, 1e6),
    estimator: oneOf('stratified', 'weighted'),
  },
  factor: { ...weighted, gamma: number(10, 0, 1e6), ...opponent },
  dip: {
    ...weighted,
    variant: integer(1, 1, 2),
    offDiagonal: number(10, 0, 1e6),
    diagonal: number(5, 0, 1e6),
  },
  info: { ...weighted, alpha: number(0, -1e6, 1e6), lambda: number(100, 0, 1e6), kernel },
  'wae-mmd': { lambda: number(10, 0, 1e6), kernel },
  'vae-gan': {
    ...weighted,
    pixels: number(1, 0, 1e6),
    features: number(1, 0, 1e6),
    adversarial: number(1, 0, 1e6),
    ...opponent,
  },
  rae: { ...weighted, gradientPenalty: number(0, 0, 1e6), weightPenalty: number(0, 0, 1e6) },
};

/** Without a type it is the elbo. */
export function completeObjective(name: string, input: unknown): ObjectiveSpec {
  const given =
    typeof input === 'object' && input !== null && !Array.isArray(input)
      ? { type: 'elbo', ...defined(input) }
      : input;
  return completePart<ObjectiveSpec>(name, given, OBJECTIVES);
}

/** The full weight of the divergence in an objective; 1 where it has none to choose. */
export function betaOf(objective: ObjectiveSpec): number {
  return 'beta' in objective ? objective.beta : 1;
}

function settingsOf(name: string, value: unknown, known: string[]): Record<string, unknown> {
  if (typeof value !== 'object') throw new TorchvaeError('ERR_TYPE', expected('an object', name, value));
  return checkOptions(name, value as Record<string, unknown>, known);
}

function required<T>(read: Field<T>): Field<T> {
  return (name, value) => {
    if (value !== undefined) return read(name, value);
    throw new TorchvaeError('ERR_TYPE', expected('a number', name, value));
  };
}
