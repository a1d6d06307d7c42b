/**
 * Embeddings, categorical likelihoods, layer normalization and dropout: the CPU's kernels in float32 beside libtorch's operations and
 * derivatives in float64, and on one thread beside several.
 */
import { describe, expect, test } from 'vitest';
import { type ModelSpecInput, VAE } from '../lib/index.ts';
import { jsonOf } from './support/command.ts';
import { relativeError } from './support/fixture.ts';

const ROWS = 13;

/** Tokens 0, ..., vocabulary - 1 without a pattern, half of them 0, as lines that are filled up have them. */
const tokens = (places: number, vocabulary: number) =>
  Float32Array.from({ length: ROWS * places }, (_, i) => {
    const wave = Math.abs(Math.sin(12.9898 * (i + 1)) * 43758.5453) % 1;
    return wave < 0.5 ? 0 : Math.floor((wave - 0.5) * 2 * vocabulary);
  });

const text = (places: number, vocabulary: number, rest: object = {}): ModelSpecInput => ({
  inputShape: [places],
  encoder: { type: 'mlp', hidden: [33], ...rest },
  decoder: { type: 'mlp', hidden: [40], ...rest },
  latentSize: 3,
  likelihood: { type: 'tokens', vocabulary, embedding: 7 },
});
const real = (hidden: number[], rest: object = {}): ModelSpecInput => ({
  inputShape: [9],
  encoder: { type: 'mlp', hidden, norm: 'layer', ...rest },
  decoder: { type: 'mlp', hidden, norm: 'layer', ...rest },
  latentSize: 3,
  likelihood: { type: 'gaussian', sigma: 1 },
});
const plain = (hidden: number[], rest: object): ModelSpecInput => real(hidden, { norm: 'none', ...rest });
const values = Float32Array.from({ length: ROWS * 9 }, (_, i) => 3 + Math.sin(12.9898 * (i + 1)));
const levels = Float32Array.from({ length: ROWS * 70 }, (_, i) => ((i * 37) % 256) / 255);

const CASES: [string, ModelSpecInput, Float32Array][] = [
  ['tokens', text(5, 11), tokens(5, 11)],
  ['a place', text(1, 2), tokens(1, 2)],
  ['more places than a block has', text(130, 40), tokens(130, 40)],
  ['a vocabulary of which most is not seen', text(3, 5000), tokens(3, 5000)],
  ['tokens, several draws', { ...text(20, 17), objective: 'iwae' }, tokens(20, 17)],
  ['tokens with layer norm', text(20, 17, { norm: 'layer' }), tokens(20, 17)],
  [
    'levels',
    {
      inputShape: [70],
      encoder: { type: 'mlp', hidden: [16] },
      decoder: { type: 'mlp', hidden: [16] },
      latentSize: 2,
      likelihood: { type: 'categorical' },
    },
    levels,
  ],
  ['layer norm', real([40, 16]), values],
  ['layer norm of few features', real([3, 17]), values],
  ['layer norm of a feature', real([1]), values],
  ['layer norm of many features', real([5000]), values],
  ['layer norm, an activation whose slope is kept', real([31], { activation: 'gelu' }), values],
  ['dropout', plain([31, 400], { dropout: 0.3 }), values],
  ['dropout, nearly all', plain([400], { dropout: 0.9, activation: 'gelu' }), values],
  ['layer norm with dropout', real([31], { activation: 'tanh', dropout: 0.3 }), values],
];

async function create(spec: ModelSpecInput, precision: 'float32' | 'float64') {
  return VAE.create({ spec, kernels: 'reference', seed: 3, device: 'cpu', precision });
}

describe.each(CASES)('%s', (_, spec, x) => {
  test('losses and gradients', async () => {
    using came = await create(spec, 'float32');
    using wanted = await create(spec, 'float64');
    const [ours, theirs] = [await came.gradients(x, { seed: 5 }), await wanted.gradients(x, { seed: 5 })];
    expect(ours.loss / theirs.loss).toBeCloseTo(1, 5);
    const largest = [...theirs.gradients.values()].reduce(
      (most, { data }) => data.reduce((high, value) => Math.max(high, Math.abs(value)), most),
      0,
    );
    for (const [name, { data: gradient }] of theirs.gradients) {
      if (gradient.every((value) => Math.abs(value) < 1e-6 * largest)) continue;
      expect(relativeError(ours.gradients.get(name)!.data, gradient), name).toBeLessThan(1e-3);
    }
  });

  test('losses of examples after training', async () => {
    using came = await create(spec, 'float32');
    using wanted = await create(spec, 'float64');
    const [ours, theirs] = [
      await came.lossesPerExample(x, { seed: 5 }),
      await wanted.lossesPerExample(x, { seed: 5 }),
    ];
    expect(relativeError(ours.reconstruction, theirs.reconstruction)).toBeLessThan(1e-5);
    expect(relativeError(ours.kl, theirs.kl)).toBeLessThan(1e-4);
  });
});

const places = 85;
const vocabulary = 11;

test('gradients hold nothing of the last batch', async () => {
  using vae = await create(text(places, vocabulary), 'float32');
  const x = tokens(places, vocabulary);
  const first = await vae.gradients(x, { seed: 5 });
  await vae.gradients(x.subarray(0, 2 * places), { seed: 4 });
  expect(await vae.gradients(x, { seed: 5 })).toEqual(first);
});

test('logits far from each other and from zero', async () => {
  const far = async (precision: 'float32' | 'float64') => {
    const vae = await create(text(places, vocabulary), precision);
    const [name, bias] = [...(await vae.parameters())].findLast(([name]) => name.endsWith('bias'))!;
    const moved = Float32Array.from(bias.data, (_, i) => 1000 + 300 * (Math.floor(i / places) % 3));
    await vae.setParameters(new Map([[name, moved]]));
    return vae;
  };
  using came = await far('float32');
  using wanted = await far('float64');
  const x = tokens(places, vocabulary);
  const [ours, theirs] = [await came.gradients(x, { seed: 5 }), await wanted.gradients(x, { seed: 5 })];
  expect(ours.loss / theirs.loss).toBeCloseTo(1, 5);
  for (const [name, { data }] of theirs.gradients) {
    expect(relativeError(ours.gradients.get(name)!.data, data), name).toBeLessThan(1e-3);
  }
});

test.each([
  ['above', vocabulary],
  ['below', -1],
  ['NaN', Number.NaN],
])('tokens that no vector has are refused: %s', async (_, bad) => {
  using vae = await create(text(places, vocabulary), 'float32');
  const x = tokens(places, vocabulary);
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
  const run = (threads: string) => jsonOf(PROGRAM, { TORCHVAE_THREADS: threads });
  const wanted = await run('1');
  expect(wanted[0].gradients.map(([name]: [string]) => name)).toEqual(
    expect.arrayContaining([expect.stringContaining('embedding'), expect.stringContaining('norm')]),
  );
  expect(await run('2')).toEqual(wanted);
  expect(await run('4')).toEqual(wanted);
});
