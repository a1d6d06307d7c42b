/**
 * Vectors of tokens and likelihoods of classes: the CPU's kernels in float32 beside libtorch's operations and derivatives in
 * float64, and on one thread beside several.
 */
import { describe, expect, test } from 'vitest';
import { type ModelSpecInput, VAE } from '../lib/index.ts';
import { runNode } from './support/command.ts';
import { relativeError } from './support/fixture.ts';

const ROWS = 37;
const NETWORKS: ModelSpecInput = { encoder: { hidden: [24] }, decoder: { hidden: [24] }, latentSize: 3 };

/** Places beyond a block of 64 and a half one; some tokens are frequent, one never comes. */
const places = 85;
const vocabulary = 11;
const tokens = Float32Array.from({ length: ROWS * places }, (_, i) => Math.min((i * i * 7919) % 13, 9));
const levels = Float32Array.from({ length: ROWS * places }, (_, i) => ((i * 7919) % 256) / 255);

const CASES: [string, ModelSpecInput, Float32Array][] = [
  ['tokens', { likelihood: { type: 'tokens', vocabulary, embedding: 5 } }, tokens],
  ['tokens, wide vectors', { likelihood: { type: 'tokens', vocabulary, embedding: 48 } }, tokens],
  [
    'tokens, several draws',
    { likelihood: { type: 'tokens', vocabulary, embedding: 5 }, objective: 'iwae' },
    tokens,
  ],
  ['levels', { likelihood: 'categorical' }, levels],
];

const create = (spec: ModelSpecInput, precision: 'float32' | 'float64') =>
  VAE.create({
    spec: { inputShape: [places], ...NETWORKS, ...spec },
    kernels: 'reference',
    seed: 3,
    device: 'cpu',
    precision,
  });

/** Gradients twice, since the second must not hold what the first left. */
const gradientsOf = async (vae: VAE, x: Float32Array) => {
  await vae.gradients(x.subarray(0, 2 * places), { seed: 4 });
  return vae.gradients(x, { seed: 5 });
};

describe.each(CASES)('%s', (_, spec, x) => {
  test('losses and gradients', async () => {
    using came = await create(spec, 'float32');
    using wanted = await create(spec, 'float64');
    const [ours, theirs] = [await gradientsOf(came, x), await gradientsOf(wanted, x)];
    expect(ours.loss / theirs.loss).toBeCloseTo(1, 5);
    for (const [name, { data }] of theirs.gradients) {
      expect(relativeError(ours.gradients.get(name)!.data, data), name).toBeLessThan(2e-5);
    }
    const noise = new Float32Array(ROWS * 3);
    const [losses, others] = [
      await came.lossesPerExample(x, { noise }),
      await wanted.lossesPerExample(x, { noise }),
    ];
    expect(relativeError(losses.reconstruction, others.reconstruction)).toBeLessThan(1e-5);
  });
});

test('logits far from each other and from zero', async () => {
  const spec: ModelSpecInput = { likelihood: { type: 'tokens', vocabulary, embedding: 5 } };
  const far = async (precision: 'float32' | 'float64') => {
    const vae = await create(spec, precision);
    const [name, bias] = [...(await vae.parameters())].findLast(([name]) => name.endsWith('bias'))!;
    const moved = Float32Array.from(bias.data, (_, i) => 1000 + 300 * (Math.floor(i / places) % 3));
    await vae.setParameters(new Map([[name, moved]]));
    return vae;
  };
  using came = await far('float32');
  using wanted = await far('float64');
  const [ours, theirs] = [await gradientsOf(came, tokens), await gradientsOf(wanted, tokens)];
  expect(ours.loss / theirs.loss).toBeCloseTo(1, 5);
  for (const [name, { data }] of theirs.gradients) {
    expect(relativeError(ours.gradients.get(name)!.data, data), name).toBeLessThan(1e-3);
  }
});

test.each([
  ['above', vocabulary],
  ['below', -1],
  ['what is no number', Number.NaN],
])('tokens that no vector has are refused: %s', async (_, bad) => {
  using vae = await create({ likelihood: { type: 'tokens', vocabulary, embedding: 5 } }, 'float32');
  const x = tokens.slice();
  x[x.length - 3] = bad;
  await expect(vae.gradients(x)).rejects.toThrow();
});

const PROGRAM = `
import { VAE } from 'torchvae';
const rows = 300, places = 85;
const tokens = Float32Array.from({ length: rows * places }, (_, i) => Math.min((i * i * 7919) % 13, 9));
const results = [];
for (const likelihood of [{ type: 'tokens', vocabulary: 11, embedding: 7 }, 'categorical']) {
  const spec = { inputShape: [places], encoder: { hidden: [40], norm: 'layer' }, decoder: { hidden: [40], norm: 'layer' }, latentSize: 3, likelihood };
  const vae = await VAE.create({ spec, seed: 3, device: 'cpu' });
  const { loss, gradients } = await vae.gradients(likelihood === 'categorical' ? tokens.map((token) => token / 15) : tokens, { seed: 5 });
  const wanted = [...gradients].filter(([name]) => /embedding|norm/.test(name));
  results.push({ loss, gradients: wanted.map(([name, { data }]) => [name, [...data]]) });
}
console.log(JSON.stringify(results));
`;

test('the same bits of vectors and of norms on one thread to four', async () => {
  const run = async (threads: string) => {
    const env = { TORCHVAE_THREADS: threads };
    const { stdout, stderr, code } = await runNode(['--input-type=module', '-e', PROGRAM], { env });
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  };
  const wanted = await run('1');
  expect(wanted[0].gradients.map(([name]: [string]) => name)).toEqual(
    expect.arrayContaining([expect.stringContaining('embedding'), expect.stringContaining('norm')]),
  );
  expect(await run('2')).toEqual(wanted);
  expect(await run('4')).toEqual(wanted);
});
