/**
 * Several processes that train one model: to the numbers of one process, but for rounding. They are real processes on this machine,
 * which talk by Gloo.
 */
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

testRanks(2, CASES);
testRanks(3, CASES);
