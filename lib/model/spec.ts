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

/**
 * Convolutions of one kernel and stride; for images of one channel. Padding is (kernel - 1) / 2, so n pixels become
 * floor((n - 1) / stride) + 1. As a decoder it is a dense layer to the smallest image and transposed convolutions, which
 * undo the same sequence of sizes whatever the size of x.
 */
export interface ConvSpec {
  type: 'conv';
  /** Channels of the small image of each (transposed) convolution, in the order of computation. */
  channels: number[];
  /** Odd, in pixels. */
  kernel: number;
  /** In pixels. */
  stride: number;
  /** After every layer, but for a decoder's last. */
  activation: Activation;
}

/** A network. */
export type NetworkSpec = MlpSpec | ConvSpec;

/** A {@link NetworkSpec} as a caller writes it. */
export type NetworkSpecInput =
  | { type?: 'mlp'; hidden?: readonly number[]; activation?: Activation }
  | { type: 'conv'; channels?: readonly number[]; kernel?: number; stride?: number; activation?: Activation };

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
  encoder: NetworkSpec;
  /** Dimensions of z. */
  latentSize: number;
  /** q(z|x): `gaussian` is the diagonal normal, with mean and log-variance linear in the encoder's output. */
  posterior: 'gaussian';
  /** p(z): `standard-normal` is N(0, I). */
  prior: 'standard-normal';
  /** z to the features that the likelihood's parameters are linear in. */
  decoder: NetworkSpec;
  likelihood: LikelihoodSpec;
  objective: ObjectiveSpec;
}

/** A {@link ModelSpec} as a caller writes it: what is not given has a default. */
export interface ModelSpecInput {
  /** Default `[1, 28, 28]`. */
  inputShape?: readonly number[];
  /** Default: one hidden layer of 400, relu. */
  encoder?: NetworkSpecInput;
  /** Default 20. */
  latentSize?: number;
  /** Default `gaussian`. */
  posterior?: 'gaussian';
  /** Default `standard-normal`. */
  prior?: 'standard-normal';
  /** Default: the encoder mirrored. */
  decoder?: NetworkSpecInput;
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
  const encoder = completeNetwork('spec.encoder', input.encoder ?? {});
  const spec: ModelSpec = {
    inputShape: completeShape(input.inputShape ?? [1, 28, 28]),
    encoder,
    latentSize: checkInteger('spec.latentSize', input.latentSize ?? 20, 1, MAX_WIDTH),
    posterior: checkOneOf('spec.posterior', input.posterior ?? 'gaussian', ['gaussian']),
    prior: checkOneOf('spec.prior', input.prior ?? 'standard-normal', ['standard-normal']),
    decoder: completeNetwork('spec.decoder', input.decoder ?? {}, encoder),
    likelihood: completeLikelihood(input.likelihood ?? { type: 'bernoulli' }),
    objective: completeObjective(input.objective ?? {}),
  };
  checkImages(spec);
  checkSize(spec);
  return spec;
}

function completeShape(shape: readonly number[]): number[] {
  if (!Array.isArray(shape) || shape.length === 0 || shape.length > 4) {
    throw new TorchvaeError('ERR_SPEC', expected('one to four positive integers', 'spec.inputShape', shape));
  }
  return shape.map((n, i) => checkInteger(`spec.inputShape[${i}]`, n, 1, MAX_WIDTH));
}

/** A decoder that is not given is its encoder mirrored, and one of the same type takes from it what it leaves out. */
function completeNetwork(name: string, input: NetworkSpecInput, encoder?: NetworkSpec): NetworkSpec {
  const type = checkOneOf(`${name}.type`, input.type ?? encoder?.type ?? 'mlp', ['mlp', 'conv']);
  const activation = checkOneOf(
    `${name}.activation`,
    input.activation ?? encoder?.activation ?? 'relu',
    ACTIVATIONS,
  );
  return type === 'conv'
    ? completeConv(
        name,
        input as { channels?: number[] },
        activation,
        encoder?.type === 'conv' ? encoder : undefined,
      )
    : completeMlp(
        name,
        input as { hidden?: number[] },
        activation,
        encoder?.type === 'mlp' ? encoder : undefined,
      );
}

