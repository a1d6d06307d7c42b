/** Models that several processes train by the CUDA kernels. */
import type { RankCase } from '../support/rank-cases.mjs';

const once = { epochs: 1, batchSize: 32 };
const small = { encoder: { hidden: [24] }, latentSize: 3 };
/** More than one block takes, so that the perceptron's own kernels do. */
const wide = { encoder: { hidden: [72, 40] }, latentSize: 5 };

/** Those that go as captured graphs where NCCL sums. */
export const OF_GRAPHS: readonly RankCase[] = [
  {
    name: 'a perceptron, with last batches that leave a rank without any row',
    count: 97,
    create: { spec: small, seed: 4 },
    fit: once,
  },
  {
    name: 'graphs of many steps',
    count: 237,
    create: { spec: small, seed: 4 },
    fit: { epochs: 1, batchSize: 8, optimizer: { type: 'adamw' } },
  },
  {
    name: 'its norm clipped, its weights averaged, with every step watched',
    count: 100,
    create: { spec: wide, seed: 4 },
    fit: { ...once, clip: { norm: 0.5 }, averageWeights: 0.9, gradientHealth: 'live' },
  },
  {
    name: 'updates that one of the processes cannot take, which all leave out',
    count: 200,
    outlier: 150,
    create: { spec: { ...wide, likelihood: 'gaussian' } },
    fit: { ...once, onNonFinite: 'skip', averageWeights: 0.9 },
  },
  {
    name: 'a loss that is not finite in one of the processes, which ends all',
    count: 200,
    outlier: 150,
    create: { spec: { ...wide, likelihood: 'gaussian' } },
    fit: once,
  },
];

const OTHERS: readonly RankCase[] = [
  {
    name: "a flow on libtorch's derivatives, with labels",
    count: 100,
    create: { precision: 'float64', spec: { ...small, posterior: 'iaf', condition: { classes: 3 } } },
    fit: once,
  },
  {
    name: 'convolutions, clipped by norm',
    count: 100,
    create: { spec: { encoder: { type: 'conv', channels: [4, 8] }, latentSize: 2 } },
    fit: { ...once, clip: { norm: 5 } },
  },
  {
    name: 'drawn values and labels',
    count: 100,
    binarize: 'dynamic',
    create: { spec: { ...small, condition: { classes: 3 } } },
    fit: once,
  },
  {
    name: "importance weights on libtorch's derivatives",
    count: 100,
    binarize: 'dynamic',
    create: { spec: { ...small, objective: { type: 'iwae', samples: 3 } } },
    fit: { ...once, accumulate: 2 },
  },
  {
    name: 'free bits, which fused kernels would count by a part of the batch',
    count: 97,
    create: { spec: { ...small, objective: { freeBits: 0.2 } }, seed: 4 },
    fit: once,
  },
  {
    name: 'batch normalization before a Wasserstein autoencoder',
    count: 97,
    create: {
      seed: 4,
      spec: { ...small, encoder: { hidden: [24], norm: 'batch' }, objective: { type: 'wae-mmd' } },
    },
    fit: { ...once, optimizer: { type: 'sgd' }, learningRate: 1e-4 },
  },
  {
    name: 'a flow and dropout in float64',
    count: 100,
    create: {
      precision: 'float64',
      spec: { ...small, encoder: { hidden: [24], dropout: 0.2 }, posterior: 'iaf' },
    },
    fit: once,
  },
];

export const CASES = [...OF_GRAPHS, ...OTHERS];

const knowsWhy = ({ fit }: RankCase) => !('onNonFinite' in fit);

/** What one process, on graphs, and several, in the loop, come to alike: graphs know only the number of the updates that were left out. */
export const OF_LOOP = CASES.filter(knowsWhy);
