// The models beside the plain VAE that `npm run bench -- family` times: one change of W1 each, and models of other shapes.
// peers/torch_family.py and peers/jax_family.py have the same under the same names.

const mlp400 = { type: 'mlp', hidden: [400], activation: 'relu' };
const w1 = { encoder: mlp400, decoder: mlp400, latentSize: 20 };
const tanh200 = { type: 'mlp', hidden: [200, 200], activation: 'tanh' };
const relu300 = { type: 'mlp', hidden: [300, 300], activation: 'relu' };
const residual = { type: 'residual', channels: [32, 64], norm: 'batch', activation: 'relu' };
const labels = { classes: 10, encoder: true, decoder: true, prior: false };

/** [what it is, batch size, model] by name. */
export const FAMILY = {
  plain: ['W1: 784-400-20, batch 128', 128, w1],
  'free-bits': ['W1 with free bits', 128, { ...w1, objective: { type: 'elbo', freeBits: 0.1 } }],
  labels: ['W1 conditioned on labels', 128, { ...w1, condition: labels }],
  laplace: [
    'W1 with a Laplace likelihood',
    128,
    { ...w1, likelihood: { type: 'laplace', sigma: 0.5, link: 'sigmoid' } },
  ],
  'continuous-bernoulli': [
    'W1 with a continuous Bernoulli likelihood',
    128,
    { ...w1, likelihood: { type: 'continuous-bernoulli' } },
  ],
  wae: ['W1 as a Wasserstein autoencoder (MMD)', 128, { ...w1, objective: { type: 'wae-mmd' } }],
  'beta-tc': ['W1 with the beta-TC objective', 128, { ...w1, objective: { type: 'beta-tc' } }],
  iaf: ['W1 with an inverse autoregressive flow of two steps', 128, { ...w1, posterior: { type: 'iaf' } }],
  iwae: [
    '784-200-200-50 tanh, IWAE with k = 5, batch 20',
    20,
    { encoder: tanh200, decoder: tanh200, latentSize: 50, objective: { type: 'iwae', samples: 5 } },
  ],
  vamp: [
    '784-300-300-40, VampPrior of 500 inputs, batch 100',
    100,
    { encoder: relu300, decoder: relu300, latentSize: 40, prior: { type: 'vamp', components: 500 } },
  ],
  vq: [
    '784-400 with 16 vectors of 8, 64 codes, batch 128',
    128,
    { ...w1, latentSize: 8, posterior: { type: 'vector-quantized' }, prior: { type: 'categorical' } },
  ],
  residual: [
    'residual convolutions 32-64 with batch norm, latent 16, batch 128',
    128,
    { encoder: residual, decoder: { ...residual, channels: [64, 32] }, latentSize: 16 },
  ],
};
