/** Binary values from values in [0, 1]: cut, drawn once, or drawn by every batch. */
import { expect, test } from 'vitest';
import { Dataset, type EpochResult, sprites, VAE } from '../lib/index.ts';
import { refusal } from './refusal.ts';

const gray = Dataset.from(
  Array.from({ length: 40 }, (_, i) => Array.from({ length: 7 }, (_, j) => ((i + 3 * j) % 9) / 8)),
  { kind: 'unit', labels: Array.from({ length: 40 }, (_, i) => i % 2) },
);

test('a threshold cuts', () => {
  const cut = gray.binarize({ mode: 'threshold', threshold: 0.25 });
  expect(cut).toMatchObject({ kind: 'binary', binarization: 'threshold', length: 40 });
  expect(cut.labels).toEqual(gray.labels);
  expect([...cut.data]).toEqual(Array.from(gray.data, (value) => (value >= 0.25 ? 255 : 0)));
  const bytes = Dataset.from(Uint8Array.of(0, 127, 128, 255), { shape: [1], kind: 'unit' });
  expect([...bytes.binarize({ mode: 'threshold' }).data]).toEqual([0, 0, 255, 255]);
});

test('fixed draws come by the values chances, once, from the seed', () => {
  const chance = Dataset.from(new Float32Array(20_000).fill(0.3), { shape: [1], kind: 'unit' });
  const fixed = chance.binarize({ mode: 'fixed', seed: 5 });
  const share = [...fixed.data].reduce((sum, value) => sum + value / 255, 0) / 20_000;
  // Five standard deviations.
  expect(Math.abs(share - 0.3)).toBeLessThan(5 * Math.sqrt(0.21 / 20_000));
  expect(chance.binarize({ mode: 'fixed', seed: 5 }).data).toEqual(fixed.data);
  expect(chance.binarize({ mode: 'fixed', seed: 6 }).data).not.toEqual(fixed.data);
});

test.each(['auto', 'reference'] as const)(
  'dynamic draws are new for each batch and have the values chances: %s kernels',
  async (kernels) => {
    // With a rate of 0 the losses tell the data alone: 7 logits of 0 but for one weight a dimension, its bias.
    const data = Dataset.from(
      Array.from({ length: 4000 }, () => [0, 0.2, 0.5, 0.8, 1]),
      { kind: 'unit' },
    ).binarize({ mode: 'dynamic' });
    const losses = [];
    for (let j = 0; j < 5; j++) {
      using vae = await VAE.create({
        spec: { inputShape: [5], encoder: { hidden: [3] }, latentSize: 1 },
        device: 'cpu',
        kernels,
      });
      const weights = [...(await vae.parameters())].map(
        ([name, { data: values }]) =>
          [
            name,
            name === 'decoder.1.bias' ? values.map((_, i) => (i === j ? -10 : 0)) : values.fill(0),
          ] as const,
      );
      await vae.setParameters(new Map(weights));
      const epochs: EpochResult[] = [];
      for await (const result of vae.fit(data, { epochs: 2, learningRate: 0, batchSize: 100 }))
        epochs.push(result);
      // -log p of a value x at logit -10 is log(1 + e^-10) + 10 x; the other four cost log 2 each.
      const meanOf = (loss: number) => (loss - 4 * Math.LN2 - Math.log1p(Math.exp(-10))) / 10;
      const drawn = epochs.map(({ train }) => meanOf(train.reconstruction));
      const wanted = [0, 0.2, 0.5, 0.8, 1][j]!;
      for (const mean of drawn) {
        expect(Math.abs(mean - wanted)).toBeLessThan(5 * Math.sqrt((wanted * (1 - wanted)) / 4000) + 1e-5);
      }
      if (wanted % 1 !== 0) expect(drawn[0]).not.toBe(drawn[1]);
      losses.push(drawn);
      // Evaluation draws too, from its seed.
      const evaluated = await vae.loss(data, { seed: 1 });
      expect(await vae.loss(data, { seed: 1 })).toEqual(evaluated);
      if (wanted % 1 !== 0) expect((await vae.loss(data, { seed: 2 })).loss).not.toBe(evaluated.loss);
    }
    expect(losses.length).toBe(5);
  },
);

test('both kernels draw the same values', async () => {
  const data = sprites({ count: 70, seed: 2, size: 28 }).binarize({ mode: 'dynamic' });
  const trained = [];
  for (const kernels of ['auto', 'reference'] as const) {
    using vae = await VAE.create({
      spec: { encoder: { hidden: [9] }, latentSize: 2 },
      device: 'cpu',
      seed: 4,
      kernels,
    });
    for await (const { train } of vae.fit(data, { epochs: 2, batchSize: 32 })) trained.push(train.loss);
  }
  expect(trained[2]).toBeCloseTo(trained[0]!, 2);
  expect(trained[3]).toBeCloseTo(trained[1]!, 2);
});

test('methods that take examples draw from their own seed', async () => {
  const data = gray.binarize({ mode: 'dynamic' });
  using vae = await VAE.create({
    spec: { inputShape: [7], encoder: { hidden: [3] }, latentSize: 1 },
    device: 'cpu',
  });
  const first = await vae.lossesPerExample(data, { seed: 1 });
  expect(await vae.lossesPerExample(data, { seed: 1 })).toEqual(first);
  expect(await vae.lossesPerExample(data.drawn(1) as Uint8Array, { seed: 1 })).toEqual(first);
  expect(await vae.lossesPerExample(data.drawn(2) as Uint8Array, { seed: 1 })).not.toEqual(first);
});

test('data that is not in [0, 1], is binary already, or a setting of another mode is refused', async () => {
  const real = Dataset.from([[2, 3]]);
  expect(await refusal('ERR_STATE', () => real.binarize({ mode: 'threshold' }))).toMatch(/'real'/);
  const cut = gray.binarize({ mode: 'threshold' });
  expect(await refusal('ERR_STATE', () => cut.binarize({ mode: 'fixed' }))).toMatch(
    /binarized \(threshold\)/,
  );
  expect(await refusal('ERR_RANGE', () => gray.binarize({ mode: 'dynamic', seed: 3 }))).toMatch(/seed/);
  expect(await refusal('ERR_RANGE', () => gray.binarize({ mode: 'static' as 'fixed' }))).toMatch(
    /threshold, fixed, dynamic/,
  );
});

test('subsets and splits keep the way of binarization', () => {
  const data = gray.binarize({ mode: 'dynamic' });
  expect(data.take(3).binarization).toBe('dynamic');
  expect(data.split({ validation: 0.5 }).train.binarization).toBe('dynamic');
  expect(data.describe()).toMatch(/dynamic binarization/);
});
