/**
 * What the fused kernels cover, beside libtorch's derivatives: the same losses, gradients and weights for free bits, capacity,
 * labels and every activation; and, where they do not cover a model, the reason.
 */
import { describe, expect, test } from 'vitest';
import { type Activation, Dataset, type ModelSpecInput, preset, VAE } from '../lib/index.ts';

const WIDTH = 20;
const ROWS = 53;
const CLASSES = 3;
const x = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => ((i * 7919) % 101) / 100);
const labels = Int32Array.from({ length: ROWS }, (_, i) => i % CLASSES);
const data = Dataset.from(x, { shape: [WIDTH], labels });

const ACTIVATIONS: Activation[] = [
  'relu',
  'tanh',
  'sigmoid',
  'elu',
  'softplus',
  'leaky-relu',
  'gelu',
  'silu',
];

const mlp = { type: 'mlp' as const, hidden: [32, 12], activation: 'relu' as const };
const base: ModelSpecInput = { inputShape: [WIDTH], encoder: mlp, decoder: mlp, latentSize: 5 };
const condition = { classes: CLASSES, encoder: true, decoder: true, prior: false };

const CASES: [string, ModelSpecInput][] = [
  ...ACTIVATIONS.map((activation): [string, ModelSpecInput] => [
    activation,
    { ...base, encoder: { ...mlp, activation }, decoder: { ...mlp, activation } },
  ]),
  ['free bits', { ...base, objective: { type: 'elbo', freeBits: 0.05, beta: 0.7 } }],
  [
    'a capacity above',
    { ...base, objective: { type: 'elbo', capacity: { from: 0, to: 3, steps: 1 }, beta: 2 } },
  ],
  [
    'a capacity below',
    { ...base, objective: { type: 'elbo', capacity: { from: 0, to: 0.01, steps: 1 }, beta: 2 } },
  ],
  ['total correlation', { ...base, objective: { type: 'beta-tc', alpha: 0.7, beta: 5, gamma: 1.3 } }],
  [
    'total correlation, stratified',
    { ...base, objective: { type: 'beta-tc', beta: 3, estimator: 'stratified' }, condition },
  ],
  ['a Wasserstein autoencoder', { ...base, objective: { type: 'wae-mmd' } }],
  [
    'a Wasserstein autoencoder of radial kernels with labels',
    { ...base, objective: { type: 'wae-mmd', kernel: 'rbf', lambda: 40 }, condition },
  ],
  [
    'a discrepancy beside the divergence',
    { ...base, objective: { type: 'info', alpha: 0.3, lambda: 20, beta: 0.7 } },
  ],
  [
    "a discrepancy of a flow's codes",
    { ...base, posterior: { type: 'iaf' }, objective: { type: 'info', alpha: -0.5, lambda: 20 } },
  ],
  [
    'an inverse autoregressive flow',
    { ...base, posterior: { type: 'iaf' }, objective: { type: 'elbo', beta: 0.7 } },
  ],
  [
    'an inverse autoregressive flow conditioned on labels',
    { ...base, posterior: { type: 'iaf', steps: 3, hidden: 20, context: 7 }, condition },
  ],
  [
    'an inverse autoregressive flow over convolutions',
    {
      inputShape: [1, 6, 7],
      encoder: { type: 'conv', channels: [4, 6] },
      decoder: { type: 'conv', channels: [6, 4] },
      latentSize: 3,
      posterior: { type: 'iaf', context: 5 },
    },
  ],
  [
    'pseudo-inputs',
    { ...base, prior: { type: 'vamp', components: 7 }, objective: { type: 'elbo', beta: 0.7 } },
  ],
  [
    'pseudo-inputs of a linear encoder, not of the unit interval',
    {
      ...base,
      encoder: { ...mlp, hidden: [] },
      prior: { type: 'vamp', components: 30 },
      likelihood: { type: 'gaussian', sigma: 0.3 },
      condition: { ...condition, encoder: false },
    },
  ],
  [
    'pseudo-inputs of layers in panels',
    {
      ...base,
      encoder: { ...mlp, hidden: [224, 32] },
      prior: { type: 'vamp', components: 40 },
      latentSize: 16,
    },
  ],
  [
    'vectors of a codebook',
    {
      ...base,
      posterior: { type: 'vector-quantized', positions: 3, codes: 9, commitment: 0.4, decay: 0.8 },
      prior: 'categorical',
      objective: { type: 'elbo', beta: 0.7 },
    },
  ],
  [
    'vectors of a codebook with labels, in layers in panels',
    {
      ...base,
      encoder: { ...mlp, hidden: [224, 32], activation: 'gelu' },
      decoder: { ...mlp, hidden: [224] },
      posterior: { type: 'vector-quantized', positions: 30, codes: 40 },
      prior: 'categorical',
      condition,
    },
  ],
  [
    'vectors of a codebook over convolutions',
    {
      inputShape: [1, 6, 7],
      encoder: { type: 'conv', channels: [4, 6] },
      decoder: { type: 'conv', channels: [6, 4] },
      latentSize: 3,
      posterior: { type: 'vector-quantized', positions: 4, codes: 20 },
      prior: 'categorical',
      likelihood: { type: 'gaussian', scale: 'learned' },
    },
  ],
  ['importance weights', { ...base, objective: { type: 'iwae', samples: 5 } }],
  ['importance weights of one draw', { ...base, objective: { type: 'iwae', samples: 1 } }],
  [
    'importance weights in layers in panels',
    {
      ...base,
      encoder: { ...mlp, hidden: [224, 32], activation: 'tanh' },
      decoder: { ...mlp, hidden: [32, 224], activation: 'gelu' },
      latentSize: 16,
      likelihood: { type: 'gaussian', sigma: 0.3, link: 'sigmoid' },
      objective: { type: 'iwae', samples: 7 },
    },
  ],
  [
    'importance weights of a linear model with an encoder conditioned on labels',
    {
      ...base,
      encoder: { ...mlp, hidden: [] },
      decoder: { ...mlp, hidden: [] },
      objective: { type: 'iwae', samples: 3 },
      condition: { ...condition, decoder: false },
    },
  ],
  [
    'importance weights over convolutions',
    {
      inputShape: [1, 6, 7],
      encoder: { type: 'conv', channels: [4, 6] },
      decoder: { type: 'conv', channels: [6, 4] },
      latentSize: 3,
      objective: { type: 'iwae', samples: 4 },
    },
  ],
  ['labels', { ...base, condition }],
  ['labels of the encoder alone', { ...base, condition: { ...condition, decoder: false } }],
  ['labels of the decoder alone', { ...base, condition: { ...condition, encoder: false } }],
  [
    'labels of a linear model',
    { ...base, encoder: { ...mlp, hidden: [] }, decoder: { ...mlp, hidden: [] }, condition },
  ],
  ['a Gaussian likelihood', { ...base, likelihood: { type: 'gaussian', sigma: 0.3, link: 'sigmoid' } }],
  ['a Laplace likelihood', { ...base, likelihood: { type: 'laplace', sigma: 0.3 } }],
  [
    'a Laplace likelihood in (0, 1)',
    { ...base, likelihood: { type: 'laplace', sigma: 0.3, link: 'sigmoid' } },
  ],
  ['a learned scale', { ...base, likelihood: { type: 'laplace', scale: 'learned', sigma: 0.3 } }],
  [
    'scales of the dimensions in layers in panels',
    {
      ...base,
      encoder: { ...mlp, hidden: [224, 32] },
      decoder: { ...mlp, hidden: [32, 224] },
      likelihood: { type: 'gaussian', scale: 'per-dimension', sigma: 0.3 },
    },
  ],
  [
    'scales of the dimensions in a linear model with labels',
    {
      ...base,
      encoder: { ...mlp, hidden: [] },
      decoder: { ...mlp, hidden: [] },
      likelihood: { type: 'laplace', scale: 'per-dimension', link: 'sigmoid' },
      condition,
    },
  ],
  [
    'predicted scales of a linear decoder and pseudo-inputs',
    {
      ...base,
      decoder: { ...mlp, hidden: [] },
      prior: { type: 'vamp', components: 7 },
      likelihood: { type: 'gaussian', scale: 'predicted', link: 'sigmoid' },
    },
  ],
  [
    'scales of pixels that convolutions make',
    {
      inputShape: [1, 6, 7],
      encoder: { type: 'conv', channels: [4, 6] },
      decoder: { type: 'conv', channels: [6, 4] },
      latentSize: 3,
      likelihood: { type: 'gaussian', scale: 'per-dimension', link: 'sigmoid' },
    },
  ],
  [
    'predicted scales of pixels that a convolution sees',
    {
      inputShape: [1, 6, 7],
      encoder: { type: 'conv', channels: [4, 6] },
      decoder: mlp,
      latentSize: 3,
      likelihood: { type: 'laplace', scale: 'predicted' },
    },
  ],
  ['a continuous Bernoulli likelihood', { ...base, likelihood: { type: 'continuous-bernoulli' } }],
  [
    'gelu in convolutions',
    {
      inputShape: [1, 6, 7],
      encoder: { type: 'conv', channels: [4, 6], activation: 'gelu' },
      decoder: { type: 'conv', channels: [6, 4], activation: 'silu' },
      latentSize: 3,
    },
  ],
];

