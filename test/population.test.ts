/** Many models in one call: each has the bits of the same model that is trained alone. */
import { describe, expect, test } from 'vitest';
import {
  Dataset,
  type EpochResult,
  type MemberResult,
  type ModelSpecInput,
  StreamedDataset,
  sprites,
  VAE,
  type Variant,
} from '../lib/index.ts';
import { createPopulation } from '../lib/population/create.ts';
import { refusal } from './refusal.ts';

const data = sprites({ count: 300 });
const spec: ModelSpecInput = { encoder: { hidden: [48, 16] }, latentSize: 4 };
const options = { epochs: 2, batchSize: 32 };

const losses = (results: readonly MemberResult[]) => results.map(({ last }) => last!.train.loss);

async function expectSame(a: VAE, b: VAE): Promise<void> {
  const [left, right] = [await a.parameters(), await b.parameters()];
  for (const [name, { data: values }] of left) expect(values, name).toEqual(right.get(name)!.data);
}

describe('members have the bits of models that are trained alone', () => {
  test.each<[string, ModelSpecInput, Variant[]]>([
    ['that differ in seeds', spec, [{ seed: 0 }, { seed: 1 }, { seed: 7 }]],
    [
      'that differ in beta, free bits, and learning rate',
      { ...spec, objective: { type: 'elbo', beta: 1 } },
      [
        { spec: { objective: { beta: 4 } } },
        { spec: { objective: { freeBits: 0.2 } } },
        { seed: 2, training: { learningRate: 3e-4 } },
      ],
    ],
    [
      'that differ in sigma',
      { ...spec, likelihood: { type: 'gaussian', sigma: 0.5 } },
      [
        {},
        { spec: { likelihood: { sigma: 0.1 } } },
        { spec: { likelihood: { type: 'gaussian', sigma: 2 } } },
      ],
    ],
    [
      "on libtorch's derivatives",
      { ...spec, objective: { type: 'iwae', samples: 3 } },
      [{ seed: 3 }, { seed: 4 }, { seed: 5 }],
    ],
    [
      'with convolutions, which take turns',
      { encoder: { type: 'conv', channels: [4, 8] }, latentSize: 2 },
      [{ seed: 3 }, { seed: 4 }],
    ],
    [
      'of a table',
      {
        inputShape: [784],
        encoder: { hidden: [20] },
        latentSize: 2,
        likelihood: { type: 'gaussian', scale: 'per-dimension' },
      },
      [{ seed: 3 }, { seed: 4 }],
    ],
  ])('%s', async (_, base, variants) => {
    using population = await VAE.population({ spec: base, variants, device: 'cpu' });
    const results = await population.fit(data, { ...options, validation: data.take(50) });
    for (const [i, member] of population.members.entries()) {
      const { seed = 0, training = {} } = variants[i]!;
      using alone = await VAE.create({ spec: member.spec, seed, device: 'cpu' });
      const last = await alone.fit(data, { ...options, validation: data.take(50), ...training });
      expect(results[i]).toMatchObject({ status: 'trained', last: { epoch: 2 } });
      expect(results[i]!.last!.train).toEqual(last.train);
      expect(results[i]!.last!.validation).toEqual(last.validation);
      await expectSame(member, alone);
    }
    expect(new Set(losses(results)).size).toBe(variants.length);
  });

  test('also over a stream, and when fit goes on', async () => {
    const rows = Array.from({ length: 90 }, (_, i) => [i / 90, (i % 7) / 7, (i % 3) / 3]);
    const whole = Dataset.from(rows);
    const stream = await StreamedDataset.from(() => [whole]);
    const small = { inputShape: [3], encoder: { hidden: [8] }, latentSize: 1 };
    using population = await VAE.population({ spec: small, seeds: 3, device: 'cpu' });
    await population.fit(stream, { epochs: 1, batchSize: 16 });
    await population.fit(whole, { epochs: 1, batchSize: 16 });
    for (const [seed, member] of population.members.entries()) {
      using alone = await VAE.create({ spec: small, seed, device: 'cpu' });
      await alone.fit(whole, { epochs: 2, batchSize: 16 });
      await expectSame(member, alone);
    }
  });
});

