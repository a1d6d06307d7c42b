/** A tour of the VAE class. */
import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Dataset, type ModelSpecInput, sprites, VAE } from '../lib/index.ts';

// Where threads are fibers, a step of 64 units takes a fifth of a second.
const units = process.env.TORCHVAE_TWIN ? 16 : 64;
const small: ModelSpecInput = { encoder: { hidden: [units] }, latentSize: 6 };
const data = sprites({ count: 512, seed: 1 });
const held = sprites({ count: 200, seed: 2 });

const create = (seed = 1) => VAE.create({ spec: small, device: 'cpu', seed });
const scratch = () => mkdtemp(join(tmpdir(), 'torchvae-'));

async function train(vae: VAE, epochs: number, extra = {}) {
  const results = [];
  for await (const result of vae.fit(data, { epochs, batchSize: 64, ...extra })) results.push(result);
  return results;
}

async function bitsOf(vae: VAE) {
  return [...(await vae.parameters())].map(([name, { data }]) => [
    name,
    Buffer.from(data.buffer).toString('base64'),
  ]);
}

test('01 create: a preset, with parts of its spec replaced', async () => {
  using vae = await VAE.create({ preset: 'mlp-400', spec: { latentSize: 2 }, device: 'cpu' });
  expect(vae.spec.encoder).toMatchObject({ type: 'mlp', hidden: [400], activation: 'relu' });
  expect(vae.spec.latentSize).toBe(2);
  expect(vae.device).toBe('cpu');
  const sizes = [...(await vae.parameters()).values()].map(({ shape }) => shape.reduce((a, b) => a * b));
  expect(sizes.reduce((a, b) => a + b)).toBe(vae.parameterCount);
});

test('02 create: weights are U(-1/sqrt(in), 1/sqrt(in)), a function of the seed', async () => {
  using one = await create(1);
  using again = await create(1);
  using other = await create(2);
  expect(await bitsOf(again)).toEqual(await bitsOf(one));
  expect(await bitsOf(other)).not.toEqual(await bitsOf(one));
  const { data, shape } = (await one.parameters()).get('encoder.0.weight')!;
  expect(shape).toEqual([units, 784]);
  const mean = data.reduce((a, b) => a + b) / data.length;
  const square = data.reduce((a, b) => a + b * b, 0) / data.length;
  expect(Math.abs(mean)).toBeLessThan(1e-3);
  expect(square * 784).toBeCloseTo(1 / 3, 2);
  expect(Math.max(...data)).toBeLessThanOrEqual(1 / 28);
});

test('03 fit: yields an epoch at a time; the loss falls', async () => {
  using vae = await create();
  const results = await train(vae, 4, { validation: held, learningRate: 0.004 });
  expect(results.map(({ epoch, step }) => [epoch, step])).toEqual([
    [1, 8],
    [2, 16],
    [3, 24],
    [4, 32],
  ]);
  expect(results.at(-1)!.train.loss).toBeLessThan(0.7 * results[0]!.train.loss);
  const { reconstruction, kl, loss, elbo, beta, natsPerDimension } = results.at(-1)!.validation!;
  expect(loss).toBeCloseTo(reconstruction + beta * kl, 10);
  expect(elbo).toBeCloseTo(-(reconstruction + kl), 10);
  expect(natsPerDimension).toBeCloseTo(-elbo! / 784, 12);
});

test('04 fit: reports progress within the epoch', async () => {
  using vae = await create();
  const seen: number[] = [];
  await train(vae, 2, {
    onProgress: ({ step, stepsPerEpoch }: { step: number; stepsPerEpoch: number }) => {
      expect(stepsPerEpoch).toBe(8);
      seen.push(step);
    },
  });
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(seen.at(-1)).toBe(16);
});

test('05 encode, decode, reconstruct, sample: typed arrays in and out, with shapes', async () => {
  using vae = await create();
  const { mean, logVariance } = await vae.encode(held);
  expect(mean.shape).toEqual([200, 6]);
  expect(logVariance.data.length).toBe(1200);
  const decoded = await vae.decode(mean);
  expect(decoded.shape).toEqual([200, 1, 28, 28]);
  expect(decoded.data.every((p) => p > 0 && p < 1)).toBe(true);
  expect((await vae.reconstruct(held)).data).toEqual(decoded.data);
  const samples = await vae.sample(300, { seed: 4 });
  expect(samples.shape).toEqual([300, 1, 28, 28]);
  expect((await vae.sample(300, { seed: 4 })).data).toEqual(samples.data);
  expect((await vae.sample(300, { seed: 5 })).data).not.toEqual(samples.data);
});

