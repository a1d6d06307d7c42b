/**
 * Weights in panels, against the same model with row-major weights: widths of whole panels and of odd numbers of
 * them, widths that leave a part of the last panel empty, two parts of a layer in one panel, one panel for several threads, batches below and above every limit of the kernels, optimizers that are woven into the products and others,
 * one thread to more than there are panels.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { expect, test } from 'vitest';
import { Dataset, VAE } from '../lib/index.ts';
import { answerOf } from './support/command.ts';
import { relativeError } from './support/fixture.ts';

const PROGRAM = `
import { Dataset, VAE } from 'torchvae';
const rows = 333;
const x = new Float32Array(rows * 160).map((_, i) => ((i * 7919) % 1009) / 1009);
const data = Dataset.from(x, { shape: [160] });
const inputShape = [160];
const odd = {
  inputShape,
  encoder: { hidden: [201, 119, 270], activation: 'tanh' },
  decoder: { hidden: [123, 239], activation: 'softplus' },
  latentSize: 23,
};
const specs = [
  {
    inputShape,
    encoder: { hidden: [208, 96, 256, 16], activation: 'tanh' },
    decoder: { hidden: [96, 208], activation: 'softplus' },
    latentSize: 7,
  },
  odd,
  // By libtorch's derivatives, and with a gradient of the decoder's weights that no product makes.
  { ...odd, prior: { type: 'mixture', components: 3 } },
  { ...odd, posterior: { type: 'deterministic' }, objective: { type: 'rae' } },
];
const fits = [
  { batchSize: 1 },
  { batchSize: 13 },
  { batchSize: 128, optimizer: { type: 'adamw', weightDecay: 0.1 } },
  { batchSize: 300 },
  { batchSize: 40, optimizer: { type: 'sgd', momentum: 0.9 }, learningRate: 1e-3 },
  { batchSize: 40, optimizer: { type: 'rmsprop' }, learningRate: 1e-4 },
  { batchSize: 64, clip: { norm: 1 } },
  { batchSize: 64, accumulate: 2 },
  { batchSize: 64, averageWeights: 0.9 },
];
const valuesOf = (tensors) => [...tensors].map(([, { data }]) => data);
const results = [];
const gradients = [];
const decoded = [];
const initial = [];
for (const spec of specs) {
  const create = () => VAE.create({ spec, seed: 3, device: 'cpu' });
  for (const fit of specs.indexOf(spec) < 2 ? fits : fits.slice(2, 3)) {
    const vae = await create();
    const losses = [];
    const norms = [];
    for await (const { train, gradientHealth } of vae.fit(data, { epochs: 2, ...fit })) {
      losses.push(train.loss);
      norms.push(...gradientHealth.layers.flatMap(({ gradient, update, weight }) => [gradient, update, weight]));
    }
    const average = fit.averageWeights ? valuesOf(await vae.averagedParameters()) : [];
    const weights = [...valuesOf(await vae.parameters()), ...average];
    results.push({ fit, losses, norms, weights });
  }
  const vae = await create();
  initial.push(valuesOf(await vae.parameters()));
  for (const count of [1, 31, rows]) {
    const found = await vae.gradients(x.subarray(0, count * 160), { seed: 5 });
    gradients.push(...valuesOf(found.gradients));
  }
  decoded.push(...(await vae.decode(new Float32Array(2 * spec.latentSize).map((_, i) => i / 7 - 1))).data);
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
gradients.push(...valuesOf(ofImages.gradients));
const answer = { initial, results, gradients, decoded };
`;

interface Came {
  initial: Float32Array[][];
  results: { fit: unknown; losses: number[]; norms: number[]; weights: Float32Array[] }[];
  gradients: Float32Array[];
  decoded: number[];
}

const run = (env: Record<string, string>): Promise<Came> => answerOf(PROGRAM, env);

/** What a process with so many threads came to first. */
const first = new Map<string, Promise<Came>>();
function onThreads(threads: string): Promise<Came> {
  if (!first.has(threads)) first.set(threads, run({ TORCHVAE_THREADS: threads }));
  return first.get(threads)!;
}

const wanted = await run({ TORCHVAE_GEMM: 'tiles', TORCHVAE_THREADS: '1' });

/** As `toEqual`, which takes long for so many numbers. */
function sameBits(came: Came, wanted: Came) {
  expect(serialize(came).equals(serialize(wanted))).toBe(true);
}

test.each([
  ['1', ''],
  ['2', ''],
  ['3', ''],
  ['9', ''],
  // What a processor without AVX-512 does.
  ['2', 'avx2'],
])('the same numbers on %s threads %s', async (threads, capability) => {
  const came = await (capability === ''
    ? onThreads(threads)
    : run({ TORCHVAE_THREADS: threads, ATEN_CPU_CAPABILITY: capability }));
  expect(serialize(came.initial).equals(serialize(wanted.initial))).toBe(true);
  expect(relativeError(came.decoded, wanted.decoded)).toBeLessThan(1e-5);
  came.gradients.forEach((gradient, i) => {
    expect(relativeError(gradient, wanted.gradients[i]!)).toBeLessThan(2e-5);
  });
  for (const [i, { fit, losses, norms, weights }] of came.results.entries()) {
    const what = JSON.stringify(fit);
    expect(relativeError(losses, wanted.results[i]!.losses), what).toBeLessThan(1e-5);
    expect(relativeError(norms, wanted.results[i]!.norms), what).toBeLessThan(1e-3);
    weights.forEach((weight, j) => {
      expect(relativeError(weight, wanted.results[i]!.weights[j]!), what).toBeLessThan(1e-3);
    });
  }
});

test('the same bits on one thread and on two, and every time', async () => {
  const [one, two] = [await onThreads('1'), await onThreads('2')];
  sameBits(two, one);
  sameBits(await run({ TORCHVAE_THREADS: '2' }), two);
});

test('a checkpoint has the tensors without the columns that fill up panels, and goes on to the same bits', async () => {
  const mlp = { type: 'mlp' as const, hidden: [119, 270], activation: 'tanh' as const };
  const spec = { inputShape: [160], encoder: mlp, decoder: mlp, latentSize: 23 };
  const rows = Float32Array.from({ length: 64 * 160 }, (_, i) => ((i * 7919) % 1009) / 1009);
  const data = Dataset.from(rows, { shape: [160] });
  const vae = await VAE.create({ spec, seed: 3, device: 'cpu' });
  await vae.fit(data, { epochs: 1, batchSize: 20 });
  const folder = mkdtempSync(join(tmpdir(), 'torchvae-panels-'));
  await vae.save(join(folder, 'one.safetensors'));
  const loaded = await VAE.load(join(folder, 'one.safetensors'), { device: 'cpu' });
  rmSync(folder, { recursive: true });
  for (const model of [vae, loaded]) await model.fit(data, { epochs: 2, batchSize: 20 });
  const [wanted, came] = [await vae.parameters(), await loaded.parameters()];
  for (const [name, { shape, data: values }] of wanted) {
    expect(values.length, name).toBe(shape.reduce((count, size) => count * size, 1));
    expect(came.get(name)!.data, name).toEqual(values);
  }
});
