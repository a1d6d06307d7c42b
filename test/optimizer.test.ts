/** The optimizers against torch.optim, and what stands around them: clipping, accumulation, averages, bad gradients. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Dataset, type FitOptions, type ModelSpecInput, type Precision, sprites, VAE } from '../lib/index.ts';
import { readFixture, relativeError } from './support/fixture.ts';

const fixture = readFixture('pytorch-optimizers');
const fits: Record<string, FitOptions> = JSON.parse(fixture.metadata.fits!);
const spec = JSON.parse(fixture.metadata.spec!);
const data = Dataset.from(fixture.values('data'), { shape: spec.inputShape, kind: 'unit' });
const batchSize = Number(fixture.metadata.batchSize);

async function create(precision: Precision = 'float32') {
  const vae = await VAE.create({ spec, seed: Number(fixture.metadata.seed), precision, device: 'cpu' });
  await vae.setParameters(fixture.group('parameter'));
  return vae;
}

async function train(vae: VAE, options: FitOptions, epochs = 10, on = data) {
  const results = [];
  for await (const result of vae.fit(on, { epochs, batchSize, shuffle: false, ...options }))
    results.push(result);
  return results;
}

async function bitsOf(vae: VAE) {
  const all = [...(await vae.parameters())];
  return all.map(([name, { data }]) => [name, Buffer.from(data.buffer).toString('base64')]);
}

describe.each(Object.entries(fits))('fifty batches as torch.optim takes them: %s', (name, options) => {
  test.each([
    ['float32', 3e-5],
    ['float64', 3e-7],
  ] as const)('%s', async (precision, tolerance) => {
    using vae = await create(precision);
    await train(vae, options);
    expect(vae.step).toBe(10 * Math.ceil(5 / (options.accumulate ?? 1)));
    const parameters = await vae.parameters();
    for (const [key, trained] of fixture.group(name)) {
      expect(relativeError(parameters.get(key)!.data, trained), key).toBeLessThan(tolerance);
    }
    if (!options.averageWeights) return;
    const averages = await vae.averagedParameters();
    for (const [key, average] of fixture.group(`${name}-of`)) {
      expect(relativeError(averages.get(key)!.data, average), key).toBeLessThan(tolerance);
    }
  });
});

test('batches that are taken together share one point of a schedule', async () => {
  // One update of five batches, all of them at the warm-up's beginning.
  const trained = [];
  for (const objective of [{ warmup: { shape: 'linear', steps: 5 } } as const, { beta: 0 }]) {
    using vae = await VAE.create({ spec: { ...spec, objective }, seed: 7, device: 'cpu' });
    await train(vae, { accumulate: 5 }, 1);
    expect(vae.step).toBe(1);
    trained.push(await bitsOf(vae));
  }
  expect(trained[0]).toEqual(trained[1]);
});

test('an update is the same in the tile that made the gradient and over the whole gradient', async () => {
  // A limit that no gradient reaches takes the second way.
  for (const optimizer of [{ type: 'adam' }, { type: 'adamw' }, { type: 'sgd', momentum: 0.9 }] as const) {
    using tiled = await create();
    using whole = await create();
    await train(tiled, { optimizer }, 2);
    await train(whole, { optimizer, clip: { norm: 1e9 } }, 2);
    const wanted = await whole.parameters();
    for (const [key, { data }] of await tiled.parameters()) {
      expect(relativeError(data, wanted.get(key)!.data), key).toBeLessThan(1e-6);
    }
  }
});

test.each([64, 100, 256])('the same for layers of all widths and %i examples at a time', async (size) => {
  // Products whose last tiles are of one to eight rows, and of a part of one, two or three registers of columns.
  const on = sprites({ count: 256, seed: 3 });
  const widths = { hidden: [61, 37, 45], activation: 'tanh' } as const;
  const models = [];
  for (const options of [{}, { clip: { norm: 1e9 } }]) {
    const vae = await VAE.create({ spec: { encoder: widths, latentSize: 7 }, seed: 5, device: 'cpu' });
    await train(vae, { batchSize: size, ...options }, 2, on);
    models.push(vae);
  }
  const [tiled, whole] = models as [VAE, VAE];
  const wanted = await whole.parameters();
  for (const [key, { data }] of await tiled.parameters()) {
    expect(relativeError(data, wanted.get(key)!.data), key).toBeLessThan(1e-5);
  }
});

test.each([
  ['a momentum', { optimizer: { type: 'rmsprop', momentum: 0.5 } }],
  ['several batches an update', { accumulate: 3 }],
  ['an average of the weights', { averageWeights: 0.95 }],
] as const)('a checkpoint carries %s: the parts of a run are the whole, to the bit', async (_, options) => {
  const path = join(await mkdtemp(join(tmpdir(), 'torchvae-')), 'vae.safetensors');
  using whole = await create();
  await train(whole, options, 4);
  using half = await create();
  await train(half, options, 1);
  // Stopped somewhere within the second epoch.
  const stop = new AbortController();
  await train(half, { ...options, signal: stop.signal, onProgress: () => stop.abort() }, 1).catch(() => {});
  await half.save(path);
  using resumed = await VAE.load(path, { device: 'cpu' });
  await train(resumed, options, 4 - resumed.epoch);
  expect(resumed.step).toBe(whole.step);
  expect(await bitsOf(resumed)).toEqual(await bitsOf(whole));
  if (!('averageWeights' in options)) return;
  const [came, wanted] = [await resumed.averagedParameters(), await whole.averagedParameters()];
  for (const [key, { data }] of wanted) expect(came.get(key)!.data, key).toEqual(data);
});

test('batches of a quarter, four an update, are batches of the whole', async () => {
  const images = sprites({ count: 256, seed: 1 });
  const made = async (options: FitOptions) => {
    // Without noise in z the two are the same sum: a latent space that the decoder is blind to.
    using vae = await VAE.create({
      spec: { encoder: { hidden: [20] }, latentSize: 2 },
      device: 'cpu',
      seed: 1,
    });
    const zeros = [...(await vae.parameters())].filter(([name]) => name === 'decoder.0.weight');
    await vae.setParameters(new Map(zeros.map(([name, { data }]) => [name, new Float32Array(data.length)])));
    await train(vae, { ...options, optimizer: { type: 'sgd' }, learningRate: 1e-4 }, 1, images);
    return await vae.parameters();
  };
  const [whole, parts] = [await made({ batchSize: 256 }), await made({ batchSize: 64, accumulate: 4 })];
  for (const name of ['posterior.mean.weight', 'decoder.1.bias', 'encoder.0.weight']) {
    expect(relativeError(parts.get(name)!.data, whole.get(name)!.data), name).toBeLessThan(1e-5);
  }
});

test('skip leaves out the updates of bad batches, and says how many; stop does not go on', async () => {
  const rows = Float32Array.from({ length: 40 * 20 }, (_, i) => ((i * 7919) % 1009) / 1009);
  rows.fill(3e38, 9 * 20, 10 * 20); // in the second batch of eight
  const gaussian = { ...spec, likelihood: { type: 'gaussian' } };
  const spoilt = Dataset.from(rows, { shape: [20] });
  for (const options of [{}, { clip: { norm: 1 } }] as FitOptions[]) {
    using vae = await VAE.create({ spec: gaussian, device: 'cpu' });
    const [result] = await train(vae, { ...options, onNonFinite: 'skip' }, 1, spoilt);
    expect(result!.skipped).toBe(1);
    expect(Number.isFinite(result!.train.loss)).toBe(true);
    expect(vae.step).toBe(5);
    for (const { data } of (await vae.parameters()).values()) expect(data.every(Number.isFinite)).toBe(true);
    using other = await VAE.create({ spec: gaussian, device: 'cpu' });
    await expect(train(other, options, 1, spoilt)).rejects.toMatchObject({ code: 'ERR_NONFINITE' });
    expect(other.step).toBe(1);
  }
});

test('an epoch of which every update was left out ends training, and the next fit begins it anew', async () => {
  const bad = Dataset.from(new Float32Array(16 * 20).fill(3e38), { shape: [20] });
  const good = Dataset.from(new Float32Array(16 * 20).fill(0.5), { shape: [20] });
  using vae = await VAE.create({ spec: { ...spec, likelihood: { type: 'gaussian' } }, device: 'cpu' });
  for (const _ of [1, 2]) {
    const training = train(vae, { onNonFinite: 'skip' }, 5, bad);
    await expect(training).rejects.toMatchObject({
      code: 'ERR_NONFINITE',
      message: expect.stringMatching(
        /^Every update of epoch 1 was left out: .* became NaN or infinite\. Lower/,
      ),
    });
    expect(vae.epoch).toBe(0);
  }
  // Nothing of the bad epoch is left, in its checkpoint either.
  const path = join(await mkdtemp(join(tmpdir(), 'torchvae-')), 'bad.safetensors');
  await vae.save(path);
  using loaded = await VAE.load(path, { device: 'cpu' });
  for (const model of [vae, loaded]) {
    const [result] = await train(model, { onNonFinite: 'skip' }, 1, good);
    expect(result).toMatchObject({ epoch: 1 });
    expect(result!.skipped).toBeUndefined();
  }
});

test('nor do updates of several batches go on for ever, each with a bad one', async () => {
  const rows = Float32Array.from({ length: 32 * 20 }, (_, i) => ((i * 7919) % 1009) / 1009);
  for (const first of [0, 16]) rows.fill(3e38, first * 20, (first + 1) * 20);
  const data = Dataset.from(rows, { shape: [20] });
  using vae = await VAE.create({ spec: { ...spec, likelihood: { type: 'gaussian' } }, device: 'cpu' });
  const options = { onNonFinite: 'skip', accumulate: 2, shuffle: false } as const;
  await expect(train(vae, options, 1000, data)).rejects.toMatchObject({ code: 'ERR_NONFINITE' });
});

test('an update that makes a weight NaN ends training, behind every activation', async () => {
  // Without an epsilon a weight whose input is always 0 is moved by 0 / 0.
  const rows = Float32Array.from({ length: 40 * 20 }, (_, i) =>
    i % 20 === 3 ? 0 : ((i * 7919) % 1009) / 1009,
  );
  const dark = Dataset.from(rows, { shape: [20] });
  for (const activation of ['relu', 'tanh', 'sigmoid', 'elu', 'softplus'] as const) {
    using vae = await VAE.create({
      spec: { inputShape: [20], encoder: { hidden: [9], activation }, latentSize: 2 },
      device: 'cpu',
    });
    const training = train(vae, { optimizer: { type: 'adam', epsilon: 0 } }, 1, dark);
    await expect(training, activation).rejects.toMatchObject({ code: 'ERR_NONFINITE' });
    expect(vae.step).toBe(1);
  }
});

test('a model goes on with the optimizer it began with', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'torchvae-')), 'vae.safetensors');
  using vae = await create();
  await train(vae, { optimizer: { type: 'sgd', momentum: 0.9 } }, 1);
  await vae.save(path);
  using loaded = await VAE.load(path, { device: 'cpu' });
  await expect(train(loaded, {}, 1)).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: expect.stringContaining('sgd'),
  });
  await train(loaded, { optimizer: { type: 'sgd' } }, 1);
});

test('a model that failed at its first step begins anew, with another optimizer and other batches', async () => {
  const bad = Dataset.from(new Float32Array(16 * 20).fill(3e38), { shape: [20] });
  const good = Dataset.from(new Float32Array(24 * 20).fill(0.5), { shape: [20] });
  using vae = await VAE.create({ spec: { ...spec, likelihood: { type: 'gaussian' } }, device: 'cpu' });
  const failing = train(vae, { optimizer: { type: 'sgd' } }, 1, bad);
  await expect(failing).rejects.toMatchObject({ code: 'ERR_NONFINITE' });
  expect(vae.step).toBe(0);
  const [first] = await train(vae, { batchSize: 6 }, 1, good);
  expect(first!.step).toBe(4);
  // What it goes on with is what it has trained with.
  await train(vae, {}, 1, good);
  await expect(train(vae, { optimizer: { type: 'sgd' } }, 1)).rejects.toMatchObject({ code: 'ERR_STATE' });
});

test('no average where none was asked for', async () => {
  using vae = await create();
  await train(vae, {}, 1);
  await expect(vae.averagedParameters()).rejects.toMatchObject({ code: 'ERR_STATE' });
});

test.each<[string, ModelSpecInput]>([
  ['running statistics', { encoder: { hidden: [8], norm: 'batch' } }],
  ['a codebook', { posterior: { type: 'vector-quantized', positions: 2, codes: 4 }, prior: 'categorical' }],
  ['an opponent', { objective: { type: 'factor', hidden: [8] } }],
])('averages of the weights are kept in the checkpoint of a model with %s', async (_, parts) => {
  const path = join(await mkdtemp(join(tmpdir(), 'torchvae-averages-')), 'vae.safetensors');
  const options = { encoder: { hidden: [8] }, latentSize: 2, ...parts };
  using vae = await VAE.create({ spec: options, device: 'cpu' });
  await vae.fit(sprites({ count: 64 }), { epochs: 1, batchSize: 32, averageWeights: 0.9 });
  await vae.save(path);
  using loaded = await VAE.load(path, { device: 'cpu' });
  expect(await loaded.averagedParameters()).toEqual(await vae.averagedParameters());
  const further = { epochs: 1, batchSize: 32, averageWeights: 0.9 };
  const [went, resumed] = [
    await vae.fit(sprites({ count: 64 }), further),
    await loaded.fit(sprites({ count: 64 }), further),
  ];
  expect(resumed.train).toEqual(went.train);
});
