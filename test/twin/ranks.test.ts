/** Several processes that train one model by the CUDA kernels, compiled for the CPU: each row has the noise that it has in one process. */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { packageFolder } from '../support/command.ts';
import type { RankCase } from '../support/rank-cases.mjs';
import { testRanks } from '../support/rank-comparison.ts';
import { binaryFolders } from './binaries.ts';

/** A copy of the package whose engine is the twin, for processes that the tests' own resolution does not reach. */
function packageOfTwin(): string {
  const folder = mkdtempSync(join(tmpdir(), 'torchvae-twin-package-'));
  for (const name of ['package.json', 'test/support/rank.mjs', 'test/support/rank-cases.mjs']) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    copyFileSync(join(packageFolder, name), join(folder, name));
  }
  cpSync(join(packageFolder, 'dist'), join(folder, 'dist'), { recursive: true });
  symlinkSync(join(packageFolder, 'node_modules'), join(folder, 'node_modules'));
  cpSync(binaryFolders()[0]!, join(folder, 'build/Release'), { recursive: true });
  return folder;
}

const once = { epochs: 1, batchSize: 32 };
const small = { encoder: { hidden: [24] }, latentSize: 3 };

const CASES: readonly RankCase[] = [
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

const copy = packageOfTwin();
afterAll(() => rmSync(copy, { recursive: true }));

testRanks(2, CASES, join(copy, 'test/support/rank.mjs'));
