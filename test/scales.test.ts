/**
 * Likelihoods whose scale is trained, at sizes that fill no tile: the fused step, and the operations of models that are not
 * fused, beside libtorch's operations and derivatives in float64.
 */
import { describe, expect, test } from 'vitest';
import { Dataset, type FitOptions, type ModelSpecInput, VAE } from '../lib/index.ts';
import { refusal } from './refusal.ts';
import { jsonOf } from './support/command.ts';
import { relativeError } from './support/fixture.ts';

const ROWS = 75;
const SIZE = 23;
/** [rows, SIZE] without a pattern; each column has a spread that no other has. */
const x = Float32Array.from(
  { length: ROWS * SIZE },
  (_, i) => 0.5 + 0.5 * Math.sin(12.9898 * (i + 1)) * (0.1 + (i % SIZE) / SIZE),
);
const data = Dataset.from(x, { shape: [SIZE] });

type Likelihood = Extract<ModelSpecInput['likelihood'], { type: 'gaussian' | 'laplace' }>;

const LIKELIHOODS: [string, Likelihood][] = (['gaussian', 'laplace'] as const).flatMap((type) =>
  (['learned', 'per-dimension', 'predicted'] as const).flatMap((scale) =>
    (['identity', 'sigmoid'] as const).map((link): [string, Likelihood] => [
      `${type}, ${scale}, ${link}`,
      { type, scale, link, sigma: 0.4 },
    ]),
  ),
);

/** Whether this processor has the instructions. */
const hasBf16 = await VAE.create({ precision: 'bf16', device: 'cpu' }).then(
  (vae) => {
    vae.dispose();
    return true;
  },
  () => false,
);

const model = (likelihood: Likelihood, rest: ModelSpecInput = {}): ModelSpecInput => ({
  inputShape: [SIZE],
  encoder: { type: 'mlp', hidden: [37] },
  decoder: { type: 'mlp', hidden: [37] },
  latentSize: 5,
  likelihood,
  ...rest,
});

const STEPS: [string, 'fused' | 'reference', ModelSpecInput][] = [
  ['in the fused step', 'fused', {}],
  ['by operations', 'reference', { objective: { type: 'iwae', samples: 3 } }],
];

/** Ours in float32 or float64; libtorch's in float64. */
const create = (spec: ModelSpecInput, precision: 'float32' | 'float64' | 'bf16') =>
  VAE.create({ spec, precision, seed: 3, device: 'cpu' });
const libtorch = (spec: ModelSpecInput) =>
  VAE.create({ spec, precision: 'float64', kernels: 'reference', seed: 3, device: 'cpu' });

async function trained(vae: VAE, options: FitOptions = {}): Promise<VAE> {
  // Batches of 31, 31 and 13.
  for await (const _ of vae.fit(data, { epochs: 2, batchSize: 31, learningRate: 1e-3, ...options }));
  return vae;
}

async function expectNear(came: VAE, wanted: VAE, tolerance: number) {
  const ours = await came.parameters();
  for (const [name, { data: values }] of await wanted.parameters()) {
    expect(relativeError(ours.get(name)!.data, values), name).toBeLessThan(tolerance);
  }
}

async function expectNearGradients(came: VAE, wanted: VAE, tolerance: number) {
  const [ours, theirs] = [await came.gradients(x, { seed: 5 }), await wanted.gradients(x, { seed: 5 })];
  for (const loss of ['loss', 'reconstruction', 'kl'] as const) {
    expect(Math.abs(ours[loss] / theirs[loss] - 1), loss).toBeLessThan(0.1 * tolerance);
  }
  for (const [name, { data: gradient }] of theirs.gradients) {
    expect(relativeError(ours.gradients.get(name)!.data, gradient), name).toBeLessThan(tolerance);
  }
}

describe.each(STEPS)('%s', (_, kind, rest) => {
  test.each(LIKELIHOODS)('losses, gradients and training: %s', async (_, likelihood) => {
    const spec = model(likelihood, rest);
    using came = await create(spec, 'float32');
    using wanted = await libtorch(spec);
    expect(came.kernels.kind).toBe(kind);
    await expectNearGradients(came, wanted, 1e-4);
    const [ours, theirs] = [await came.lossesPerExample(x), await wanted.lossesPerExample(x)];
    expect(relativeError(ours.reconstruction, theirs.reconstruction)).toBeLessThan(1e-5);
    await expectNear(await trained(came), await trained(wanted), 1e-3);
  });

  test.each(LIKELIHOODS.filter(([, { link }]) => link === 'identity'))(
    'scales far from one: %s',
    async (_, likelihood) => {
      const spec = model(likelihood, rest);
      using came = await create(spec, 'float32');
      using wanted = await libtorch(spec);
      const name = likelihood.scale === 'predicted' ? 'decoder.1.bias' : 'likelihood.logSigma';
      const values = (await came.parameters()).get(name)!.data;
      const moved = Float32Array.from(values, (_, j) => (j < values.length - SIZE ? 0.1 : (j % 7) * 3 - 9));
      for (const vae of [came, wanted]) await vae.setParameters(new Map([[name, moved]]));
      await expectNearGradients(came, wanted, 1e-4);
    },
  );
});

