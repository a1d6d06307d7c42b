/** What fused kernels cover on the CPU alone: a device takes it by libtorch's derivatives. */
import { expect, test } from 'vitest';
import { type ModelSpecInput, sprites, VAE } from '../../lib/index.ts';

const spec = { inputShape: [30], encoder: { hidden: [16] }, latentSize: 3 };

const kernelsOf = async (parts: ModelSpecInput) => {
  using vae = await VAE.create({ spec: { ...spec, ...parts }, device: 'cpu' });
  return vae.kernels;
};

test('the plain model has fused kernels on a device', async () => {
  expect(await kernelsOf({})).toEqual({ kind: 'fused' });
});

test.each<[string, ModelSpecInput]>([
  ["the objective 'beta-tc' has no fused kernels", { objective: { type: 'beta-tc' } }],
  ["the objective 'wae-mmd' has no fused kernels", { objective: { type: 'wae-mmd' } }],
  [
    "the posterior 'iaf' with the prior 'standard-normal' has no fused kernels",
    { posterior: { type: 'iaf' } },
  ],
  [
    "the posterior 'gaussian' with the prior 'vamp' has no fused kernels",
    { prior: { type: 'vamp', components: 5 } },
  ],
  ...(['learned', 'per-dimension', 'predicted'] as const).map((scale): [string, ModelSpecInput] => [
    "the likelihood 'gaussian' has no fused kernel for these settings",
    { likelihood: { type: 'gaussian', scale } },
  ]),
])('refuses with the reason: %s', async (reason, parts) => {
  expect(await kernelsOf(parts)).toEqual({ kind: 'reference', reason });
});

test('of ways that nobody knows, none is taken', async () => {
  process.env.TORCHVAE_GPU_STEP = 'layer';
  try {
    using vae = await VAE.create({ spec: { encoder: { hidden: [16] }, latentSize: 3 }, device: 'cpu' });
    await expect(vae.fit(sprites({ count: 32 }), { epochs: 1 })).rejects.toMatchObject({
      code: 'ERR_RANGE',
      message: expect.stringContaining(
        'Expected layers, fused, strips or loop for TORCHVAE_GPU_STEP but received "layer"',
      ),
    });
  } finally {
    delete process.env.TORCHVAE_GPU_STEP;
  }
});
