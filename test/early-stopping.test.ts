/** The best epoch, the end of training when nothing improves, and what an epoch says of updates that were left out. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { spread } from '../lib/data/spread.ts';
import { Dataset, type EarlyStopping, type EpochResult, type FitOptions, VAE } from '../lib/index.ts';
import type { Best } from '../lib/model/core.ts';
import { completeSpec } from '../lib/model/spec.ts';
import { checkStopping, hasStopped, noteBest } from '../lib/training/early-stopping.ts';
import { refusal } from './refusal.ts';

const folder = mkdtempSync(join(tmpdir(), 'torchvae-stopping-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const data = Dataset.from(
  Array.from({ length: 24 }, (_, i) => Array.from({ length: 6 }, (_, j) => ((i * 7 + j * 5) % 11) / 10)),
);
const spec = { inputShape: [6], encoder: { hidden: [4] }, latentSize: 2 };
const create = (more = {}) => VAE.create({ spec: { ...spec, ...more }, device: 'cpu', seed: 3 });

async function train(vae: VAE, options: FitOptions): Promise<EpochResult[]> {
  const results = [];
  for await (const result of vae.fit(data, { batchSize: 8, ...options })) results.push(result);
  return results;
}

/** The epochs that count as best, and the one that training ends at, for these numbers of -ELBO. */
function follow(values: readonly number[], stopping: EarlyStopping) {
  const settings = checkStopping({ ...stopping, monitor: 'elbo' }, true, completeSpec({}));
  let best: Best | undefined;
  const bests: number[] = [];
  for (const [i, value] of values.entries()) {
    const losses = { reconstruction: value, kl: 0, loss: value, elbo: -value, beta: 1, natsPerDimension: 1 };
    best = noteBest(settings, best, losses, i + 1);
    bests.push(best.epoch);
    if (hasStopped(settings, best)) return { bests, end: i + 1 };
  }
  return { bests, end: undefined };
}

test('training ends after `patience` epochs in a row without an improvement', () => {
  expect(follow([5, 4, 4.5, 4, 3, 3, 3.1, 3.2, 1], { patience: 3 })).toEqual({
    bests: [1, 2, 2, 2, 5, 5, 5, 5],
    end: 8,
  });
  expect(follow([5, 6], { patience: 1 }).end).toBe(2);
  expect(follow([5, 4, 3, 2, 1], { patience: 1 }).end).toBeUndefined();
});

test('less than minDelta is no improvement, though it may be the best', () => {
  const values = [10, 9.95, 9.9, 9.8, 9.85, 9.75];
  expect(follow(values, { patience: 3, minDelta: 0.15 })).toEqual({
    bests: [1, 2, 3, 4, 4, 6],
    end: undefined,
  });
  expect(follow(values, { patience: 2, minDelta: 0.15 })).toEqual({ bests: [1, 2, 3], end: 3 });
});

test('fit ends early, remembers it in the checkpoint, and goes on with more patience', async () => {
  const options = { validation: data, learningRate: 0, earlyStopping: { patience: 3 } };
  const path = join(folder, 'vae.safetensors');
  {
    using vae = await create();
    const results = await train(vae, { ...options, epochs: 2 });
    expect(results.map(({ best }) => best.epoch)).toEqual([1, 1]);
    expect(results[0]!.best).toEqual({
      epoch: 1,
      value: results[0]!.validation!.loss,
      of: 'validation loss',
    });
    await vae.save(path);
  }
  using vae = await VAE.load(path, { device: 'cpu' });
  expect((await train(vae, { ...options, epochs: 9 })).map(({ epoch }) => epoch)).toEqual([3, 4]);
  await vae.save(path);
  using stopped = await VAE.load(path, { device: 'cpu' });
  expect(await train(stopped, { ...options, epochs: 9 })).toEqual([]);
  expect(await train(stopped, { ...options, epochs: 9, earlyStopping: { patience: 4 } })).toHaveLength(1);
  // Another number has another best.
  const reconstruction = { patience: 2, monitor: 'reconstruction' } as const;
  expect(await train(stopped, { ...options, epochs: 9, earlyStopping: reconstruction })).toHaveLength(3);
  expect(await train(stopped, { validation: data, learningRate: 0, epochs: 1 })).toHaveLength(1);
});

test('while beta warms up, epochs are judged by the beta that it comes to, else the first would seem best', async () => {
  using vae = await create({ objective: { beta: 2, warmup: { shape: 'linear', steps: 30, cycles: 1 } } });
  const results = await train(vae, { validation: data, epochs: 3 });
  const wanted = results.map(({ validation }) => validation!.reconstruction + 2 * validation!.kl);
  for (const [i, { best }] of results.entries())
    expect(best.value).toBeCloseTo(Math.min(...wanted.slice(0, i + 1)), 10);
  expect(results[0]!.validation!.loss).toBeLessThan(wanted[0]!);
});

test('without validation the losses of training are judged', async () => {
  using vae = await create();
  const [first] = await train(vae, { epochs: 1 });
  expect(first!.best).toEqual({ epoch: 1, value: first!.train.loss, of: 'training loss' });
});

