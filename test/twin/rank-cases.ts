/** Models that several processes train by the CUDA kernels. */
import type { RankCase } from '../support/rank-cases.mjs';

const once = { epochs: 1, batchSize: 32 };
const small = { encoder: { hidden: [24] }, latentSize: 3 };

export const CASES: readonly RankCase[] = [
  {
    name: 'a perceptron, with last batches that leave a rank without any row',
    count: 97,
    create: { spec: small, seed: 4 },
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