const create = (spec: ModelSpecInput, kernels: 'auto' | 'reference') =>
  VAE.create({ spec, kernels, seed: 3, device: 'cpu' });

/** The largest difference, relative to the largest value. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  const all = Array.from(b);
  const scale = Math.max(1e-12, ...all.map(Math.abs));
  return Math.max(...all.map((value, i) => Math.abs(value - a[i]!))) / scale;
}

async function trained(vae: VAE, set: Dataset) {
  const results = [];
  for await (const result of vae.fit(set, { epochs: 3, batchSize: 16, validation: set }))
    results.push(result);
  return { last: results.at(-1)!, parameters: await vae.parameters() };
}

describe.each(CASES)('%s', (_, spec) => {
  const isImage = spec.inputShape!.length === 3;
  const values = isImage ? x.subarray(0, 24 * 42) : x;
  const set = isImage ? Dataset.from(values, { shape: [1, 6, 7] }) : data;
  const given = spec.condition ? { labels } : {};

  test('has fused kernels, and the gradients of libtorch', async () => {
    const fused = await create(spec, 'auto');
    const reference = await create(spec, 'reference');
    expect(fused.kernels).toEqual({ kind: 'fused' });
    expect(reference.kernels).toEqual({ kind: 'reference', reason: "kernels 'reference' was asked for" });
    const came = await fused.gradients(values, { seed: 5, ...given });
    const wanted = await reference.gradients(values, { seed: 5, ...given });
    expect(came.loss).toBeCloseTo(wanted.loss, 4);
    expect(came.kl).toBeCloseTo(wanted.kl, 4);
    expect(Object.keys(came.terms)).toEqual(Object.keys(wanted.terms));
    for (const [name, term] of Object.entries(wanted.terms)) expect(came.terms[name]).toBeCloseTo(term, 4);
    for (const [name, { data: gradient }] of wanted.gradients) {
      expect(distance(came.gradients.get(name)!.data, gradient), name).toBeLessThan(2e-4);
    }
  });

  test('trains and is validated as with libtorch', async () => {
    const came = await trained(await create(spec, 'auto'), set);
    const wanted = await trained(await create(spec, 'reference'), set);
    for (const name of ['loss', 'reconstruction', 'kl'] as const) {
      expect(came.last.train[name] / wanted.last.train[name], `train ${name}`).toBeCloseTo(1, 3);
      expect(came.last.validation![name] / wanted.last.validation![name], name).toBeCloseTo(1, 3);
    }
    for (const [name, { data: weights }] of wanted.parameters) {
      expect(distance(came.parameters.get(name)!.data, weights), name).toBeLessThan(2e-3);
    }
  });
});

test.each<[string, ModelSpecInput]>([
  [
    "the objective 'iwae' has no fused kernels",
    { ...base, objective: { type: 'iwae', samples: 2 }, condition },
  ],
  [
    "the objective 'iwae' has no fused kernels",
    { ...base, objective: { type: 'iwae', samples: 2 }, likelihood: { type: 'laplace', scale: 'learned' } },
  ],
  ["the objective 'dreg' has no fused kernels", { ...base, objective: { type: 'dreg', samples: 2 } }],
  [
    'scales predicted by convolutions have no fused kernels',
    {
      inputShape: [1, 6, 7],
      encoder: mlp,
      decoder: { type: 'conv', channels: [6, 4] },
      latentSize: 3,
      likelihood: { type: 'laplace', scale: 'predicted' },
    },
  ],
  [
    "the likelihood 'categorical' has no fused kernel for these settings",
    { ...base, likelihood: { type: 'categorical' } },
  ],
  [
    "free bits and a capacity have no fused kernels for the posterior 'iaf' with the prior 'standard-normal'",
    { ...base, posterior: { type: 'iaf' }, objective: { type: 'elbo', freeBits: 0.1 } },
  ],
  [
    "the posterior 'gaussian' with the prior 'mixture' has no fused kernels",
    { ...base, prior: { type: 'mixture' } },
  ],
  [
    "the objective 'beta-tc' has no fused kernels",
    { ...base, objective: { type: 'beta-tc' }, prior: { type: 'vamp', components: 5 } },
  ],
  [
    "the objective 'wae-mmd' has no fused kernels",
    { ...base, objective: { type: 'wae-mmd' }, prior: { type: 'vamp', components: 5 } },
  ],
  ['dropout has no fused kernel', { ...base, encoder: { ...mlp, dropout: 0.1 } }],
  ['normalization layers have no fused kernels', { ...base, decoder: { ...mlp, norm: 'batch' } }],
  [
    'a prior conditioned on labels has no fused kernel',
    { ...base, condition: { ...condition, prior: true } },
  ],
])('refuses with the reason: %s', async (reason, spec) => {
  const vae = await create(spec, 'auto');
  expect(vae.kernels).toEqual({ kind: 'reference', reason });
});

test('every preset of the plain bound is fused', async () => {
  const fused = [];
  for (const name of ['mlp-128', 'linear', 'mlp-128-64', 'mlp-400', 'conv'] as const) {
    const vae = await VAE.create({ spec: { inputShape: [1, 28, 28], ...preset(name).spec }, device: 'cpu' });
    if (vae.kernels.kind === 'fused') fused.push(name);
  }
  expect(fused).toEqual(['mlp-128', 'linear', 'mlp-128-64', 'mlp-400', 'conv']);
});
