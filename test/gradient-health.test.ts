/** Norms of gradients and updates, verdicts on them, and where numbers ceased to be finite. */
import { describe, expect, test } from 'vitest';
import { Dataset, type EpochResult, type ModelSpecInput, sprites, VAE } from '../lib/index.ts';
import { completeSpec } from '../lib/model/spec.ts';
import { judgeGradients, LossWatch } from '../lib/training/gradient-health.ts';
import { refusal } from './refusal.ts';

const norm = (values: Float32Array) => Math.hypot(...values);

describe.each([
  ['fused', 'auto'],
  ['general', 'reference'],
] as const)('%s kernels', (_, kernels) => {
  const data = Dataset.from(
    Array.from({ length: 8 }, (_, i) => Array.from({ length: 6 }, (_, j) => ((i * 7 + j * 5) % 11) / 10)),
  );
  const spec: ModelSpecInput = { inputShape: [6], encoder: { hidden: [5, 4] }, latentSize: 2 };

  test('norms are those of the gradient, of the update and of the weights before it', async () => {
    using vae = await VAE.create({ spec, device: 'cpu', seed: 3, kernels });
    const before = await vae.parameters();
    let health: EpochResult['gradientHealth'];
    // One step of SGD at rate 1/2: the update is half of the gradient.
    const options = { epochs: 1, batchSize: 8, learningRate: 0.5, optimizer: { type: 'sgd' } } as const;
    for await (const result of vae.fit(data, options)) health = result.gradientHealth;
    const after = await vae.parameters();
    expect(health!.layers.map(({ name }) => name)).toEqual([...before.keys()]);
    for (const { name, gradient, update, weight } of health!.layers) {
      const [old, now] = [before.get(name)!.data, after.get(name)!.data];
      expect(weight).toBeCloseTo(norm(old), 4);
      expect(update).toBeCloseTo(norm(now.map((value, i) => value - old[i]!)), 4);
      expect(gradient).toBeCloseTo(2 * update, 4);
    }
    expect(health!.norm).toBeCloseTo(Math.hypot(...health!.layers.map(({ gradient }) => gradient)), 6);
  });

  test('to look changes nothing', async () => {
    const weights = [];
    for (const gradientHealth of ['off', 'epoch', 'live'] as const) {
      using vae = await VAE.create({ spec, device: 'cpu', seed: 3, kernels });
      for await (const result of vae.fit(data, { epochs: 3, batchSize: 3, gradientHealth })) {
        expect(result.gradientHealth === undefined).toBe(gradientHealth === 'off');
      }
      weights.push(await vae.parameters());
    }
    expect(weights[1]).toEqual(weights[0]);
    expect(weights[2]).toEqual(weights[0]);
  });

  test('where an overflow began is said, and the weights stay as they were', async () => {
    using vae = await VAE.create({
      spec: { ...spec, likelihood: { type: 'gaussian' } },
      device: 'cpu',
      seed: 3,
      kernels,
    });
    await vae.setParameters(
      new Map([['decoder.0.weight', Float32Array.from({ length: 8 }, (_, i) => (i < 4 ? 1e30 : -1e30))]]),
    );
    const before = await vae.parameters();
    const train = async () => {
      for await (const _ of vae.fit(data, { epochs: 1, batchSize: 8 }));
    };
    expect(await refusal('ERR_NONFINITE', train)).toMatch(
      /^The reconstruction term, in the decoder or the likelihood, became NaN or infinite at step 1 \(epoch 1\)/,
    );
    expect(await vae.parameters()).toEqual(before);
  });
});

