/** Streams: the same examples and the same bits as in memory, in an order that a resume finds again. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../lib/data/random.ts';
import {
  Dataset,
  type FitOptions,
  loadDataset,
  StreamedDataset,
  sprites,
  streamDataset,
  VAE,
} from '../lib/index.ts';
import { encodePng } from '../lib/report/png.ts';
import { npy } from './support/npy.ts';
import { refusal } from './refusal.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-streams-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function file(content: Uint8Array, extension = 'npy'): string {
  const path = join(folder, `${count++}.${extension}`);
  writeFileSync(path, content);
  return path;
}

const small = { encoder: { hidden: [16] }, latentSize: 3 };
const images = (examples: number, seed = 1) => {
  const random = new Random(seed);
  return Uint8Array.from({ length: examples * 30 }, () => random.below(256));
};
const floats = (examples: number, draw: (random: Random) => number) => {
  const random = new Random(3);
  return Float32Array.from({ length: examples * 7 }, () => draw(random));
};
const bytesOf = (values: Float32Array | Float64Array) => new Uint8Array(values.buffer);

/** All weights and losses of a training run. */
async function trained(
  data: Dataset | StreamedDataset,
  options: FitOptions,
  spec: object = {},
  seed = 5,
): Promise<{ bits: string; losses: unknown[] }> {
  using vae = await VAE.create({
    spec: { ...small, inputShape: data.shape, ...spec },
    device: 'cpu',
    seed,
  });
  const losses: unknown[] = [];
  for await (const { train, gradientHealth } of vae.fit(data, options)) losses.push([train, gradientHealth?.norm]);
  return { bits: await bitsOf(vae), losses };
}

async function bitsOf(vae: VAE): Promise<string> {
  const values = [...(await vae.parameters()).values()].map(({ data }) => Buffer.from(data.buffer));
  return Buffer.concat(values).toString('base64');
}

describe('a .npy file', () => {
  test('is described as in memory', async () => {
    const path = file(npy('|u1', [50, 6, 5], images(50)));
    const stream = await streamDataset(path, { window: 20 });
    const data = await loadDataset(path);
    expect(stream.describe()).toBe(`${data.describe()}, streamed in windows of 20`);
    const { length, shape, size, kind, name } = data;
    expect(stream).toMatchObject({ length, shape, size, kind, name, hasLabels: false });
    expect((await stream.head(7)).data).toEqual(data.take(7).data);
  });

  test.each([
    ['bytes', '|u1', [150, 6, 5], images(150), 'bernoulli'],
    ['truth values', '|b1', [150, 30], images(150).map((value) => value & 1), 'bernoulli'],
    ['float32', '<f4', [150, 7], bytesOf(floats(150, (random) => random.uniform())), 'bernoulli'],
    ['float64, of any size', '<f8', [150, 7], bytesOf(Float64Array.from(floats(150, (r) => r.normal()))), 'gaussian'],
    ['float32, big-endian', '>f4', [150, 7], Buffer.from(bytesOf(floats(150, (r) => r.normal()))).swap32(), 'gaussian'],
    ['channels last', '|u1', [100, 3, 5, 3], images(150), 'bernoulli'],
  ] as const)('of %s, unshuffled, trains to the bits of a resident set', async (_, descr, shape, bytes, likelihood) => {
    const path = file(npy(descr, shape, bytes));
    const options = { epochs: 2, batchSize: 16, shuffle: false };
    const resident = await trained(await loadDataset(path), options, { likelihood });
    for (const window of [1, 40, 1000]) {
      const stream = await streamDataset(path, { window });
      expect(await trained(stream, options, { likelihood })).toEqual(resident);
    }
  });
});
