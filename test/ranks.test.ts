/**
 * Several processes that train one model: to the numbers of one process, but for rounding. They are real processes on this machine,
 * which talk by Gloo.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import * as torchvae from '../lib/index.ts';
import { VAE } from '../lib/index.ts';
import type { Outcome } from './support/command.ts';
import { type RankCase, train } from './support/rank-cases.mjs';
import { trainInRanks } from './support/ranks.ts';

/** How far the numbers of several processes may be from those of one, relative to their size. */
const TOLERANCE = { float32: 1e-5, float64: 1e-12 };

const two = { epochs: 2, batchSize: 32 };
const small = { encoder: { hidden: [48, 16] }, latentSize: 4 };

const CASES: readonly RankCase[] = [
  {
    name: 'a perceptron by fused kernels, with an uneven last batch',
    count: 300,
    create: { spec: small },
    fit: two,
  },
  {
    name: 'last batches of one example, which leave ranks without any',
    count: 97,
    create: { spec: small, seed: 4 },
    fit: two,
  },
  {
    name: 'convolutions',
    count: 200,
    create: { spec: { encoder: { type: 'conv', channels: [4, 8] }, latentSize: 2 } },
    fit: two,
  },
  {
    name: 'sums of batches, clipping by norm and averages of weights',
    count: 300,
    create: { spec: small },
    fit: { ...two, accumulate: 3, clip: { norm: 5 }, averageWeights: 0.9, optimizer: { type: 'adamw' } },
  },
  {
    name: "importance weights on libtorch's derivatives, with values that are drawn for every batch",
    count: 200,
    binarize: 'dynamic',
    create: { spec: { ...small, objective: { type: 'iwae', samples: 3 } } },
    fit: two,
  },
  {
    name: 'drawn values by fused kernels',
    count: 200,
    binarize: 'dynamic',
    create: { spec: { ...small, latentSize: 3 } },
    fit: two,
  },
  {
    name: 'dropout, a VampPrior and a warm-up in float64',
    count: 200,
    create: {
      precision: 'float64',
      spec: {
        encoder: { hidden: [24], dropout: 0.2 },
        latentSize: 3,
        prior: { type: 'vamp', components: 16 },
        objective: { beta: 2, warmup: { steps: 8 } },
      },
    },
    fit: two,
  },
  {
    name: 'labels and a flow',
    count: 200,
    create: { spec: { ...small, posterior: 'iaf', condition: { classes: 3 } } },
    fit: two,
  },
  {
    name: 'a regularized autoencoder, whose penalty is drawn',
    count: 200,
    create: {
      spec: {
        ...small,
        posterior: 'deterministic',
        objective: { type: 'rae', gradientPenalty: 0.1, weightPenalty: 1e-3 },
      },
    },
    fit: two,
  },
  {
    name: 'a stream in windows',
    count: 300,
    window: 96,
    create: { spec: small },
    fit: two,
  },
  {
    name: 'updates that one of the processes cannot take, which all leave out',
    count: 200,
    outlier: 150,
    create: { spec: { ...small, likelihood: 'gaussian' } },
    fit: { ...two, onNonFinite: 'skip', accumulate: 2 },
  },
  {
    name: 'a loss that is not finite in one of the processes, which ends all',
    count: 200,
    outlier: 150,
    create: { spec: { ...small, likelihood: 'gaussian' } },
    fit: two,
  },
];

/** The numbers of a result, in their order. */
function numbersOf(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersOf) : [];
}

/** The texts of a result, in their order. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

/** The largest error among numbers, relative to their size. */
function errorOf(found: unknown, wanted: unknown): number {
  const [a, b] = [numbersOf(found), numbersOf(wanted)];
  expect(a.length).toBe(b.length);
  return Math.max(0, ...a.map((x, i) => Math.abs(x - b[i]!) / Math.max(Math.abs(b[i]!), 1e-3)));
}

/** The Euclidean norm of the difference of all weights, relative to theirs. Adam makes whole steps of gradients that are next to 0. */
async function distanceOf(found: VAE, wanted: VAE): Promise<number> {
  const theirs = await found.parameters();
  let [difference, size] = [0, 0];
  for (const [name, { data }] of await wanted.parameters()) {
    const other = theirs.get(name)!.data;
    data.forEach((value, i) => {
      difference += (value - other[i]!) ** 2;
      size += value ** 2;
    });
  }
  return Math.sqrt(difference / size);
}

describe.each([2, 3])('%i processes', (size) => {
  const folder = mkdtempSync(join(tmpdir(), 'torchvae-ranks-'));
  let outcomes: Outcome[];
  beforeAll(async () => {
    outcomes = await trainInRanks(size, CASES, folder);
  });

  test('end well, each with the same results', () => {
    for (const { code, stderr } of outcomes) expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const { stdout } of outcomes) expect(stdout).toBe(outcomes[0]!.stdout);
  });

  test.each(CASES)('$name', async (each) => {
    const tolerance = TOLERANCE[each.create.precision === 'float64' ? 'float64' : 'float32'];
    const alone = await train(torchvae, each, 'off');
    const { epochs, error } = JSON.parse(outcomes[0]!.stdout)[each.name] as Omit<typeof alone, 'vae'>;
    expect(error).toBe(alone.error);
    expect(epochs).toHaveLength(alone.epochs.length);
    expect(errorOf(epochs, alone.epochs)).toBeLessThan(tolerance);
    expect(textsOf(epochs)).toEqual(textsOf(alone.epochs));
    const { vae } = alone;
    const together = await VAE.load(join(folder, `${each.name}.safetensors`), { device: 'cpu' });
    expect({ epoch: together.epoch, step: together.step }).toEqual({ epoch: vae.epoch, step: vae.step });
    const distance = await distanceOf(together, vae);
    expect(distance).toBeLessThan(tolerance);
  });
});