describe('verdicts', () => {
  /** A layer of `size` weights, each with a gradient of this size. */
  const judge = (
    layers: readonly { size: number; each: number; update?: number }[],
    network: ModelSpecInput['decoder'] = {},
    jump?: string,
  ) => {
    const name = (i: number) => `decoder.${i}.weight`;
    const norms = layers.map(({ size, each, update = 1e-3 }, i) => ({
      name: name(i),
      gradient: each * Math.sqrt(size),
      update,
      weight: 1,
    }));
    const sizes = new Map(layers.map(({ size }, i) => [name(i), size]));
    return judgeGradients(norms, sizes, completeSpec({ decoder: network }), jump);
  };

  test('gradients are compared weight by weight: a narrow layer is not taken for a vanishing one', () => {
    // The norms are 500 and 0.1, the weights' gradients 0.5 and 0.1.
    const layers = [
      { size: 1e6, each: 0.5 },
      { size: 1, each: 0.1 },
    ];
    expect(judge(layers).verdict).toBe('healthy');
  });

  test('and a wide layer whose weights get next to nothing is', () => {
    // The norms are equal.
    const layers = [
      { size: 1, each: 1 },
      { size: 4e6, each: 0.5e-3, update: 1e-6 },
    ];
    expect(judge(layers)).toMatchObject({
      verdict: 'vanishing',
      layer: 'decoder.1.weight',
      norm: Math.SQRT2,
    });
  });

  test('a small share counts where the layer hardly moves, a tiny one always', () => {
    const verdict = (each: number, update: number) =>
      judge([
        { size: 9, each: 1 },
        { size: 4, each, update },
        { size: 9, each: 1 },
      ]).verdict;
    expect(verdict(0.99e-3, 0.9e-5)).toBe('vanishing');
    expect(verdict(1.01e-3, 0.9e-5)).toBe('healthy');
    // As with Adam, whose updates do not shrink with the gradient.
    expect(verdict(0.99e-3, 1e-3)).toBe('healthy');
    expect(verdict(0.99e-5, 1e-3)).toBe('vanishing');
  });

  test('advice is what the network does not have yet', () => {
    const dim = [
      { size: 4, each: 1e-7 },
      { size: 4, each: 1 },
    ];
    expect(judge(dim, { activation: 'sigmoid' }).advice).toBe(
      'use relu or gelu for sigmoid, or normalize (norm: batch or layer), or take layers away',
    );
    expect(judge(dim, { activation: 'gelu' }).advice).toBe(
      'normalize (norm: batch or layer), or take layers away',
    );
    expect(judge(dim, { activation: 'gelu', norm: 'layer' }).advice).toBe('take layers away');
    expect(judge([{ size: 4, each: 0 }, dim[1]!]).advice).toMatch(/lower the learning rate/);
  });

  test('a large gradient that moves nothing much is healthy, a step or a loss that jumps is not', () => {
    const large = [{ size: 100, each: 1e5 }];
    expect(judge(large).verdict).toBe('healthy');
    expect(judge([{ ...large[0]!, update: 0.6 }])).toMatchObject({ verdict: 'exploding' });
    const { verdict, advice } = judge(large, {}, 'the kl jumped from 3 to 1.6e+11 nats');
    expect([verdict, advice]).toEqual(['exploding', expect.stringMatching(/^the kl jumped.*: clip/)]);
  });

  test('jumps are looked for between all reports, by the size of the term and of the example', () => {
    const watch = new LossWatch(784);
    const sums = { loss: 0, reconstruction: 0, kl: 0, terms: [], examples: 0 };
    const step = (loss: number, kl: number) => {
      const before = { ...sums };
      sums.loss += 100 * loss;
      sums.reconstruction += 100 * (loss - kl);
      sums.kl += 100 * kl;
      sums.examples += 100;
      return watch.note(before, sums);
    };
    // A model that begins far off, and a divergence that grows as it learns.
    for (const [loss, kl] of [
      [9e5, 0],
      [540, 0.1],
      [210, 18],
      [260, 60],
      [900, 300],
    ]) {
      expect(step(loss!, kl!)).toBeUndefined();
    }
    expect(step(300, 1.6e11)).toMatch(/^the kl jumped from 0\.00 to 1\.60e\+11 nats$/);
    expect(step(150, 20)).toBeUndefined();
    expect(step(1e5, 20)).toMatch(/^the loss jumped from 150 to 1\.00e\+5 nats$/);
  });
});

const study = async (activation: 'sigmoid' | 'relu' | 'gelu', depth: number) => {
  const hidden = Array.from({ length: depth }, () => 32);
  using vae = await VAE.create({
    spec: { encoder: { hidden, activation }, latentSize: 4 },
    device: 'cpu',
    seed: 1,
  });
  let health: EpochResult['gradientHealth'];
  for await (const result of vae.fit(sprites({ count: 512, seed: 1 }), { epochs: 1 }))
    health = result.gradientHealth;
  return health!;
};

test('seven layers of sigmoids lose the gradient on the way to the input, of relus they do not', async () => {
  const sigmoid = await study('sigmoid', 7);
  expect(sigmoid.verdict).toBe('vanishing');
  expect(sigmoid.layer).toMatch(/^encoder\./);
  expect(sigmoid.advice).toMatch(/relu/);
  for (const [activation, depth] of [
    ['relu', 2],
    ['relu', 6],
    ['gelu', 6],
  ] as const) {
    expect((await study(activation, depth)).verdict, `${activation}, ${depth} layers`).toBe('healthy');
  }
});

test('a step that throws the weights about is called exploding', async () => {
  using vae = await VAE.create({
    spec: { encoder: { hidden: [32] }, latentSize: 4 },
    device: 'cpu',
    seed: 1,
  });
  const found = [];
  const options = { epochs: 1, learningRate: 0.5 };
  for await (const { gradientHealth } of vae.fit(sprites({ count: 128, seed: 1 }), options))
    found.push(gradientHealth);
  expect(found[0]).toMatchObject({ verdict: 'exploding', advice: expect.stringMatching(/clip/) });
});

test('a loss that jumps amid an epoch is called exploding, though the last step is calm', async () => {
  const count = 2000;
  const calm = Array.from({ length: count }, (_, i) => [Math.sin(i), Math.cos(i)]);
  // Rows far out, amid the epoch.
  const rows = calm.map((row, i) => (i > 800 && i < 1200 ? [80, -80] : row));
  for (const [data, verdict] of [
    [Dataset.from(rows), 'exploding'],
    [Dataset.from(calm), 'healthy'],
  ] as const) {
    using vae = await VAE.create({
      spec: { inputShape: [2], encoder: { hidden: [16] }, latentSize: 2, likelihood: 'gaussian' },
      device: 'cpu',
      seed: 1,
    });
    const options = { epochs: 1, batchSize: 1, shuffle: false, learningRate: 1e-4, clip: { norm: 1 } };
    const { gradientHealth } = await vae.fit(data, options);
    expect(gradientHealth!.verdict).toBe(verdict);
  }
});

test('reports of progress bring the norms where they are asked for', async () => {
  using vae = await VAE.create({
    spec: { encoder: { hidden: [32] }, latentSize: 4 },
    device: 'cpu',
    seed: 1,
  });
  const norms: (number | undefined)[] = [];
  const options = {
    epochs: 1,
    batchSize: 8,
    gradientHealth: 'live',
    onProgress: (progress: { gradientHealth?: { norm: number } }) =>
      norms.push(progress.gradientHealth?.norm),
  } as const;
  for await (const _ of vae.fit(sprites({ count: 512, seed: 1 }), options));
  expect(norms.length).toBeGreaterThan(2);
  for (const value of norms) expect(value).toBeGreaterThan(0);
});