test.each(LIKELIHOODS)('the fused step in float64: %s', async (_, likelihood) => {
  using came = await create(model(likelihood), 'float64');
  using wanted = await libtorch(model(likelihood));
  expect(came.kernels.kind).toBe('fused');
  await expectNearGradients(came, wanted, 1e-5);
  await expectNear(await trained(came), await trained(wanted), 1e-6);
});

describe.each(['learned', 'per-dimension', 'predicted'] as const)('%s', (scale) => {
  const spec = model({ type: 'gaussian', scale, sigma: 0.4 });

  // The update is not made with the gradients' products, but from the whole of them.
  test.each<[string, FitOptions]>([
    ['a norm that is cut', { clip: { norm: 0.5 } }],
    ['several batches an update', { accumulate: 2 }],
    ['an average of the weights', { averageWeights: 0.9 }],
    ['gradients that are looked at', { gradientHealth: 'live' }],
  ])('%s', async (_, options) => {
    using came = await trained(await create(spec, 'float32'), options);
    using wanted = await trained(await libtorch(spec), options);
    await expectNear(came, wanted, 1e-3);
  });

  test.skipIf(!hasBf16)('products of bf16', async () => {
    using came = await create(spec, 'bf16');
    using wanted = await libtorch(spec);
    expect(came.kernels.kind).toBe('fused');
    await expectNearGradients(came, wanted, 0.05);
    await expectNear(await trained(came), await trained(wanted), 0.05);
  });

  test('the initial weights are those of a model that is not fused', async () => {
    using came = await create(spec, 'float32');
    using other = await VAE.create({ spec, kernels: 'reference', seed: 3, device: 'cpu' });
    expect(await came.parameters()).toEqual(await other.parameters());
  });
});

test.each(STEPS)('a scale so small that the loss overflows ends training, %s', async (_, __, rest) => {
  using vae = await create(model({ type: 'gaussian', scale: 'per-dimension' }, rest), 'float32');
  const moved = Float32Array.from({ length: SIZE }, (_, j) => (j === 7 ? -60 : 0));
  await vae.setParameters(new Map([['likelihood.logSigma', moved]]));
  const before = await vae.parameters();
  expect(await refusal('ERR_NONFINITE', () => vae.fit(data, { epochs: 1 }))).toMatch(
    /^The reconstruction term, in the decoder or the likelihood, became NaN or infinite at step 1 /,
  );
  expect(await vae.parameters()).toEqual(before);
});

const PROGRAM = `
import { Dataset, VAE } from 'torchvae';
const size = 781, rows = 300;
const x = Float32Array.from({ length: rows * size }, (_, i) => Math.sin(12.9898 * (i + 1)));
const results = [];
for (const objective of ['elbo', { type: 'iwae', samples: 2 }]) {
  for (const scale of ['learned', 'per-dimension', 'predicted']) {
    const spec = { inputShape: [size], encoder: { hidden: [40] }, decoder: { hidden: [40] }, latentSize: 3, objective, likelihood: { type: 'gaussian', scale } };
    const vae = await VAE.create({ spec, seed: 3, device: 'cpu' });
    const { loss, gradients } = await vae.gradients(x, { seed: 5 });
    await vae.fit(Dataset.from(x, { shape: [size] }), { epochs: 1, batchSize: 128 });
    const scales = async () => [...(await vae.parameters())].filter(([name]) => /logSigma|decoder.1.bias/.test(name));
    const own = [...gradients].filter(([name]) => /logSigma|decoder.1.bias/.test(name));
    results.push({ loss, all: [...own, ...(await scales())].map(([name, { data }]) => [name, [...data]]) });
  }
}
console.log(JSON.stringify(results));
`;

test('the same bits on one thread and on two', async () => {
  const run = (threads: string) => jsonOf(PROGRAM, { TORCHVAE_THREADS: threads });
  const wanted = await run('1');
  expect(await run('2')).toEqual(wanted);
  expect(await run('2')).toEqual(wanted);
});
