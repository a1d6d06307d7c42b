import { checkOneOf } from '../check.ts';
import type { ModelSpecInput } from './spec.ts';

/** How a preset is trained, as `VAE.fit` takes it. */
export interface TrainingSettings {
  epochs: number;
  batchSize: number;
  /** Adam's. */
  learningRate: number;
}

/** A named model with the settings it is known by. */
export interface Preset {
  /** One line for people. */
  summary: string;
  /** As `VAE.create` takes it. */
  spec: ModelSpecInput;
  /** As `VAE.fit` takes it. */
  training: TrainingSettings;
  /** Share of the training set to hold out for validation, as `Dataset.split` takes it; missing where the test set serves. */
  validation?: number;
}

/** A sum of squared errors of pixels in [0, 1]. */
const SQUARED_ERROR = { type: 'squared-error', link: 'sigmoid' } as const;
const relu = (...hidden: number[]) => ({ type: 'mlp', hidden, activation: 'relu' }) as const;

const PRESETS = {
  // Its description names a squared error alone. The KL divergence is added: without it, draws from N(0, I) would mean nothing.
  'mlp-128': {
    summary: '784-128-32-128-784, squared error, a tenth held out: the model for studies of gradients',
    spec: {
      encoder: relu(128),
      latentSize: 32,
      decoder: relu(128),
      likelihood: SQUARED_ERROR,
    },
    training: { epochs: 100, batchSize: 256, learningRate: 1e-3 },
    validation: 0.1,
  },
  'sampling-network': {
    summary: '784-128-64-2, a sampling network 2-128-(mu, log sigma) of size 2, 256-128-784; squared error',
    spec: {
      encoder: relu(128, 64),
      latentSize: 2,
      posterior: { type: 'sampling-network', codeSize: 2, hidden: [128] },
      decoder: relu(256, 128),
      likelihood: SQUARED_ERROR,
    },
    training: { epochs: 10, batchSize: 256, learningRate: 1e-3 },
  },
  // Its description leaves the width of z and the training open; they are those of mlp-400.
  linear: {
    summary:
      '784-(mu, log variance of 20)-784 without a hidden layer, Bernoulli: the model for studies of beta',
    spec: {
      encoder: relu(),
      latentSize: 20,
      decoder: relu(),
      likelihood: { type: 'bernoulli' },
    },
    training: { epochs: 10, batchSize: 128, learningRate: 1e-3 },
  },
  // The same holds here.
  'mlp-128-64': {
    summary: '784-128-64-20-64-128-784, Bernoulli: the model for variants',
    spec: {
      encoder: relu(128, 64),
      latentSize: 20,
      decoder: relu(64, 128),
      likelihood: { type: 'bernoulli' },
    },
    training: { epochs: 10, batchSize: 128, learningRate: 1e-3 },
  },
  // The batch-normalized code has a fixed scale, so that the noise bounds the information in it. The KL divergence therefore has
  // the weight 0; it is reported.
  'deep-bottleneck': {
    summary: '784-128-64-32-16-8-16-32-64-128-784, uniform noise on a batch-normalized code; squared error',
    spec: {
      encoder: relu(128, 64, 32, 16),
      latentSize: 8,
      posterior: { type: 'uniform-noise', batchNorm: true },
      decoder: relu(16, 32, 64, 128),
      likelihood: SQUARED_ERROR,
      objective: { beta: 0 },
    },
    training: { epochs: 10, batchSize: 32, learningRate: 1e-3 },
  },
  'mlp-400': {
    summary: '784-400-20-400-784, Bernoulli: the VAE example that ships with PyTorch',
    spec: {
      encoder: { type: 'mlp', hidden: [400], activation: 'relu' },
      latentSize: 20,
      decoder: { type: 'mlp', hidden: [400], activation: 'relu' },
      likelihood: { type: 'bernoulli' },
    },
    training: { epochs: 10, batchSize: 128, learningRate: 1e-3 },
  },
  conv: {
    summary: '28x28, convolutions of 32 and 64 channels (kernel 3, stride 2), latent 16, mirrored; Bernoulli',
    spec: {
      encoder: { type: 'conv', channels: [32, 64], kernel: 3, stride: 2, activation: 'relu' },
      latentSize: 16,
      decoder: { type: 'conv', channels: [64, 32], kernel: 3, stride: 2, activation: 'relu' },
      likelihood: { type: 'bernoulli' },
    },
    training: { epochs: 10, batchSize: 128, learningRate: 1e-3 },
  },
} satisfies Record<string, Preset>;

/** The names of the built-in models. */
export type PresetName = keyof typeof PRESETS;

/** The names of the built-in models, for lists and messages. */
export const presetNames = Object.keys(PRESETS) as PresetName[];

/**
 * A built-in model. The result is a copy, which the caller may change.
 *
 * @throws TorchvaeError ERR_RANGE for an unknown name, listing those there are
 */
export function preset(name: PresetName): Preset {
  return structuredClone<Preset>(PRESETS[checkOneOf('preset', name, presetNames)]);
}
