/**
 * Convolutions of 3 x 3 that divide nothing, of channels that fill a register, and their transposes: float32, fused and not,
 * beside libtorch's in float64, for images whose sides are even and odd, channels of whole registers and others, fewer and
 * more images than sums.
 */
import { expect, test } from 'vitest';
import { type ModelSpecInput, VAE } from '../lib/index.ts';
import { relativeError } from './support/fixture.ts';

type Shape = [channels: number, height: number, width: number];

const spec = (shape: Shape, type: 'conv' | 'residual', channels: number[]): ModelSpecInput => ({
  inputShape: shape,
  encoder: { type, channels, stride: 1, activation: 'silu' },
  decoder: { type, channels: channels.toReversed(), stride: 1, activation: 'silu' },
  latentSize: 3,
  likelihood: { type: 'gaussian', sigma: 1 },
});

const CASES: [string, number, 'fused' | 'reference', ModelSpecInput][] = [
  ['even sides, whole registers', 7, 'reference', spec([16, 6, 4], 'conv', [32, 16])],
  ['odd sides, other channels', 53, 'reference', spec([17, 5, 7], 'conv', [35, 20])],
  ['one channel', 40, 'fused', spec([1, 9, 8], 'conv', [16, 24])],
  ['one row of pixels', 33, 'reference', spec([2, 1, 6], 'conv', [16, 48])],
  ['one pixel', 100, 'reference', spec([16, 1, 1], 'residual', [18])],
  ['more channels than tiles', 20, 'reference', spec([2, 3, 3], 'residual', [100, 120])],
  ['large images, sums beside', 18, 'reference', spec([3, 14, 15], 'residual', [16, 65])],
];

test.each(CASES)('%s', async (_, rows, kind, model) => {
  const size = model.inputShape!.reduce((a, b) => a * b);
  const x = Float32Array.from({ length: rows * size }, (_, i) => Math.sin(12.9898 * (i + 1)));
  const create = (precision: 'float32' | 'float64') =>
    VAE.create({
      spec: model,
      kernels: precision === 'float32' ? 'auto' : 'reference',
      seed: 3,
      device: 'cpu',
      precision,
    });
  using vae = await create('float32');
  using libtorch = await create('float64');
  expect(vae.kernels.kind).toBe(kind);
  const [ours, again, theirs] = [
    await vae.gradients(x, { seed: 5 }),
    await vae.gradients(x, { seed: 5 }),
    await libtorch.gradients(x, { seed: 5 }),
  ];
  expect(ours.loss / theirs.loss).toBeCloseTo(1, 6);
  for (const [name, { data }] of theirs.gradients) {
    const came = ours.gradients.get(name)!.data;
    expect(relativeError(came, data), name).toBeLessThan(1e-5);
    expect(again.gradients.get(name)!.data, name).toEqual(came);
  }
});
