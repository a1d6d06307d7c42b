/** Schedules of the learning rate against torch.optim.lr_scheduler (PyTorch 2.13), and through fit(). */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Dataset, type FitOptions, type LearningRateSchedule, type StepProgress, VAE } from '../lib/index.ts';
import type { Plateau } from '../lib/model/core.ts';
import { completeSpec, type ModelSpecInput } from '../lib/model/spec.ts';
import { checkSchedule, isSteadyRate, learningRateAt, notePlateau } from '../lib/training/learning-rate.ts';
import { steadyFrom, weightsAt } from '../lib/training/schedule.ts';
import { refusal } from './refusal.ts';

/** The rate at the beginning of each epoch, as PyTorch's schedulers have it, from 0.5. */
function ratesOf(given: LearningRateSchedule, epochs: number, losses: readonly number[] = []): number[] {
  const schedule = checkSchedule(given);
  let plateau: Plateau | undefined;
  return Array.from({ length: epochs }, (_, epoch) => {
    const rate = learningRateAt(
      schedule,
      0.5,
      { epoch, stepInEpoch: 0, stepsPerEpoch: 7, step: 1000 },
      plateau,
    );
    plateau = notePlateau(schedule, plateau, losses[epoch] ?? 0);
    return rate;
  });
}

// for p in (StepLR(o, 3, 0.5), MultiStepLR(o, [2, 5], 0.1), CosineAnnealingLR(o, 6, 0.1)): the rate before each p.step();
// ReduceLROnPlateau(o, factor=0.5, patience=2, threshold=1e-4, min_lr=0.1) with the losses below.
const LOSSES = [5, 4, 4, 3.9999, 4.1, 4.2, 3, 3.1, 3.1, 3.1, 3.1, 2.9];
const TORCH = {
  step: [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125],
  multistep: [0.5, 0.5, 0.05, 0.05, 0.05, 0.005, 0.005, 0.005],
  cosine: [0.5, 0.47320508075688783, 0.4, 0.3, 0.2, 0.1267949192431123, 0.1],
  plateau: [0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25, 0.125, 0.125],
};

test.each([
  ['step', { type: 'step', every: 3, factor: 0.5 }],
  ['multistep', { type: 'multistep', at: [5, 2] }],
  ['cosine', { type: 'cosine', epochs: 6, final: 0.1 }],
  ['plateau', { type: 'plateau', factor: 0.5, patience: 2, lowest: 0.1 }],
] as const)('%s is what PyTorch makes of it', (name, schedule) => {
  const wanted: readonly number[] = TORCH[name];
  const rates = ratesOf(schedule, wanted.length, LOSSES);
  for (const [i, rate] of rates.entries()) expect(rate).toBeCloseTo(wanted[i]!, 12);
});

test('a warm-up rises evenly, and then the schedule goes on', () => {
  const schedule = checkSchedule({ type: 'step', every: 1, factor: 0.1, warmup: 4 });
  const at = (step: number) =>
    learningRateAt(
      schedule,
      1,
      { epoch: Math.floor(step / 10), stepInEpoch: step % 10, stepsPerEpoch: 10, step },
      undefined,
    );
  expect([0, 1, 2, 3, 4, 9].map(at)).toEqual([0.2, 0.4, 0.6, 0.8, 1, 1]);
  expect(at(10)).toBeCloseTo(0.1, 12);
});

test.each<LearningRateSchedule>([
  { type: 'constant', warmup: 7 },
  { type: 'step', every: 2, warmup: 3 },
  { type: 'multistep', at: [1, 2] },
  { type: 'plateau', warmup: 11 },
  { type: 'cosine', epochs: 3 },
])('a rate that is called steady is one to the end of the epoch: %j', (given) => {
  const schedule = checkSchedule(given);
  const rateAt = (step: number) => {
    const [epoch, stepInEpoch] = [Math.floor(step / 20), step % 20];
    return learningRateAt(schedule, 0.1, { epoch, stepInEpoch, stepsPerEpoch: 20, step }, undefined);
  };
  for (let step = 0; step < 60; step++) {
    const rest = Array.from({ length: 20 - (step % 20) }, (_, i) => rateAt(step + i));
    if (isSteadyRate(schedule, step)) expect(new Set(rest).size).toBe(1);
    else expect(given.type === 'cosine' || step < given.warmup!).toBe(true);
  }
});

