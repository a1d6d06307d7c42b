/** What fused kernels cover on the CPU alone: a device takes it by libtorch's derivatives. */
import { expect, test } from 'vitest';
import { VAE } from '../../lib/index.ts';

test('the objective beta-tc has no fused kernels on a device', async () => {
  const spec = { inputShape: [30], encoder: { hidden: [16] }, latentSize: 3 };
  using plain = await VAE.create({ spec, device: 'cpu' });
  expect(plain.kernels).toEqual({ kind: 'fused' });
  using weighed = await VAE.create({ spec: { ...spec, objective: { type: 'beta-tc' } }, device: 'cpu' });
  const reason = "the objective 'beta-tc' has no fused kernels";
  expect(weighed.kernels).toEqual({ kind: 'reference', reason });
});