test('06 bytes mean pixels: the same codes as floats divided by 255', async () => {
  using vae = await create();
  const bytes = (held.data as Uint8Array).slice(0, 784 * 3);
  const floats = Float32Array.from(bytes, (b) => b / 255);
  expect((await vae.encode(bytes)).mean.data).toEqual((await vae.encode(floats)).mean.data);
});

test('07 loss: the mean of the losses per example, with noise that repeats', async () => {
  using vae = await create();
  const first = await vae.loss(held);
  expect(await vae.loss(held)).toEqual(first);
  expect((await vae.loss(held, { seed: 9 })).reconstruction).not.toBe(first.reconstruction);
  const { kl } = await vae.lossesPerExample(held);
  expect(kl.reduce((a, b) => a + b) / kl.length).toBeCloseTo(first.kl, 4);
  expect(await vae.loss(held.data)).toEqual(first);
  const x = { data: held.batch([0, 1]), shape: [2, 1, 28, 28] };
  expect((await vae.loss(x)).elbo).toBeCloseTo((await vae.loss(held.take(2))).elbo!, 3);
});

test('07 what one method gives another takes: sample, encode, decode', async () => {
  using vae = await create();
  const images = await vae.sample(3);
  const encoding = await vae.encode(images);
  expect(encoding).toEqual(await vae.encode(images.data));
  const decoded = await vae.decode(encoding);
  expect(decoded).toEqual(await vae.decode(encoding.mean));
  expect(decoded).toEqual(await vae.reconstruct(images));
  expect((await vae.score(decoded)).length).toBe(3);
});

test('07 loss: of a model with labels, which a data set brings or the call gives', async () => {
  using vae = await VAE.create({ spec: { ...small, condition: { classes: 3 } }, device: 'cpu', seed: 1 });
  const own = await vae.loss(held);
  expect(await vae.loss(held.data, { labels: held.labels! })).toEqual(own);
  const others = Array.from(held.labels!, (label) => (label + 1) % 3);
  expect((await vae.loss(held, { labels: others })).kl).not.toBe(own.kl);
  await expect(vae.loss(held.data)).rejects.toMatchObject({ code: 'ERR_SHAPE' });
});

test('08 the same seed trains to the same bits, another seed does not', async () => {
  using one = await create(3);
  using again = await create(3);
  await train(one, 2);
  await train(again, 2);
  expect(await bitsOf(again)).toEqual(await bitsOf(one));
});

test('09 save and load: one epoch + one epoch is two epochs, to the bit', async () => {
  const path = join(await scratch(), 'vae.safetensors');
  using whole = await create();
  await train(whole, 2);
  using half = await create();
  await train(half, 1);
  await half.save(path);
  using resumed = await VAE.load(path, { device: 'cpu' });
  expect([resumed.epoch, resumed.step]).toEqual([1, 8]);
  const [result] = await train(resumed, 1);
  expect(result!.epoch).toBe(2);
  expect(await bitsOf(resumed)).toEqual(await bitsOf(whole));
});

test('10 abort: ends at an exact step, and goes on to the same bits', async () => {
  const path = join(await scratch(), 'vae.safetensors');
  using whole = await create();
  const wanted = await train(whole, 2);
  using vae = await create();
  const controller = new AbortController();
  const aborted = train(vae, 2, {
    signal: controller.signal,
    onProgress: ({ step }: { step: number }) => step >= 1 && controller.abort(new Error('enough')),
  });
  await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: { message: 'enough' } });
  expect(vae.step).toBeGreaterThan(0);
  expect(vae.step).toBeLessThan(16);
  await vae.save(path);
  using resumed = await VAE.load(path, { device: 'cpu' });
  expect(resumed.step).toBe(vae.step);
  const results = await train(resumed, 2 - resumed.epoch);
  expect(await bitsOf(resumed)).toEqual(await bitsOf(whole));
  expect(results.at(-1)!.train.reconstruction).toBeCloseTo(wanted.at(-1)!.train.reconstruction, 9);
});

