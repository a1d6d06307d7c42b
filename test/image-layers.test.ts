/**
 * Convolutions and normalizations of models that are not fused as a whole: the CPU's kernels in float32 beside libtorch's
 * operations and derivatives in float64.
 */
import { describe, expect, test } from 'vitest';
import { Dataset, type ModelSpecInput, VAE } from '../lib/index.ts';
import { relativeError } from './support/fixture.ts';

const ROWS = 11;
const image = (type: 'conv' | 'residual', rest: object = {}): ModelSpecInput => ({
  inputShape: [3, 9, 7],
  encoder: { type, channels: [5, 18], ...rest },
  decoder: { type, channels: [18, 5], ...rest },
  latentSize: 4,
});
const perceptron = (rest: object): ModelSpecInput => ({
  inputShape: [3, 9, 7],
  encoder: { type: 'mlp', hidden: [40], ...rest },
  decoder: { type: 'mlp', hidden: [19], ...rest },
  latentSize: 4,
});

const CASES: [string, ModelSpecInput][] = [
  ['convolutions of several channels', image('conv')],
  ['a kernel of five pixels, no change of size', image('conv', { kernel: 5, stride: 1 })],
  ['residual blocks', image('residual')],
  [
    'labels',
    { ...image('residual', { norm: 'batch' }), condition: { classes: 3, encoder: true, decoder: true } },
  ],
  ['batch norm in convolutions', image('conv', { norm: 'batch' })],
  ['layer norm between convolutions', image('conv', { norm: 'layer' })],
  ['batch norm, an activation whose slope is kept', image('residual', { norm: 'batch', activation: 'gelu' })],
  ['batch norm in perceptrons', perceptron({ norm: 'batch' })],
  ['layer norm in residual blocks', image('residual', { norm: 'layer', activation: 'tanh' })],
  [
    'layer norm in residual blocks, an activation whose slope is kept',
    image('residual', { norm: 'layer', activation: 'gelu' }),
  ],
  ['layer norm in perceptrons', perceptron({ norm: 'layer' })],
  ['layer norm in wide perceptrons', perceptron({ hidden: [5000], norm: 'layer', activation: 'gelu' })],
];

/** [rows, 3, 9, 7] without a pattern; away from zero, so that variances are differences of larger numbers. */
const x = Float32Array.from({ length: ROWS * 189 }, (_, i) => 3 + 0.5 * Math.sin(12.9898 * (i + 1)));
const labels = Int32Array.from({ length: ROWS }, (_, i) => i % 3);
const data = Dataset.from(x, { shape: [3, 9, 7], labels });

async function create(spec: ModelSpecInput, precision: 'float32' | 'float64') {
  const likelihood = { type: 'gaussian' as const, sigma: 1 };
  return VAE.create({
    spec: { ...spec, likelihood },
    kernels: 'reference',
    seed: 3,
    device: 'cpu',
    precision,
  });
}

describe.each(CASES)('%s', (_, spec) => {
  const given = spec.condition ? { labels } : {};

  test('losses and gradients', async () => {
    using came = await create(spec, 'float32');
    using wanted = await create(spec, 'float64');
    const [ours, theirs] = [
      await came.gradients(x, { seed: 5, ...given }),
      await wanted.gradients(x, { seed: 5, ...given }),
    ];
    expect(ours.loss / theirs.loss).toBeCloseTo(1, 5);
    let largest = 0;
    for (const { data } of theirs.gradients.values()) {
      for (const value of data) largest = Math.max(largest, Math.abs(value));
    }
    for (const [name, { data: gradient }] of theirs.gradients) {
      // What is before a normalization has no influence through its bias: there are only rounding errors to compare.
      if (gradient.every((value) => Math.abs(value) < 1e-6 * largest)) continue;
      expect(relativeError(ours.gradients.get(name)!.data, gradient), name).toBeLessThan(1e-3);
    }
  });

  test('running statistics, and what they make of an example after training', async () => {
    using came = await create(spec, 'float32');
    using wanted = await create(spec, 'float64');
    const noise = new Float32Array(ROWS * 4);
    const after = async (vae: VAE) => {
      // A batch of six and one of five; no weight moves far.
      for await (const _ of vae.fit(data, { epochs: 2, batchSize: 6, learningRate: 1e-6 }));
      return { tensors: await vae.parameters(), losses: await vae.lossesPerExample(x, { noise, ...given }) };
    };
    const [ours, theirs] = [await after(came), await after(wanted)];
    for (const [name, { data: values }] of theirs.tensors) {
      if (!name.includes('running_')) continue;
      expect(relativeError(ours.tensors.get(name)!.data, values), name).toBeLessThan(1e-4);
    }
    expect(relativeError(ours.losses.reconstruction, theirs.losses.reconstruction)).toBeLessThan(1e-4);
    expect(relativeError(ours.losses.kl, theirs.losses.kl)).toBeLessThan(1e-3);
  });
});