test.each<ModelSpecInput>([
  {},
  { objective: { type: 'elbo', warmup: { shape: 'linear', steps: 9 } } },
  { objective: { type: 'elbo', warmup: { shape: 'cyclical', steps: 40, cycles: 4 } } },
  { objective: { type: 'elbo', capacity: { from: 0, to: 5, steps: 13 } } },
  { posterior: { type: 'gumbel-softmax', temperatureSteps: 17 }, prior: 'categorical' },
])('weights are final from the step that is said: %j', (given) => {
  const spec = completeSpec(given);
  const from = steadyFrom(spec);
  for (let step = from; step < from + 50; step++)
    expect(weightsAt(spec, step)).toEqual(weightsAt(spec, Number.POSITIVE_INFINITY));
  // Not so late that nothing would be called final.
  const before = new Set(Array.from({ length: from }, (_, step) => String(weightsAt(spec, step))));
  expect(before.size > 1).toBe(from > 0);
});

describe('through fit()', () => {
  const data = Dataset.from(
    Array.from({ length: 24 }, (_, i) => Array.from({ length: 6 }, (_, j) => ((i * 7 + j * 5) % 11) / 10)),
  );
  const spec = { inputShape: [6], encoder: { hidden: [4] }, latentSize: 2 };

  test('the epochs are trained at the rates that they report', async () => {
    const learn = async (
      schedule: LearningRateSchedule | undefined,
      learningRate: number,
      epochs: number,
    ) => {
      using vae = await VAE.create({ spec, device: 'cpu', seed: 3 });
      const rates = [];
      const options = { epochs, batchSize: 8, learningRate, ...(schedule && { schedule }) };
      for await (const result of vae.fit(data, options)) rates.push(result.learningRate);
      return { rates, weights: await vae.parameters() };
    };
    const stepped = await learn({ type: 'step', every: 1, factor: 0 }, 0.01, 3);
    expect(stepped.rates).toEqual([0.01, 0, 0]);
    // Two epochs at a rate of 0 leave the weights of the first.
    expect(stepped.weights).toEqual((await learn(undefined, 0.01, 1)).weights);
  });

  test('on a table the rate falls towards the end of the epochs, also where a call is interrupted', async () => {
    const table = await Dataset.fromRecords(
      Array.from({ length: 30 }, (_, i) => ({ x: i % 7, kind: 'abc'[i % 3] })),
    );
    const path = join(mkdtempSync(join(tmpdir(), 'torchvae-rates-')), 'half.safetensors');
    const model = () =>
      VAE.create({
        spec: { ...spec, inputShape: table.shape, likelihood: 'gaussian' },
        device: 'cpu',
        seed: 3,
      });
    const ratesOf = async (vae: VAE, options: FitOptions, until = Infinity) => {
      const rates: number[] = [];
      for await (const { learningRate, epoch } of vae.fit(table, {
        batchSize: 8,
        learningRate: 0.01,
        ...options,
      })) {
        rates.push(Math.round(1e6 * learningRate) / 1e6);
        if (epoch === until) break;
      }
      return rates;
    };
    const [full, low] = [0.01, 0.001];
    using whole = await model();
    const falling = [...Array<number>(7).fill(full), low, low, low];
    expect(await ratesOf(whole, { epochs: 10 })).toEqual(falling);
    using begun = await model();
    expect(await ratesOf(begun, { epochs: 10 }, 6)).toEqual(falling.slice(0, 6));
    await begun.save(path);
    using resumed = await VAE.load(path, { device: 'cpu' });
    expect(await ratesOf(resumed, { epochs: 4 })).toEqual(falling.slice(6));
    expect(await resumed.parameters()).toEqual(await whole.parameters());
    // Calls one after the other have each their end, and those of an epoch none.
    for (let call = 0; call < 6; call++) expect(await ratesOf(begun, { epochs: 1 })).toEqual([full]);
    expect(await ratesOf(begun, { epochs: 5 })).toEqual([full, full, full, full, low]);
    expect(await ratesOf(whole, { epochs: 5, schedule: { type: 'constant' } })).toEqual(Array(5).fill(full));
    using population = await VAE.population({
      spec: { ...spec, inputShape: table.shape, likelihood: 'gaussian' },
      seeds: [3],
      device: 'cpu',
    });
    await population.fit(table, { epochs: 10, batchSize: 8, learningRate: 0.01 });
    using alone = await model();
    await ratesOf(alone, { epochs: 10 });
    expect(await population.members[0]!.parameters()).toEqual(await alone.parameters());
    rmSync(dirname(path), { recursive: true });
  });

  test('an epoch reports the rate of its last step, progress the rate of the step to come', async () => {
    // 3 steps an epoch: in the second epoch the last is step 2 of that epoch and 5 of all.
    const schedule = { type: 'cosine', epochs: 2, final: 0.1, warmup: 3 } as const;
    const rateAt = (step: number) =>
      Math.min(1, (step + 1) / 4) * (0.1 + (0.9 * (1 + Math.cos((Math.PI * step) / 6))) / 2);
    using vae = await VAE.create({ spec, device: 'cpu', seed: 3 });
    const reported: number[] = [];
    const coming = new Map<number, number>();
    const onProgress = (progress: StepProgress) => coming.set(progress.step, progress.learningRate);
    const options = { epochs: 2, batchSize: 8, learningRate: 1, schedule, onProgress };
    for await (const { learningRate } of vae.fit(data, options)) reported.push(learningRate);
    expect(reported[0]).toBeCloseTo(rateAt(2), 12);
    expect(reported[1]).toBeCloseTo(rateAt(5), 12);
    // The first steps are handed over one at a time; where an epoch ends, the next one begins.
    expect(coming.get(1)).toBeCloseTo(rateAt(1), 12);
    for (const [step, rate] of coming) if (step % 3 !== 0) expect(rate).toBeCloseTo(rateAt(step), 12);
  });

  test('losses are weighted by the beta of the step that was taken last', async () => {
    const warm = { ...spec, objective: { beta: 2, warmup: { steps: 10 } } };
    using vae = await VAE.create({ spec: warm, device: 'cpu', seed: 3 });
    const betas = new Map<number, number>();
    const onProgress = ({ step, beta }: StepProgress) => betas.set(step, beta);
    const seen = [];
    for await (const { train, validation } of vae.fit(data, {
      epochs: 4,
      batchSize: 8,
      validation: data,
      onProgress,
    })) {
      expect(validation!.beta).toBe(train.beta);
      seen.push(train.beta);
    }
    // 3 steps an epoch, each of them a tenth further, from 0 to 2: the last ones are numbers 2, 5, 8 and 11.
    for (const [epoch, beta] of seen.entries()) expect(beta).toBeCloseTo([0.4, 1, 1.6, 2][epoch]!, 12);
    expect(betas.get(1)).toBe(0);
    for (const [step, beta] of betas) expect(beta).toBeCloseTo(Math.min(2, (step - 1) / 5), 12);
    expect((await vae.loss(data)).beta).toBe(2);
    using fresh = await VAE.create({ spec: warm, device: 'cpu', seed: 3 });
    expect((await fresh.loss(data)).beta).toBe(0);
  });

  test('the seconds that are left are the steps that are left at the present speed', async () => {
    using vae = await VAE.create({ spec, device: 'cpu', seed: 3 });
    const left: number[] = [];
    const check = (progress: StepProgress) => {
      const { epoch, lastEpoch, stepInEpoch, stepsPerEpoch, stepsPerSecond, secondsLeft } = progress;
      const steps = (lastEpoch - epoch) * stepsPerEpoch + stepsPerEpoch - stepInEpoch;
      expect([lastEpoch, stepsPerEpoch]).toEqual([3, 12]);
      expect(secondsLeft * stepsPerSecond).toBeCloseTo(steps, 6);
      left.push(steps);
    };
    await vae.fit(data, { epochs: 3, batchSize: 2, onProgress: check });
    expect(left[0]).toBe(35);
    expect(left.at(-1)).toBe(0);
  });

  test('a plateau is remembered by the checkpoint', async () => {
    const path = `${process.env.TMPDIR ?? '/tmp'}/plateau-${process.pid}.safetensors`;
    const options = {
      batchSize: 8,
      learningRate: 1e-9,
      schedule: { type: 'plateau', patience: 0, threshold: 0.5, factor: 0.5 } as const,
    };
    const rates = [];
    {
      using vae = await VAE.create({ spec, device: 'cpu', seed: 3 });
      for await (const { learningRate } of vae.fit(data, { ...options, epochs: 3 })) rates.push(learningRate);
      await vae.save(path);
    }
    using resumed = await VAE.load(path, { device: 'cpu' });
    for await (const { learningRate } of resumed.fit(data, { ...options, epochs: 2 }))
      rates.push(learningRate);
    expect(rates).toEqual([1e-9, 1e-9, 0.5e-9, 0.25e-9, 0.125e-9]);
  });

  test.each([
    [{ type: 'steps' }, 'ERR_RANGE', /one of constant, step, multistep, cosine, plateau/],
    [{ type: 'step' }, 'ERR_TYPE', /schedule.every/],
    [{ type: 'step', every: 1, at: [1] }, 'ERR_RANGE', /Unknown option at/],
    [{ type: 'multistep', at: [] }, 'ERR_TYPE', /schedule.at/],
    [{ type: 'cosine', epochs: 0 }, 'ERR_RANGE', /schedule.epochs/],
    [{ type: 'plateau', factor: 2 }, 'ERR_RANGE', /schedule.factor/],
  ] as const)('%j is refused', async (schedule, code, message) => {
    using vae = await VAE.create({ spec, device: 'cpu' });
    const given = schedule as LearningRateSchedule;
    expect(await refusal(code, () => vae.fit(data, { schedule: given }))).toMatch(message);
  });
});
