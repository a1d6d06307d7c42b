/**
 * Products that skip zeros in the data have the bits of whole ones: images with blank edges, one-hot columns, rows and columns
 * without anything else, minus zero; widths about those of tiles and words; fused models and others; optimizers that are woven
 * into the products and others.
 */
import { serialize } from 'node:v8';
import { expect, test } from 'vitest';
import { answerOf, runNode } from './support/command.ts';

const PROGRAM = `
import { Dataset, VAE } from 'torchvae';
// Strokes: runs of a few values, where rows differ in how many there are; rows 7, 20, 33, ... and the first columns have none.
function strokes(rows, width) {
  const x = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let run = 0; run < row % 13 && row % 13 !== 7; run++) {
      const first = 9 + ((row * 31 + run * 57) % (width - 20));
      for (let i = first; i < first + 5; i++) x[row * width + i] = ((row + 3 * i) % 17) / 16;
    }
  }
  return x;
}
const codes = (rows, width) => strokes(rows, width).fill(0).map((_, i) => (i % 11 === (i * 7) % 13 ? 1 : -0));
const nothing = (rows, width) => new Float32Array(rows * width);
const model = (width, rest = {}) => ({ inputShape: [width], encoder: { hidden: [80] }, latentSize: 5, ...rest });
const cases = [
  [strokes, model(784), {}],
  [strokes, model(784), { optimizer: { type: 'sgd' }, learningRate: 1e-4 }],
  [strokes, model(784), { clip: { norm: 1 } }],
  [strokes, model(784), { accumulate: 2 }],
  [strokes, model(784, { encoder: { hidden: [77, 40] }, decoder: { hidden: [30] } }), { batchSize: 1 }],
  [strokes, model(784, { encoder: { hidden: [] }, latentSize: 40 }), { batchSize: 5 }],
  [strokes, model(784, { condition: { classes: 3 } }), { batchSize: 6 }],
  [strokes, model(784, { prior: { type: 'vamp', components: 5 } }), { batchSize: 64 }],
  [strokes, model(784, { objective: { type: 'iwae', samples: 2 } }), { batchSize: 20 }],
  [strokes, model(784, { encoder: { hidden: [80], norm: 'layer' } }), {}],
  [strokes, model(784, { encoder: { hidden: [80], norm: 'layer' } }), { clip: { norm: 1 } }],
  [strokes, model(784, { prior: { type: 'mixture', components: 3 } }), { batchSize: 31 }],
  [codes, model(128), { batchSize: 7 }],
  [codes, model(191), { batchSize: 65 }],
  [codes, model(193), { optimizer: { type: 'adamw', weightDecay: 0.1 } }],
  [nothing, model(66, { likelihood: 'gaussian' }), {}],
];
const rows = 140;
const answer = [];
for (const [make, spec, options] of cases) {
  const width = spec.inputShape[0];
  const x = make(rows, width);
  const labels = spec.condition && Int32Array.from({ length: rows }, (_, i) => i % 3);
  const vae = await VAE.create({ spec, seed: 3, device: 'cpu' });
  const data = Dataset.from(x, { shape: [width], ...(labels && { labels }) });
  const losses = [];
  for await (const { train, gradientHealth } of vae.fit(data, { epochs: 2, batchSize: 128, ...options })) {
    losses.push(train.loss, ...gradientHealth.layers.map(({ gradient }) => gradient));
  }
  const { gradients } = await vae.gradients(x, { seed: 5, labels });
  const { mean } = await vae.encode(x, { labels });
  const values = (tensors) => [...tensors].map(([, { data }]) => data);
  answer.push({ losses, mean: mean.data, gradients: values(gradients), weights: values(await vae.parameters()) });
}
`;

interface Came {
  losses: number[];
  mean: Float32Array;
  gradients: Float32Array[];
  weights: Float32Array[];
}

const run = (env: Record<string, string>) => answerOf(PROGRAM, env) as Promise<Came[]>;

test.each([
  [{ TORCHVAE_THREADS: '1' }],
  [{ TORCHVAE_THREADS: '3' }],
  // What a processor without AVX-512 does.
  [{ TORCHVAE_THREADS: '2', ATEN_CPU_CAPABILITY: 'avx2' }],
])('the same bits with %j', async (env) => {
  const came = await run(env);
  const whole = await run({ ...env, TORCHVAE_ZEROS: 'multiply' });
  for (const [i, each] of came.entries()) {
    expect(each.losses.every(Number.isFinite), `case ${i}`).toBe(true);
    expect(serialize(each).equals(serialize(whole[i])), `case ${i}`).toBe(true);
  }
});

test('an unknown choice is refused', async () => {
  const { code, stderr } = await runNode(['--input-type=module', '-e', PROGRAM], {
    env: { TORCHVAE_ZEROS: 'often' },
  });
  expect(code).not.toBe(0);
  expect(stderr).toContain('Expected multiply for TORCHVAE_ZEROS but received "often"; leave it out');
});