describe('one call', () => {
  test('tells of all members, and lets each end early', async () => {
    using population = await VAE.population({ spec, seeds: [5, 6, 7], device: 'cpu' });
    const told: number[] = [];
    let last: unknown;
    const results = await population.fit(data, {
      ...options,
      epochs: 4,
      onEpoch: (member, { epoch }) => {
        told[member] = epoch;
        return !(member === 1 && epoch === 2);
      },
      onProgress: (progress) => {
        expect(progress).toMatchObject({ members: 3, failed: 0, epochsInAll: 12 });
        last = progress;
      },
    });
    expect(told).toEqual([4, 2, 4]);
    expect(population.members.map((member) => member.epoch)).toEqual([4, 2, 4]);
    expect(results.map(({ last: epoch }) => epoch!.epoch)).toEqual([4, 2, 4]);
    expect(last).toMatchObject({ ended: 3, epochs: 10, stepsPerSecond: 0 });
  });

  test('goes on where one member fails', async () => {
    const variants = [{}, { training: { learningRate: 1000 } }, { seed: 2 }];
    using population = await VAE.population({
      spec: { ...spec, likelihood: { type: 'gaussian', sigma: 1 } },
      variants,
      device: 'cpu',
    });
    const results = await population.fit(data, options);
    expect(results.map(({ status }) => status)).toEqual(['trained', 'failed', 'trained']);
    expect(results[1]!.error).toMatchObject({ name: 'TorchvaeError', code: 'ERR_NONFINITE' });
  });

  test('ends by a signal, and goes on from there', async () => {
    using population = await VAE.population({ spec, seeds: 4, device: 'cpu' });
    const stop = new AbortController();
    const ended = population.fit(data, {
      ...options,
      epochs: 1000,
      signal: stop.signal,
      onEpoch: () => {
        stop.abort();
        return true;
      },
    });
    expect(await refusal('ERR_ABORTED', () => ended)).toContain('aborted');
    const before = population.members.map((member) => member.step);
    await population.fit(data, { ...options, epochs: 1 });
    for (const [i, member] of population.members.entries()) expect(member.step).toBeGreaterThan(before[i]!);
  });

  test('is what lanes do, one by one', async () => {
    using whole = await VAE.create({ spec, seed: 3, device: 'cpu' });
    using lane = await VAE.create({ spec, seed: 3, device: 'cpu/1' });
    expect([lane.device, lane.lanes]).toEqual(['cpu', whole.lanes]);
    await Promise.all([whole.fit(data, options).then(), lane.fit(data, options).then()]);
    await expectSame(whole, lane);
    using conv = await VAE.create({ spec: { encoder: { type: 'conv', channels: [4] } }, device: 'cpu' });
    expect(conv.lanes).toBe(1);
    for (const device of ['cpu/', 'cpu/-1', 'cpu/x', 'cpu:1'] as never[])
      expect(await refusal('ERR_DEVICE', () => VAE.create({ device }))).toContain('cpu/N');
    expect(await refusal('ERR_RANGE', () => VAE.create({ device: 'cpu/9999' }))).toContain('lane');
  });

  test('of models that one device takes side by side gives it all of them at once, but over a stream each in turn', async () => {
    let [active, most] = [0, 0];
    const member = () => ({
      lanes: 1,
      sideBySide: 256,
      epoch: 0,
      async *fit() {
        most = Math.max(most, ++active);
        await new Promise(setImmediate);
        active--;
        yield {} as EpochResult;
      },
      dispose: () => {},
    });
    const population = await createPopulation({ spec, seeds: 5 }, async () => member());
    await population.fit(data);
    expect(most).toBe(5);
    most = 0;
    await population.fit(await StreamedDataset.from(() => [data]));
    expect(most).toBe(1);
  });

  test('frees its members', async () => {
    const population = await VAE.population({ spec, seeds: 2, device: 'cpu' });
    population.dispose();
    expect(await refusal('ERR_STATE', () => population.members[1]!.sample(1))).toContain('disposed');
  });
});

describe('is refused', () => {
  test.each<[string, object, 'ERR_TYPE' | 'ERR_RANGE' | 'ERR_SPEC', RegExp]>([
    ['without members', {}, 'ERR_TYPE', /either seeds or variants/],
    ['with both', { seeds: 2, variants: [{}] }, 'ERR_TYPE', /either seeds or variants/],
    ['of nobody', { variants: [] }, 'ERR_RANGE', /1 to 4096 members for variants/],
    ['of no number', { seeds: 0 }, 'ERR_RANGE', /for seeds but received 0/],
    ['of a negative seed', { seeds: [1, -1] }, 'ERR_RANGE', /seeds\[1\]/],
    ['with an unknown setting', { variants: [{ beta: 2 }] }, 'ERR_RANGE', /beta in variants\[0\]/],
    [
      'of another objective',
      { variants: [{}, { spec: { objective: 'iwae' } }] },
      'ERR_SPEC',
      /objective of variants\[0\] for variants\[1\].*one shape/,
    ],
    [
      'of another likelihood',
      { variants: [{}, { spec: { likelihood: 'gaussian' } }] },
      'ERR_SPEC',
      /likelihood of variants\[0\] for variants\[1\]/,
    ],
    [
      'of other layers',
      { variants: [{}, { spec: { encoder: { hidden: [3] } } }] },
      'ERR_RANGE',
      /encoder in variants\[1\]\.spec/,
    ],
    ['with an unknown option', { seeds: 2, seed: 1 }, 'ERR_RANGE', /seed/],
  ])('%s', async (_, given, code, message) => {
    expect(await refusal(code, () => VAE.population({ spec, device: 'cpu', ...given }))).toMatch(message);
  });
});
