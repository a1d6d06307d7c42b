/**
 * Weights in panels, against the same model with row-major weights: widths of whole panels and of odd numbers of
 * them, one panel for several threads, batches below and above every limit of the kernels, optimizers that are woven into the products and others,
 * one thread to more than there are panels.
 */
import { expect, test } from 'vitest';
import { jsonOf } from './support/command.ts';
import { relativeError } from './support/fixture.ts';

const PROGRAM = `
import { Dataset, VAE } from 'torchvae';
const rows = 333;
const x = new Float32Array(rows * 160).map((_, i) => ((i * 7919) % 1009) / 1009);
const data = Dataset.from(x, { shape: [160] });
const spec = {
  inputShape: [160],
  encoder: { hidden: [208, 96, 256, 16], activation: 'tanh' },
  decoder: { hidden: [96, 208], activation: 'softplus' },
  latentSize: 7,
};
const fits = [
  { batchSize: 1 },
  { batchSize: 13 },
  { batchSize: 128, optimizer: { type: 'adamw', weightDecay: 0.1 } },
  { batchSize: 300 },
  { batchSize: 40, optimizer: { type: 'sgd', momentum: 0.9 }, learningRate: 1e-3 },
  { batchSize: 40, optimizer: { type: 'rmsprop' }, learningRate: 1e-4 },
  { batchSize: 64, clip: { norm: 1 } },
  { batchSize: 64, accumulate: 2 },
];
const results = [];
for (const fit of fits) {
  const vae = await VAE.create({ spec, seed: 3, device: 'cpu' });
  const losses = [];
  for await (const { train } of vae.fit(data, { epochs: 2, ...fit })) losses.push(train.loss);
  const weights = [...(await vae.parameters())].map(([, { data }]) => [...data]);
  results.push({ fit, losses, weights });
}
const vae = await VAE.create({ spec, seed: 3, device: 'cpu' });
const gradients = [];
for (const count of [1, 31, rows]) {
  const found = await vae.gradients(x.subarray(0, count * 160), { seed: 5 });
  gradients.push(...[...found.gradients.values()].map(({ data }) => [...data]));
}
// Convolutions in Winograd's form, of whole registers of channels and others.
const images = await VAE.create({
  spec: {
    inputShape: [1, 10, 16],
    encoder: { type: 'conv', channels: [16, 24], stride: 1 },
    decoder: { type: 'conv', channels: [21, 16], stride: 1 },
    latentSize: 3,
  },
  seed: 3,
  device: 'cpu',
});
const ofImages = await images.gradients(x.subarray(0, 35 * 160), { seed: 5 });
gradients.push(...[...ofImages.gradients.values()].map(({ data }) => [...data]));
const decoded = await vae.decode(new Float32Array(14).map((_, i) => i / 7 - 1));
console.log(JSON.stringify({ results, gradients, decoded: [...decoded.data] }));
`;

interface Came {
  results: { fit: unknown; losses: number[]; weights: number[][] }[];
  gradients: number[][];
  decoded: number[];
}

const run = (env: Record<string, string>): Promise<Came> => jsonOf(PROGRAM, env);

const wanted = await run({ TORCHVAE_GEMM: 'tiles', TORCHVAE_THREADS: '1' });

test.each([
  ['1', ''],
  ['2', ''],
  ['3', ''],
  ['9', ''],
  // What a processor without AVX-512 does.
  ['2', 'avx2'],
])('the same numbers on %s threads %s', async (threads, capability) => {
  const came = await run({
    TORCHVAE_THREADS: threads,
    ...(capability !== '' && { ATEN_CPU_CAPABILITY: capability }),
  });
  expect(relativeError(came.decoded, wanted.decoded)).toBeLessThan(1e-5);
  came.gradients.forEach((gradient, i) => {
    expect(relativeError(gradient, wanted.gradients[i]!)).toBeLessThan(2e-5);
  });
  for (const [i, { fit, losses, weights }] of came.results.entries()) {
    const what = JSON.stringify(fit);
    expect(relativeError(losses, wanted.results[i]!.losses), what).toBeLessThan(1e-5);
    weights.forEach((weight, j) => {
      expect(relativeError(weight, wanted.results[i]!.weights[j]!), what).toBeLessThan(1e-3);
    });
  }
});

test('the same bits on the same threads', async () => {
  const [one, other] = [await run({ TORCHVAE_THREADS: '2' }), await run({ TORCHVAE_THREADS: '2' })];
  expect(one).toEqual(other);
});