test.each([
  [{}, 'ERR_TYPE', /an integer of at least 1 for earlyStopping.patience/],
  [{ patience: 0 }, 'ERR_RANGE', /earlyStopping.patience/],
  [{ patience: 1, minDelta: -1 }, 'ERR_RANGE', /earlyStopping.minDelta/],
  [
    { patience: 1, monitor: 'kl' },
    'ERR_RANGE',
    /one of loss, elbo, reconstruction for earlyStopping.monitor/,
  ],
  [{ patience: 1, patient: 1 }, 'ERR_RANGE', /Unknown option patient/],
  [5, 'ERR_TYPE', /an object for options.earlyStopping/],
  [false, 'ERR_TYPE', /an object for options.earlyStopping/],
] as const)('earlyStopping: %j is refused', async (earlyStopping, code, message) => {
  using vae = await create();
  const given = earlyStopping as EarlyStopping;
  expect(await refusal(code, () => vae.fit(data, { earlyStopping: given }))).toMatch(message);
});

test('an epoch says where the first update that was left out ceased to be finite', async () => {
  const values = new Float32Array(24 * 6).fill(0.5);
  values[100] = 1e30;
  const real = Dataset.from(values, { shape: [6], kind: 'real' });
  using vae = await create({ likelihood: { type: 'gaussian' } });
  const results = [];
  const options = { epochs: 1, batchSize: 8, onNonFinite: 'skip', shuffle: false } as const;
  for await (const result of vae.fit(real, options)) results.push(result);
  expect(results[0]).toMatchObject({
    skipped: 1,
    skippedBecause: expect.stringMatching(/^The (reconstruction|kl|gradient of) .*became NaN or infinite$/),
  });
  expect((await train(await create(), { epochs: 1 }))[0]).not.toHaveProperty('skippedBecause');
});

test('the survey of z takes examples from all of the validation set', async () => {
  const numbered = Dataset.from(
    Float32Array.from({ length: 2500 }, (_, i) => i),
    { shape: [1], kind: 'real' },
  );
  const some = spread(numbered, 1000);
  expect([some.data[0], some.data[1], some.data[2], some.data[999]]).toEqual([0, 2, 5, 2497]);
  expect(spread(numbered, 2500)).toBe(numbered);

  // Sorted: the first thousand are all the same.
  const rows = Float32Array.from({ length: 2500 * 6 }, (_, i) => (i < 6000 ? 0 : (i % 7) / 7));
  const sorted = Dataset.from(rows, { shape: [6] });
  using vae = await create();
  for await (const { latentHealth } of vae.fit(data, { epochs: 1, validation: sorted, latentHealth: true })) {
    expect(latentHealth!.examples).toBe(1000);
    expect(Math.max(...latentHealth!.meanVariance)).toBeGreaterThan(0);
  }
});

describe('what is judged is what training minimizes', () => {
  const circle = Dataset.from(
    Array.from({ length: 120 }, (_, i) => [Math.sin(i), Math.cos(i), Math.sin(2 * i), Math.cos(3 * i)]),
  );
  const { train: learned, validation } = circle.split({ validation: 0.25 });

  test.each([
    ['wae-mmd', { posterior: 'deterministic', objective: { type: 'wae-mmd', lambda: 10 } }],
    ['rae', { posterior: 'deterministic', objective: 'rae' }],
    ['iwae', { objective: { type: 'iwae', samples: 5 } }],
    ['a capacity with a large beta', { objective: { beta: 100, capacity: { to: 4, steps: 60 } } }],
  ] as const)('%s: the best epoch is that of the lowest validation loss', async (name, parts) => {
    using vae = await VAE.create({
      spec: { inputShape: [4], encoder: { hidden: [16] }, latentSize: 2, likelihood: 'gaussian', ...parts },
      device: 'cpu',
      seed: 3,
    });
    const losses: number[] = [];
    let last: EpochResult | undefined;
    const options = {
      epochs: 12,
      batchSize: 16,
      learningRate: 3e-3,
      validation,
      earlyStopping: { patience: 4 },
    };
    for await (const result of vae.fit(learned, options)) {
      losses.push(result.validation!.loss);
      last = result;
    }
    expect(last!.best.of).toBe('validation loss');
    // Once the schedules are over, the judged loss is the one that is shown.
    if (!name.startsWith('a capacity')) {
      expect(last!.best.epoch).toBe(losses.indexOf(Math.min(...losses)) + 1);
      expect(last!.best.value).toBe(Math.min(...losses));
    }
    expect(last!.best.epoch).toBeGreaterThan(4);
  });

  test('a model without a bound has no elbo, and cannot be judged by it', async () => {
    const parts = { posterior: 'deterministic', objective: 'wae-mmd' } as const;
    using vae = await VAE.create({
      spec: { inputShape: [4], encoder: { hidden: [8] }, latentSize: 2, likelihood: 'gaussian', ...parts },
      device: 'cpu',
    });
    const { train, validation: judged } = await vae.fit(learned, { epochs: 1, validation });
    for (const losses of [train, judged!, await vae.loss(validation)]) {
      expect(Object.keys(losses)).not.toContain('elbo');
      expect(Object.keys(losses)).not.toContain('natsPerDimension');
      expect(losses.loss).toBeGreaterThan(0);
    }
    const found = await vae.evaluate(validation, { likelihoodSamples: 5, samples: 20 });
    expect(Object.keys(found)).toEqual(['data', 'seed', 'losses', 'latent', 'reconstruction', 'samples']);
    expect(Object.keys(found.losses)).not.toContain('bitsPerDimension');
    const stopping = { patience: 2, monitor: 'elbo' } as const;
    await expect(async () => vae.fit(learned, { earlyStopping: stopping })).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringContaining('monitor its loss'),
    });
  });
});
