/** What fit() gives: training that is iterated or awaited. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type FitOptions, preset, presetNames, sprites, VAE } from '../lib/index.ts';

const data = sprites({ count: 256, seed: 1 });
const spec = { encoder: { hidden: [16] }, latentSize: 2 };
const options = { epochs: 3, batchSize: 64 };
const create = () => VAE.create({ spec, device: 'cpu', seed: 1 });

/** What training says of an epoch, but for the time that it took. */
async function epochsOf(vae: VAE, more: FitOptions = {}) {
  const epochs = [];
  for await (const { seconds: _, ...epoch } of vae.fit(data, { ...options, ...more })) epochs.push(epoch);
  return epochs;
}

test('01 awaiting trains to the end and gives the last epoch', async () => {
  using iterated = await create();
  using awaited = await create();
  const { seconds, ...last } = await awaited.fit(data, options);
  expect(seconds).toBeGreaterThan(0);
  expect(awaited.epoch).toBe(3);
  expect(last).toEqual((await epochsOf(iterated)).at(-1));
});

test('02 nothing is trained before it is iterated or awaited', async () => {
  using vae = await create();
  const training = vae.fit(data, options);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(vae.step).toBe(0);
  expect((await training).epoch).toBe(3);
});

test('03 awaiting twice trains once', async () => {
  using vae = await create();
  const training = vae.fit(data, options);
  const [one, two] = await Promise.all([training, training]);
  expect(one).toBe(two);
  expect(await training).toBe(one);
  expect(vae.epoch).toBe(3);
  for await (const _ of training) throw new Error('it should have ended');
});

test('04 after an iteration, awaiting gives the last epoch that it brought', async () => {
  using vae = await create();
  const whole = vae.fit(data, options);
  const seen = [];
  for await (const epoch of whole) seen.push(epoch);
  expect(await whole).toBe(seen.at(-1));
  const left = vae.fit(data, options);
  for await (const _ of left) break;
  expect((await left).epoch).toBe(4);
  expect(vae.epoch).toBe(4);
});

test('05 iterating and awaiting at once is refused, and harms neither', async () => {
  using vae = await create();
  const iterated = vae.fit(data, options);
  for await (const { epoch } of iterated) {
    if (epoch === 1) await expect(iterated).rejects.toMatchObject({ code: 'ERR_STATE' });
  }
  expect(vae.epoch).toBe(3);
  const awaited = vae.fit(data, options);
  const result = awaited.then(({ epoch }) => epoch);
  const iterate = async () => {
    for await (const _ of awaited) throw new Error('it should have been refused');
  };
  await expect(iterate()).rejects.toMatchObject({ code: 'ERR_STATE' });
  expect(await result).toBe(6);
});

test('06 an error rejects, and is not left unhandled where training is only iterated', async () => {
  using vae = await create();
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  try {
    const signal = AbortSignal.abort();
    const iterated = vae.fit(data, { ...options, signal });
    const iterate = async () => {
      for await (const _ of iterated);
    };
    await expect(iterate()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(unhandled).toEqual([]);
    await expect(iterated).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await expect(vae.fit(data, { ...options, signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  } finally {
    process.off('unhandledRejection', note);
  }
});

test('07 where no epoch is trained, iterating brings none and awaiting says so', async () => {
  using vae = await create();
  expect(await epochsOf(vae, { epochs: 0 })).toEqual([]);
  await expect(vae.fit(data, { epochs: 0 })).rejects.toMatchObject({ code: 'ERR_STATE' });
});

test("08 a preset's training settings are options of fit, and those of its models", async () => {
  const { batchSize, ...rest } = preset('mlp-128').training;
  expect({ batchSize, ...rest }).toEqual({ epochs: 100, batchSize: 256, learningRate: 1e-3 });
  using vae = await VAE.create({ preset: 'mlp-128', device: 'cpu' });
  // 256 examples are one batch of the preset's, two of the usual.
  expect((await vae.fit(data, { epochs: 1 })).step).toBe(1);
  expect((await vae.fit(data, { epochs: 1, batchSize: 64 })).step).toBe(5);
  expect((await vae.fit(data, { ...preset('mlp-400').training, epochs: 1 })).step).toBe(7);
  const path = join(await mkdtemp(join(tmpdir(), 'torchvae-')), 'preset.safetensors');
  await vae.save(path);
  using loaded = await VAE.load(path, { device: 'cpu' });
  expect((await loaded.fit(data, { epochs: 1, batchSize: undefined as never })).step).toBe(8);
});

test.each(presetNames)('09 the epochs of %s are what fit takes without any', async (name) => {
  using vae = await VAE.create({ preset: name, device: 'cpu' });
  const lastEpochs: number[] = [];
  const onProgress = ({ lastEpoch }: { lastEpoch: number }) => lastEpochs.push(lastEpoch);
  for await (const _ of vae.fit(data, { onProgress })) break;
  expect(lastEpochs[0]).toBe(preset(name).training.epochs);
});

test("10 another optimizer has its own learning rate, not the preset's", async () => {
  using vae = await VAE.create({ preset: 'mlp-128', device: 'cpu' });
  const { learningRate } = await vae.fit(data, { epochs: 1, optimizer: { type: 'rmsprop' } });
  expect(learningRate).toBe(1e-2);
});
