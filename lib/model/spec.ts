import { checkInteger, checkNumber, checkOneOf, checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';

/** Elementwise nonlinearities. */
export type Activation = 'identity' | 'relu' | 'tanh' | 'sigmoid' | 'elu' | 'softplus';

/** A multilayer perceptron. */
export interface MlpSpec {
  type: 'mlp';
  /** Widths of the hidden layers, in the order of computation; none makes the network linear. */
  hidden: number[];
  /** After every hidden layer. */
  activation: Activation;
}

/** p(x|z). */
export type LikelihoodSpec =
  /** Cross-entropy with logits; for x in [0, 1]. */
  | { type: 'bernoulli' }
  /** A normal density of fixed standard deviation; for real x. */
  | { type: 'gaussian'; sigma: number };

/** loss = reconstruction + beta KL. */
export interface ObjectiveSpec {
  type: 'elbo';
  /** Weight of the KL divergence; 1 is the evidence lower bound, more a beta-VAE (Higgins et al. 2017). */
  beta: number;
}

/** A model, described whole: what a checkpoint carries. */
export interface ModelSpec {
  /** Of one example: `[channels, height, width]` for images, `[features]` for vectors. */
  inputShape: number[];
  /** x to the features that the posterior's parameters are linear in. */
  encoder: MlpSpec;
  /** Dimensions of z. */
  latentSize: number;
  /** q(z|x): `gaussian` is the diagonal normal, with mean and log-variance linear in the encoder's output. */
  posterior: 'gaussian';
  /** p(z): `standard-normal` is N(0, I). */
  prior: 'standard-normal';
  /** z to the features that the likelihood's parameters are linear in. */
  decoder: MlpSpec;
  likelihood: LikelihoodSpec;
  objective: ObjectiveSpec;
}

/** A {@link ModelSpec} as a caller writes it: what is not given has a default. */
export interface ModelSpecInput {
  /** Default `[1, 28, 28]`. */
  inputShape?: readonly number[];
  /** Default: one hidden layer of 400, relu. */
  encoder?: { type?: 'mlp'; hidden?: readonly number[]; activation?: Activation };
  /** Default 20. */
  latentSize?: number;
  /** Default `gaussian`. */
  posterior?: 'gaussian';
  /** Default `standard-normal`. */
  prior?: 'standard-normal';
  /** Default: the encoder mirrored. */
  decoder?: { type?: 'mlp'; hidden?: readonly number[]; activation?: Activation };
  /** Default Bernoulli. */
  likelihood?: { type: 'bernoulli' } | { type: 'gaussian'; sigma?: number };
  /** Default the ELBO, beta 1. */
  objective?: { type?: 'elbo'; beta?: number };
}

const ACTIVATIONS: readonly Activation[] = ['identity', 'relu', 'tanh', 'sigmoid', 'elu', 'softplus'];

/** Far above any sensible layer, far below what overflows an index. */
const MAX_WIDTH = 1 << 24;

/**
 * Fills in the defaults and checks every field.
 *
 * @throws TorchvaeError ERR_SPEC naming the field, what was expected and what came
 */
export function completeSpec(input: ModelSpecInput): ModelSpec {
  try {
    return complete(input);
  } catch (error) {
    if (error instanceof TorchvaeError && error.code !== 'ERR_SPEC') {
      throw new TorchvaeError('ERR_SPEC', error.message, { cause: error });
    }
    throw error;
  }
}

function complete(input: ModelSpecInput): ModelSpec {
  checkOptions('spec', input, [
    'inputShape',
    'encoder',
    'latentSize',
    'posterior',
    'prior',
    'decoder',
    'likelihood',
    'objective',
  ]);
  const encoder = completeNetwork('spec.encoder', input.encoder ?? {}, [400], 'relu');
  const mirrored = [...encoder.hidden].reverse();
  const spec: ModelSpec = {
    inputShape: completeShape(input.inputShape ?? [1, 28, 28]),
    encoder,
    latentSize: checkInteger('spec.latentSize', input.latentSize ?? 20, 1, MAX_WIDTH),
    posterior: checkOneOf('spec.posterior', input.posterior ?? 'gaussian', ['gaussian']),
    prior: checkOneOf('spec.prior', input.prior ?? 'standard-normal', ['standard-normal']),
    decoder: completeNetwork('spec.decoder', input.decoder ?? {}, mirrored, encoder.activation),
    likelihood: completeLikelihood(input.likelihood ?? { type: 'bernoulli' }),
    objective: completeObjective(input.objective ?? {}),
  };
  checkSize(spec);
  return spec;
}

function completeShape(shape: readonly number[]): number[] {
  if (!Array.isArray(shape) || shape.length === 0 || shape.length > 4) {
    throw new TorchvaeError('ERR_SPEC', expected('one to four positive integers', 'spec.inputShape', shape));
  }
  return shape.map((n, i) => checkInteger(`spec.inputShape[${i}]`, n, 1, MAX_WIDTH));
}

function completeNetwork(
  name: string,
  input: NonNullable<ModelSpecInput['encoder']>,
  hidden: number[],
  activation: Activation,
): MlpSpec {
  checkOptions(name, input, ['type', 'hidden', 'activation']);
  const widths = input.hidden ?? hidden;
  if (!Array.isArray(widths) || widths.length > 1000) {
    throw new TorchvaeError('ERR_SPEC', expected('an array of layer widths', `${name}.hidden`, widths));
  }
  return {
    type: checkOneOf(`${name}.type`, input.type ?? 'mlp', ['mlp']),
    hidden: widths.map((n, i) => checkInteger(`${name}.hidden[${i}]`, n, 1, MAX_WIDTH)),
    activation: checkOneOf(`${name}.activation`, input.activation ?? activation, ACTIVATIONS),
  };
}

function completeLikelihood(input: NonNullable<ModelSpecInput['likelihood']>): LikelihoodSpec {
  checkOptions('spec.likelihood', input, ['type', 'sigma']);
  const type = checkOneOf('spec.likelihood.type', input.type, ['bernoulli', 'gaussian']);
  if (type === 'gaussian') {
    const sigma = (input as { sigma?: number }).sigma ?? 1;
    return { type, sigma: checkNumber('spec.likelihood.sigma', sigma, 1e-6, 1e6) };
  }
  if ('sigma' in input) {
    throw new TorchvaeError(
      'ERR_SPEC',
      'spec.likelihood.sigma belongs to the gaussian likelihood; leave it out',
    );
  }
  return { type };
}

function completeObjective(input: NonNullable<ModelSpecInput['objective']>): ObjectiveSpec {
  checkOptions('spec.objective', input, ['type', 'beta']);
  return {
    type: checkOneOf('spec.objective.type', input.type ?? 'elbo', ['elbo']),
    beta: checkNumber('spec.objective.beta', input.beta ?? 1, 0, 1e6),
  };
}

/** A typing mistake in a width should not end as an allocation of all memory. */
function checkSize(spec: ModelSpec): void {
  const count = parameterCount(spec);
  const limit = 4e9;
  if (count > limit) {
    throw new TorchvaeError(
      'ERR_SPEC',
      `Expected at most ${limit} parameters for spec but its layers come to ${count}; make them narrower`,
    );
  }
}

/** The number of values in one example. */
export function inputSize(spec: Pick<ModelSpec, 'inputShape'>): number {
  return spec.inputShape.reduce((product, n) => product * n, 1);
}

/** The number of trained weights. */
export function parameterCount(spec: ModelSpec): number {
  const x = inputSize(spec);
  const chain = (widths: number[]) =>
    widths.slice(1).reduce((sum, width, i) => sum + (widths[i]! + 1) * width, 0);
  return (
    chain([x, ...spec.encoder.hidden, 2 * spec.latentSize]) +
    chain([spec.latentSize, ...spec.decoder.hidden, x])
  );
}
