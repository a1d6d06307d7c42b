/** Norms of gradients and updates, verdicts on them, and where numbers ceased to be finite. */
import { describe, expect, test } from 'vitest';
import { Dataset, type EpochResult, type ModelSpecInput, sprites, VAE } from '../lib/index.ts';
import { judgeGradients } from '../lib/training/gradient-health.ts';
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
  const judge = (layers: readonly { size: number; each: number }[]) => {
    const name = (i: number) => `decoder.${i}.weight`;
    const norms = layers.map(({ size, each }, i) => ({
      name: name(i),
      gradient: each * Math.sqrt(size),
      update: 0,
      weight: 1,
    }));
    return judgeGradients(norms, new Map(layers.map(({ size }, i) => [name(i), size])));
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
      { size: 4e6, each: 0.5e-3 },
    ];
    expect(judge(layers)).toMatchObject({
      verdict: 'vanishing',
      layer: 'decoder.1.weight',
      norm: Math.SQRT2,
    });
  });

  test('the threshold is a thousandth', () => {
    expect(
      judge([
        { size: 9, each: 1 },
        { size: 4, each: 1.01e-3 },
      ]).verdict,
    ).toBe('healthy');
    expect(
      judge([
        { size: 9, each: 1 },
        { size: 4, each: 0.99e-3 },
      ]).verdict,
    ).toBe('vanishing');
  });
});

const study = async (activation: 'sigmoid' | 'relu', depth: number) => {
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
  expect((await study('relu', 2)).verdict).toBe('healthy');
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
