/**
 * What models do with codes, at sizes that fill no tile: the CPU's operations in float32 beside libtorch's operations and
 * derivatives in float64.
 */
import { describe, expect, test } from 'vitest';
import { Dataset, type ModelSpecInput, VAE } from '../lib/index.ts';
import { jsonOf } from './support/command.ts';
import { relativeError } from './support/fixture.ts';

const ROWS = 75;
const SIZE = 23;
const model = (rest: Partial<ModelSpecInput>): ModelSpecInput => ({
  inputShape: [SIZE],
  encoder: { type: 'mlp', hidden: [37] },
  decoder: { type: 'mlp', hidden: [37] },
  latentSize: 19,
  ...rest,
});
const flow = { type: 'iaf' as const, steps: 3, hidden: 67, context: 9 };

const CASES: [string, ModelSpecInput][] = [
  ['a flow of three steps', model({ posterior: flow })],
  ['importance weights', model({ objective: { type: 'iwae', samples: 7 } })],
  ['importance weights of a flow', model({ posterior: flow, objective: { type: 'iwae', samples: 2 } })],
  ['importance weights, doubly reparameterized', model({ objective: { type: 'dreg', samples: 3 } })],
  [
    'vectors and a codebook',
    model({
      latentSize: 5,
      posterior: { type: 'vector-quantized', positions: 7, codes: 37 },
      prior: { type: 'categorical' },
    }),
  ],
  [
    'vectors and a codebook of a model that is not fused',
    model({
      encoder: { type: 'mlp', hidden: [37], norm: 'layer' },
      latentSize: 5,
      posterior: { type: 'vector-quantized', positions: 7, codes: 37 },
      prior: { type: 'categorical' },
    }),
  ],
  [
    'vectors and a codebook of several registers',
    model({
      latentSize: 3,
      posterior: { type: 'vector-quantized', positions: 9, codes: 100 },
      prior: { type: 'categorical' },
    }),
  ],
];

/** [rows, SIZE] in [0, 1] without a pattern. */
const x = Float32Array.from({ length: ROWS * SIZE }, (_, i) => 0.5 + 0.5 * Math.sin(12.9898 * (i + 1)));

const create = (spec: ModelSpecInput, precision: 'float32' | 'float64') =>
  VAE.create({ spec, seed: 3, device: 'cpu', precision });

describe.each(CASES)('%s', (_, spec) => {
  test('losses and gradients', async () => {
    using came = await create(spec, 'float32');
    using wanted = await create(spec, 'float64');
    const [ours, theirs] = [await came.gradients(x, { seed: 5 }), await wanted.gradients(x, { seed: 5 })];
    for (const loss of ['loss', 'reconstruction', 'kl'] as const) {
      expect(Math.abs(ours[loss] / theirs[loss] - 1), loss).toBeLessThan(1e-5);
    }
    for (const [name, { data }] of theirs.gradients) {
      expect(relativeError(ours.gradients.get(name)!.data, data), name).toBeLessThan(1e-4);
    }
  });

  test('a few steps of training', async () => {
    const data = Dataset.from(x, { shape: [SIZE] });
    const trained = async (precision: 'float32' | 'float64') => {
      const vae = await create(spec, precision);
      // Batches of 31, 31 and 13.
      for await (const _ of vae.fit(data, { epochs: 2, batchSize: 31, learningRate: 1e-3 }));
      return vae;
    };
    using came = await trained('float32');
    using wanted = await trained('float64');
    const ours = await came.parameters();
    for (const [name, { data: values }] of await wanted.parameters()) {
      expect(relativeError(ours.get(name)!.data, values), name).toBeLessThan(1e-3);
    }
  });
});

const PROGRAM = `
import { Dataset, VAE } from 'torchvae';
const size = 781, rows = 300;
const x = Float32Array.from({ length: rows * size }, (_, i) => 0.5 + 0.5 * Math.sin(12.9898 * (i + 1)));
const results = [];
for (const rest of [
  { objective: { type: 'iwae', samples: 5 } },
  { posterior: { type: 'vector-quantized', positions: 4, codes: 70 }, prior: { type: 'categorical' } },
]) {
  const spec = { inputShape: [size], encoder: { hidden: [40] }, decoder: { hidden: [40] }, latentSize: 3, ...rest };
  const vae = await VAE.create({ spec, seed: 3, device: 'cpu' });
  const { loss } = await vae.gradients(x, { seed: 5 });
  await vae.fit(Dataset.from(x, { shape: [size] }), { epochs: 2, batchSize: 128 });
  results.push({ loss, all: [...(await vae.parameters())].map(([name, { data }]) => [name, [...data]]) });
}
console.log(JSON.stringify(results));
`;

test('the same bits on one thread and on two', async () => {
  const run = (threads: string) => jsonOf(PROGRAM, { TORCHVAE_THREADS: threads });
  const wanted = await run('1');
  expect(await run('2')).toEqual(wanted);
});
