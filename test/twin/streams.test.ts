/** Windows of a stream through the device's executor: captured graphs follow the data from window to window. */
import { expect, test } from 'vitest';
import { Random } from '../../lib/data/random.ts';
import { Dataset, StreamedDataset, VAE } from '../../lib/index.ts';

const random = new Random(1);
const data = Dataset.from(
  Uint8Array.from({ length: 150 * 30 }, () => random.below(256)),
  { shape: [30] },
);

async function trained(examples: Dataset | StreamedDataset, kernels: 'auto' | 'reference', shuffle: boolean) {
  using vae = await VAE.create({
    spec: { inputShape: [30], encoder: { hidden: [16] }, latentSize: 3 },
    device: 'cpu',
    seed: 5,
    kernels,
  });
  const losses: unknown[] = [];
  for await (const { train } of vae.fit(examples, { epochs: 3, batchSize: 16, shuffle })) losses.push(train);
  return { losses, weights: [...(await vae.parameters())] };
}

test.each(['auto', 'reference'] as const)(
  'come to the bits of a resident set, kernels %s',
  async (kernels) => {
    const resident = await trained(data, kernels, false);
    const windows = await StreamedDataset.from(() => [data], { window: 40 });
    expect(await trained(windows, kernels, false)).toEqual(resident);
    const one = await StreamedDataset.from(() => [data]);
    expect(await trained(one, kernels, true)).toEqual(await trained(data, kernels, true));
  },
);