test('11 an interrupted epoch goes on only over the batches it began with', async () => {
  using vae = await create();
  const controller = new AbortController();
  const onProgress = () => controller.abort();
  await expect(train(vae, 1, { signal: controller.signal, onProgress })).rejects.toThrow('aborted');
  await expect(train(vae, 1, { batchSize: 32 })).rejects.toMatchObject({ code: 'ERR_STATE' });
});

// The twin's graphs are as long as a GPU's, on a processor.
test.skipIf(process.env.TORCHVAE_TWIN)(
  '12 an AbortSignal ends training within a tenth of a second',
  async () => {
    using vae = await VAE.create({ preset: 'mlp-400', device: 'cpu' });
    const controller = new AbortController();
    const large = sprites({ count: 20_000, seed: 3 });
    let abortedAt = 0;
    setTimeout(() => {
      abortedAt = performance.now();
      controller.abort();
    }, 200);
    await expect(async () => {
      for await (const _ of vae.fit(large, { epochs: 1000, signal: controller.signal }));
    }).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(performance.now() - abortedAt).toBeLessThan(100);
  },
);

test('13 leaving the loop ends training; a second fit at once is refused', async () => {
  using vae = await create();
  for await (const { epoch } of vae.fit(data, { epochs: 5, batchSize: 64 })) {
    await expect(vae.fit(data)).rejects.toMatchObject({ code: 'ERR_STATE' });
    if (epoch === 2) break;
  }
  expect(vae.epoch).toBe(2);
  await train(vae, 1);
  expect(vae.epoch).toBe(3);
});

test('14 two models and a model in use while it trains', async () => {
  using one = await create();
  using two = await create();
  await Promise.all([train(one, 2), train(two, 2), one.sample(10), one.encode(held)]);
  expect(await bitsOf(two)).toEqual(await bitsOf(one));
});

test('15 save while training leaves whole checkpoints and no temporary files', async () => {
  const folder = await scratch();
  const path = join(folder, 'vae.safetensors');
  using vae = await create();
  const stop = new AbortController();
  const training = train(vae, 1000, { signal: stop.signal });
  let step = 0;
  for (let i = 0; i < 5; i++) {
    await vae.save(path);
    using loaded = await VAE.load(path, { device: 'cpu' });
    expect(loaded.step).toBeGreaterThanOrEqual(step);
    step = loaded.step;
  }
  stop.abort();
  await expect(training).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(vae.step).toBeGreaterThanOrEqual(step);
  expect(await readdir(folder)).toEqual(['vae.safetensors']);
});

test('16 dispose: later calls say so, a fit under way ends', async () => {
  const vae = await create();
  const training = train(vae, 1000);
  setTimeout(() => vae.dispose(), 20);
  await expect(training).rejects.toMatchObject({ code: expect.stringMatching(/ERR_STATE|ERR_ABORTED/) });
  vae.dispose();
  await expect(vae.sample(1)).rejects.toMatchObject({ code: 'ERR_STATE' });
});

test('17 a diverging run stops before it spoils the weights', async () => {
  using vae = await VAE.create({
    spec: { ...small, likelihood: { type: 'gaussian' } },
    device: 'cpu',
  });
  const error = await train(vae, 50, { learningRate: 1000 }).catch((caught) => caught);
  expect(error).toMatchObject({ code: 'ERR_NONFINITE', message: expect.stringContaining('learning rate') });
  for (const { data } of (await vae.parameters()).values()) expect(data.every(Number.isFinite)).toBe(true);
});

test('18 labels may be given beside a data set that has none, or others', async () => {
  const spec = { inputShape: [2], encoder: { hidden: [4] }, latentSize: 2, condition: { classes: 3 } };
  using vae = await VAE.create({ spec, device: 'cpu' });
  const values = Float32Array.of(0, 1, 0.5, 0.5);
  const plain = Dataset.from(values, { shape: [2], kind: 'unit' });
  const other = Dataset.from(values, { shape: [2], kind: 'unit', labels: [7, 7] });
  const wanted = await vae.encode(values, { labels: [2, 0] });
  for (const data of [plain, other]) expect(await vae.encode(data, { labels: [2, 0] })).toEqual(wanted);
});
