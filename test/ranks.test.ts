/**
 * Several processes that train one model: to the numbers of one process, but for rounding. They are real processes on this machine,
 * which talk by Gloo.
 */
import type { FitOptions, ModelSpecInput } from '../lib/index.ts';
import type { RankCase } from './support/rank-cases.mjs';
import { testRanks } from './support/rank-comparison.ts';

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
    name: 'importance weights, with values that are drawn for every batch',
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
    name: 'a VampPrior by fused kernels, whose pseudo-inputs every process has',
    count: 200,
    create: { spec: { ...small, prior: { type: 'vamp', components: 16 } } },
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

/** Models in which the loss of an example depends on the others of its batch; 97 leave ranks without any row of the last one. */
const coupled = (name: string, spec: ModelSpecInput, more: Partial<RankCase['create']> = {}): RankCase => ({
  name,
  count: 97,
  create: { spec: { ...small, ...spec }, seed: 4, ...more },
  fit: two,
});
/**
 * A layer's bias goes out with the mean that batch normalization takes away: its gradient is nothing but rounding, of which Adam makes
 * whole steps.
 */
const normed = (name: string, more: Partial<RankCase['create']> = {}, fit: FitOptions = {}): RankCase => ({
  ...coupled(name, { encoder: { hidden: [24], norm: 'batch' }, ...more.spec }, more),
  fit: { ...two, optimizer: { type: 'sgd' }, learningRate: 1e-4, ...fit },
});
/** A total correlation near 0 is nothing but the rounding of the densities that it is the difference of: larger steps make one. */
const correlated = (name: string, estimator: 'weighted' | 'stratified'): RankCase => ({
  ...coupled(name, { objective: { type: 'beta-tc', estimator } }),
  fit: { ...two, learningRate: 1e-2 },
});

const COUPLED: readonly RankCase[] = [
  normed('batch normalization'),
  normed('batch normalization in float64', { precision: 'float64' }),
  coupled('residual convolutions', { encoder: { type: 'residual', channels: [4] } }),
  normed('batch normalization of importance draws', { spec: { objective: { type: 'iwae', samples: 3 } } }),
  coupled('a codebook', {
    posterior: { type: 'vector-quantized', positions: 3, codes: 8 },
    prior: 'categorical',
  }),
  coupled('free bits', { objective: { freeBits: 0.2 } }),
  coupled('a capacity', { objective: { beta: 4, capacity: { to: 3, steps: 5 } } }),
  correlated('beta-TC', 'weighted'),
  correlated('beta-TC, stratified', 'stratified'),
  coupled('DIP', { objective: { type: 'dip', variant: 2 } }, { precision: 'float64' }),
  coupled('InfoVAE before a mixture', {
    objective: { type: 'info' },
    prior: { type: 'mixture', components: 3 },
  }),
  coupled('a Wasserstein autoencoder', { posterior: 'deterministic', objective: { type: 'wae-mmd' } }),
  coupled('FactorVAE', { objective: { type: 'factor', hidden: [16] } }),
  coupled('VAE-GAN', { objective: { type: 'vae-gan', hidden: [16] } }),
  normed(
    'batch normalization, with sums of batches',
    {},
    {
      accumulate: 2,
      clip: { norm: 5 },
      averageWeights: 0.9,
    },
  ),
  {
    name: 'free bits, with updates that one of the processes cannot take',
    count: 200,
    outlier: 150,
    create: { spec: { ...small, likelihood: 'gaussian', objective: { freeBits: 0.2 } } },
    fit: { ...two, onNonFinite: 'skip', accumulate: 2 },
  },
];

testRanks(2, [...CASES, ...COUPLED]);
testRanks(3, [...CASES, ...COUPLED]);
