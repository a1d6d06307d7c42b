/** Which random numbers a question draws: never the same ones twice. */
import { describe, expect, test } from 'vitest';
import { Dataset, type ModelSpecInput, VAE } from '../lib/index.ts';
import { identity, setWeights } from './support/probe.ts';

const network = { type: 'mlp', hidden: [] } as const;

/** The correlation of two lists of numbers. */
function correlation(a: Float32Array, b: Float32Array): number {
  const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += (a[i]! - ma) * (b[i]! - mb);
    aa += (a[i]! - ma) ** 2;
    bb += (b[i]! - mb) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

describe('decode', () => {
  const size = 8;
  const spec: ModelSpecInput = {
    inputShape: [size],
    encoder: network,
    decoder: network,
    latentSize: size,
    likelihood: { type: 'gaussian', sigma: 1 },
  };

  test.each(['auto', 'reference'] as const)(
    "draws x from noise that is not the prior's of the same seed (kernels %s)",
    async (kernels) => {
      using vae = await VAE.create({ spec, device: 'cpu', kernels });
      // The decoder hands z on, so that the mean of p(x|z) is the prior's draw itself.
      await setWeights(vae, { 'decoder.0.weight': identity(size) });
      const rows = 2000;
      const zeros = new Float32Array(rows * size);
      for (const seed of [0, 1, 7]) {
        const z = (await vae.sample(rows, { seed })).data;
        const noise = (await vae.decode(zeros, { kind: 'sample', seed })).data;
        const again = (await vae.decode(zeros, { kind: 'sample', seed })).data;
        expect(again).toEqual(noise);
        expect(noise.reduce((sum, value) => sum + value ** 2, 0) / noise.length).toBeCloseTo(1, 1);
        // Of 16,000 independent pairs it is below 0.03 but for one time in ten thousand.
        expect(Math.abs(correlation(z, noise))).toBeLessThan(0.03);
        // Nor are they the prior's, begun a row later.
        expect(Math.abs(correlation(z.subarray(size), noise.subarray(0, -size)))).toBeLessThan(0.03);
      }
    },
  );

  test('draws each part of the examples anew', async () => {
    using vae = await VAE.create({ spec, device: 'cpu' });
    const noise = (await vae.decode(new Float32Array(10_000 * size), { kind: 'sample' })).data;
    const rows = new Set<string>();
    for (let i = 0; i < noise.length; i += size) rows.add(noise.subarray(i, i + size).join());
    expect(rows.size).toBe(10_000);
  });
});

describe('the importance-weighted likelihood', () => {
  // q(z|x) is N(0, 1) as the prior is, and the decoder gives z: weights are N(x; z, 0.2), which few draws reach.
  const spec: ModelSpecInput = {
    inputShape: [1],
    encoder: network,
    decoder: network,
    latentSize: 1,
    likelihood: { type: 'gaussian', sigma: 0.2 },
  };
  const at = 3;
  /** -log N(x; 0, 1 + sigma^2), in closed form. */
  const exact = (at ** 2 / 1.04 + Math.log(2 * Math.PI * 1.04)) / 2;
  const rows = 300;
  // A hair apart: equal rows have equal draws.
  const x = Float32Array.from({ length: rows }, (_, i) => at + i * 1e-6);

  /** Mean and standard deviation of the estimates for nearly equal examples, each from other draws. */
  const estimate = async (samples: number) => {
    using vae = await VAE.create({ spec, device: 'cpu' });
    await setWeights(vae, { 'decoder.0.weight': identity(1) });
    const values = await vae.negativeLogLikelihood(x, { samples, seed: 3 });
    const mean = values.reduce((sum, value) => sum + value, 0) / rows;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (rows - 1);
    return { mean, deviation: Math.sqrt(variance), values };
  };

  test('goes on drawing beyond the 4,096 draws that are decoded at a time', async () => {
    const few = await estimate(4096);
    const many = await estimate(16 * 4096);
    // Its standard error is 0.004.
    expect(Math.abs(many.mean - exact)).toBeLessThan(0.02);
    // Sixteen times as many draws: a quarter of the deviation. The first ones again, or one more time only, would leave it.
    expect(many.deviation / few.deviation).toBeGreaterThan(0.2);
    expect(many.deviation / few.deviation).toBeLessThan(0.32);
  });

  test('draws anew for every example', async () => {
    const { values } = await estimate(4096);
    expect(new Set(values).size).toBeGreaterThan(rows - 5);
  });
});

describe('batch normalization of a batch of one', () => {
  const spec: ModelSpecInput = {
    inputShape: [6],
    encoder: { hidden: [5], norm: 'batch', activation: 'tanh' },
    latentSize: 2,
    likelihood: 'gaussian',
  };
  const example = Float32Array.of(0, 0.5, 1, 0.25, -1, 2);
  const noise = Float32Array.of(0.3, -1.2);

  test('takes the running statistics, as after training, and leaves them alone', async () => {
    using vae = await VAE.create({ spec, device: 'cpu', seed: 2 });
    const before = await vae.parameters();
    const statistics = [...before.keys()].filter((name) => /running_(mean|var)$/.test(name));
    expect(statistics.length).toBe(4);
    // Far from what the example's own would be.
    const set = statistics.map((name) => {
      const { data } = before.get(name)!;
      return [name, data.map((_, i) => (name.endsWith('var') ? 4 : 0.1 * i))] as const;
    });
    await vae.setParameters(new Map(set));
    const { reconstruction, kl, gradients } = await vae.gradients(example, { noise });
    const asked = await vae.lossesPerExample(example, { noise });
    expect(reconstruction).toBeCloseTo(asked.reconstruction[0]!, 4);
    expect(kl).toBeCloseTo(asked.kl[0]!, 4);
    expect([...gradients.get('encoder.0.weight')!.data].some((value) => value !== 0)).toBe(true);
    for await (const { train } of vae.fit(Dataset.from([[...example]]), { epochs: 2 })) {
      expect(train.loss).toBeGreaterThan(0);
    }
    const after = await vae.parameters();
    for (const [name, values] of set) expect(after.get(name)!.data, name).toEqual(values);
  });

  test('a last batch of one leaves the weights finite', async () => {
    using vae = await VAE.create({ spec, device: 'cpu', seed: 2 });
    const rows = Array.from({ length: 5 }, (_, i) => [...example.map((value) => value * i)]);
    await vae.fit(Dataset.from(rows), { epochs: 3, batchSize: 4 });
    expect(vae.step).toBe(6);
    for (const [name, { data }] of await vae.parameters()) {
      expect(data.every(Number.isFinite), name).toBe(true);
    }
  });
});

describe('what a model says of a row', () => {
  const spec: ModelSpecInput = {
    inputShape: [4],
    encoder: { hidden: [8] },
    latentSize: 3,
    likelihood: { type: 'gaussian', sigma: 0.5 },
  };
  const rows = 700; // more than are taken at a time
  const values = Float32Array.from({ length: rows * 4 }, (_, i) => Math.sin(i * 12.9898) / 2 + 0.5);
  // Equal rows at several places.
  for (const place of [100, 400, 699]) values.copyWithin(4 * place, 0, 4);
  const reversed = Float32Array.from(
    { length: values.length },
    (_, i) => values[4 * (rows - 1 - (i >> 2)) + (i & 3)]!,
  );

  describe.each(['auto', 'reference'] as const)('kernels %s', (kernels) => {
    test.each<[string, (vae: VAE, x: Float32Array) => Promise<Float32Array>]>([
      ['losses', async (vae, x) => (await vae.lossesPerExample(x, { seed: 4 })).reconstruction],
      ['scores', (vae, x) => vae.score(x, { seed: 4 })],
      ['likelihoods', (vae, x) => vae.negativeLogLikelihood(x, { samples: 20, seed: 4 })],
    ])('depends on that row alone: %s', async (_, ask) => {
      using vae = await VAE.create({ spec, device: 'cpu', kernels });
      const near = (a: number, b: number) => expect(Math.abs(a - b)).toBeLessThan(1e-4 * Math.abs(b));
      const all = await ask(vae, values);
      for (const place of [100, 400, 699]) near(all[place]!, all[0]!);
      const backwards = await ask(vae, reversed);
      for (let i = 0; i < rows; i += 23) near(backwards[rows - 1 - i]!, all[i]!);
      for (const i of [0, 300, 698]) near((await ask(vae, values.slice(4 * i, 4 * i + 4)))[0]!, all[i]!);
      expect(new Set(all).size).toBeGreaterThan(600);
      // And on the seed.
      expect((await vae.lossesPerExample(values, { seed: 5 })).reconstruction[0]).not.toBe(all[0]);
    });
  });

  test('bytes and the numbers that they stand for are one row', async () => {
    using vae = await VAE.create({ spec, device: 'cpu' });
    const bytes = Uint8Array.of(0, 51, 255, 102);
    const [a] = (await vae.lossesPerExample(bytes)).reconstruction;
    const [b] = (await vae.lossesPerExample(Float32Array.from(bytes, (value) => value / 255))).reconstruction;
    expect(a).toBe(b);
  });
});