function completeMlp(
  name: string,
  input: { hidden?: readonly number[] },
  activation: Activation,
  mirrored?: MlpSpec,
): MlpSpec {
  checkOptions(name, input, ['type', 'hidden', 'activation']);
  const hidden = input.hidden ?? (mirrored ? [...mirrored.hidden].reverse() : [400]);
  return { type: 'mlp', hidden: completeWidths(`${name}.hidden`, hidden), activation };
}

function completeConv(
  name: string,
  input: { channels?: readonly number[]; kernel?: number; stride?: number },
  activation: Activation,
  mirrored?: ConvSpec,
): ConvSpec {
  checkOptions(name, input, ['type', 'channels', 'kernel', 'stride', 'activation']);
  const channels = input.channels ?? (mirrored ? [...mirrored.channels].reverse() : [32, 64]);
  const kernel = checkInteger(`${name}.kernel`, input.kernel ?? mirrored?.kernel ?? 3, 1, 31);
  if (kernel % 2 === 0)
    throw new TorchvaeError('ERR_SPEC', expected('an odd integer', `${name}.kernel`, kernel));
  const widths = completeWidths(`${name}.channels`, channels);
  if (widths.length === 0) {
    throw new TorchvaeError('ERR_SPEC', expected('at least one layer', `${name}.channels`, channels));
  }
  const stride = checkInteger(`${name}.stride`, input.stride ?? mirrored?.stride ?? 2, 1, 16);
  return { type: 'conv', channels: widths, kernel, stride, activation };
}

function completeWidths(name: string, widths: readonly number[]): number[] {
  if (!Array.isArray(widths) || widths.length > 1000) {
    throw new TorchvaeError('ERR_SPEC', expected('an array of layer widths', name, widths));
  }
  return widths.map((n, i) => checkInteger(`${name}[${i}]`, n, 1, MAX_WIDTH));
}

function checkImages({ inputShape, encoder, decoder }: ModelSpec): void {
  if (encoder.type !== 'conv' && decoder.type !== 'conv') return;
  if (inputShape.length === 3 && inputShape[0] === 1) return;
  throw new TorchvaeError(
    'ERR_SPEC',
    expected('[1, height, width], as a conv network needs,', 'spec.inputShape', inputShape),
  );
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
  const { latentSize } = spec;
  const chain = (widths: readonly number[]) =>
    widths.slice(1).reduce((sum, width, i) => sum + (widths[i]! + 1) * width, 0);
  const encoder =
    spec.encoder.type === 'mlp'
      ? chain([x, ...spec.encoder.hidden, 2 * latentSize])
      : convCount(spec.encoder, spec.inputShape, false) +
        chain([smallestSize(spec.encoder, spec.inputShape, spec.encoder.channels.at(-1)!), 2 * latentSize]);
  const decoder =
    spec.decoder.type === 'mlp'
      ? chain([latentSize, ...spec.decoder.hidden, x])
      : chain([latentSize, smallestSize(spec.decoder, spec.inputShape, spec.decoder.channels[0]!)]) +
        convCount(spec.decoder, spec.inputShape, true);
  return encoder + decoder;
}

/** Channels from x's down to the smallest image's. */
function downwards({ channels }: ConvSpec, [inputChannels]: readonly number[], isDecoder: boolean): number[] {
  return [inputChannels!, ...(isDecoder ? [...channels].reverse() : channels)];
}

/** The weights of the convolutions; a bias goes with the image that a layer makes. */
function convCount(network: ConvSpec, inputShape: readonly number[], isDecoder: boolean): number {
  const down = downwards(network, inputShape, isDecoder);
  return down
    .slice(1)
    .reduce(
      (sum, small, i) => sum + small * down[i]! * network.kernel ** 2 + (isDecoder ? down[i]! : small),
      0,
    );
}

/** Values in the smallest image, of `channels` channels. */
function smallestSize(network: ConvSpec, [, height, width]: readonly number[], channels: number): number {
  const shrink = (n: number) =>
    network.channels.reduce((size) => Math.floor((size - 1) / network.stride) + 1, n);
  return channels * shrink(height!) * shrink(width!);
}
