/**
 * Convolutions of 3 x 3 that divide nothing, of channels that fill a register: float32 beside libtorch's in float64, for
 * images whose sides are even and odd, channels of whole registers and others, fewer and more images than sums.
 */
import { expect, test } from 'vitest';
import { type ModelSpecInput, VAE } from '../lib/index.ts';
import { relativeError } from './support/fixture.ts';

type Shape = [channels: number, height: number, width: number];

const spec = (shape: Shape, type: 'conv' | 'residual', channels: number[]): ModelSpecInput => ({
  inputShape: shape,
  encoder: { type, channels, stride: 1, activation: 'silu' },
  decoder: { type: 'mlp', hidden: [24] },
  latentSize: 3,
  likelihood: { type: 'gaussian', sigma: 1 },
});

const CASES: [string, number, ModelSpecInput][] = [
  ['even sides, whole registers', 7, spec([16, 6, 4], 'conv', [32, 16])],
  ['odd sides, other channels', 53, spec([17, 5, 7], 'conv', [35, 20])],
  ['one row of pixels', 33, spec([2, 1, 6], 'conv', [16, 48])],
  ['one pixel', 100, spec([16, 1, 1], 'residual', [18])],
  ['large images, sums beside', 18, spec([3, 14, 15], 'residual', [16, 65])],
];

test.each(CASES)('%s', async (_, rows, model) => {
  const size = model.inputShape!.reduce((a, b) => a * b);
  const x = Float32Array.from({ length: rows * size }, (_, i) => Math.sin(12.9898 * (i + 1)));
  const gradients = async (precision: 'float32' | 'float64') => {
    using vae = await VAE.create({ spec: model, kernels: 'reference', seed: 3, device: 'cpu', precision });
    return await vae.gradients(x, { seed: 5 });
  };
  const [ours, again, theirs] = [
    await gradients('float32'),
    await gradients('float32'),
    await gradients('float64'),
  ];
  expect(ours.loss / theirs.loss).toBeCloseTo(1, 6);
  for (const [name, { data }] of theirs.gradients) {
    const came = ours.gradients.get(name)!.data;
    expect(relativeError(came, data), name).toBeLessThan(1e-5);
    expect(again.gradients.get(name)!.data, name).toEqual(came);
  }
});
