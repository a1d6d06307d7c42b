import { checkOneOf } from '../check.ts';
import type { ModelSpecInput } from './spec.ts';

/** A named model with the settings it is known by. */
export interface Preset {
  /** One line for people. */
  summary: string;
  spec: ModelSpecInput;
  training: { epochs: number; batchSize: number; learningRate: number };
}

const PRESETS = {
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
} as const satisfies Record<string, Preset>;

/** The names of the built-in models. */
export type PresetName = keyof typeof PRESETS;

/** The names of the built-in models, for lists and messages. */
export const presetNames = Object.keys(PRESETS) as PresetName[];

/**
 * A built-in model.
 *
 * @throws TorchvaeError ERR_RANGE for an unknown name, listing those there are
 */
export function preset(name: PresetName): Preset {
  return PRESETS[checkOneOf('preset', name, presetNames)];
}
