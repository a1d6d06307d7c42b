/** Every combination of parts trains with a falling loss or is refused with a reason; fused and plain kernels agree. */
import { describe, expect, test } from 'vitest';
import { Dataset, type DatasetOptions, type ModelSpecInput, TorchvaeError, VAE } from '../lib/index.ts';
import { relativeError } from './support/fixture.ts';

const SIDE = 6;
const EXAMPLES = 48;

/** Bars at one of six places, in bytes: a pattern that any model can learn something of. */
const bars = Dataset.from(
  Uint8Array.from({ length: EXAMPLES * SIDE * SIDE }, (_, i) =>
    Math.floor(i / (SIDE * SIDE)) % SIDE === i % SIDE ? 230 : 25,
  ),
  { shape: [1, SIDE, SIDE], labels: Int32Array.from({ length: EXAMPLES }, (_, i) => i % SIDE) },
);

type Part<Name extends keyof ModelSpecInput> = NonNullable<ModelSpecInput[Name]>;

const POSTERIORS: Part<'posterior'>[] = [
  'gaussian',
  'sampling-network',
  { type: 'iaf', hidden: 16, context: 8 },
  'bernoulli-mixed',
  'uniform-noise',
  { type: 'gumbel-softmax', categories: 4 },
  { type: 'vector-quantized', positions: 3, codes: 8 },
  'deterministic',
];
const PRIORS: Part<'prior'>[] = [
  'standard-normal',
  { type: 'mixture', components: 3 },
  { type: 'vamp', components: 4 },
  { type: 'realnvp', layers: 2, hidden: [8] },
  'categorical',
];
const LIKELIHOODS: Part<'likelihood'>[] = [
  'bernoulli',
  'continuous-bernoulli',
  'gaussian',
  { type: 'gaussian', scale: 'learned' },
  { type: 'gaussian', scale: 'predicted', link: 'sigmoid' },
  { type: 'laplace', scale: 'per-dimension' },
  'squared-error',
  'categorical',
  { type: 'logistic-mixture', components: 2 },
  { type: 'tokens', vocabulary: 3, embedding: 2 },
];
const NETWORKS: Part<'encoder'>[] = [
  { type: 'mlp', hidden: [] },
  { type: 'mlp', hidden: [16], norm: 'layer', activation: 'gelu' },
  { type: 'conv', channels: [4] },
  { type: 'residual', channels: [4], norm: 'batch', dropout: 0.1 },
];
const OBJECTIVES: Part<'objective'>[] = [
  'elbo',
  { type: 'elbo', freeBits: 0.1, warmup: { shape: 'linear', steps: 10, cycles: 1 } },
  { type: 'elbo', capacity: { from: 0, to: 5, steps: 10 } },
  'iwae',
  'dreg',
  'beta-tc',
  { type: 'beta-tc', estimator: 'weighted' },
  { type: 'factor', hidden: [16] },
  'dip',
  { type: 'dip', variant: 2 },
  'info',
  { type: 'wae-mmd', kernel: 'rbf' },
  { type: 'vae-gan', hidden: [16] },
  { type: 'rae', gradientPenalty: 0.1, weightPenalty: 1e-4 },
];

const nameOf = (part: unknown) => (typeof part === 'string' ? part : JSON.stringify(part));

/** The same as words of two letters. */
const tokens = new Dataset({
  ...bars,
  kind: 'categorical',
  data: Float32Array.from(bars.data, (value) => (value > 128 ? 1 : 0)),
} as DatasetOptions);

/** Mean reconstruction at the beginning and after 20 steps, or the reason why the model is refused. */
async function train(spec: ModelSpecInput): Promise<{ first: number; last: number } | string> {
  let vae: VAE;
  try {
    vae = await VAE.create({ spec: { inputShape: [1, SIDE, SIDE], latentSize: 3, ...spec }, seed: 1 });
  } catch (error) {
    if (error instanceof TorchvaeError && error.code === 'ERR_SPEC') return error.message;
    throw error;
  }
  try {
    const data = vae.spec.likelihood.type === 'tokens' ? tokens : bars;
    const before = await vae.loss(data);
    for await (const _ of vae.fit(data, { epochs: 20, batchSize: EXAMPLES, learningRate: 3e-3 }));
    const after = await vae.loss(data);
    await vae.sample(2, vae.spec.condition && { labels: [0, 1] });
    return { first: before.reconstruction, last: after.reconstruction };
  } finally {
    vae.dispose();
  }
}

async function check(spec: ModelSpecInput): Promise<boolean> {
  const result = await train(spec);
  if (typeof result === 'string') {
    expect(result, JSON.stringify(spec)).toMatch(/: |use /);
    return false;
  }
  expect(result.last, JSON.stringify(spec)).toBeLessThan(result.first);
  return true;
}

describe.each(POSTERIORS.map((posterior) => [nameOf(posterior), posterior] as const))(
  '%s',
  (_, posterior) => {
    test('with every prior, likelihood and network', { timeout: 600_000 }, async () => {
      let trained = 0;
      for (const prior of PRIORS) {
        for (const likelihood of LIKELIHOODS) {
          for (const encoder of NETWORKS) {
            if (await check({ posterior, prior, likelihood, encoder })) trained++;
          }
        }
      }
      // Tokens are no images: their two networks of images are refused.
      expect(trained).toBeGreaterThanOrEqual(LIKELIHOODS.length * NETWORKS.length - 2);
    });

    test('with every objective', { timeout: 600_000 }, async () => {
      let trained = 0;
      for (const objective of OBJECTIVES) {
        if (await check({ posterior, objective, encoder: { type: 'mlp', hidden: [16] } })) trained++;
      }
      expect(trained).toBeGreaterThanOrEqual(3);
    });
  },
);

test.each(NETWORKS.map((encoder) => [nameOf(encoder), encoder] as const))(
  'conditioned: %s',
  async (_, encoder) => {
    expect(await check({ encoder, condition: { classes: SIDE, prior: true } })).toBe(true);
  },
);

test.each(['bernoulli', 'gaussian'] as const)(
  'fused and plain kernels train alike: %s',
  async (likelihood) => {
    const losses: number[][] = [];
    for (const kernels of ['auto', 'reference'] as const) {
      const spec: ModelSpecInput = { inputShape: [1, SIDE, SIDE], latentSize: 3, likelihood };
      const vae = await VAE.create({ spec, seed: 1, kernels });
      const seen: number[] = [];
      for await (const {
        train: { loss },
      } of vae.fit(bars, { epochs: 10, batchSize: 20 }))
        seen.push(loss);
      losses.push(seen);
    }
    expect(relativeError(losses[0]!, losses[1]!)).toBeLessThan(1e-5);
  },
);
