/** What bf16 costs in accuracy, and where it and tf32 are refused. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Dataset, type ModelSpecInput, type Precision, sprites, VAE } from '../lib/index.ts';

/** Processors without the instructions refuse bf16, and say so; there is nothing to measure then. */
const refusal = await VAE.create({ precision: 'bf16', device: 'cpu' }).then(
  (vae) => vae.dispose(),
  (error) => error,
);

test('where bf16 does not run, the message says why', () => {
  if (refusal === undefined) return;
  expect(refusal).toMatchObject({ code: 'ERR_DEVICE' });
  expect(refusal.message).toMatch(/'bf16' does not run on this processor: .*use 'float32'/);
});

test('tf32 is refused on the CPU', async () => {
  const made = VAE.create({ precision: 'tf32', device: 'cpu' });
  await expect(made).rejects.toMatchObject({
    code: 'ERR_DEVICE',
    message: expect.stringMatching(/tf32.*CUDA.*float32/),
  });
});

/** The Euclidean norm of the difference, relative to that of `wanted`. */
function distance(came: Float32Array, wanted: Float32Array): number {
  const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return norm(came.map((value, i) => value - wanted[i]!)) / norm(wanted);
}

describe.skipIf(refusal !== undefined)('bf16', () => {
  const tanh = (size: number, hidden: number[], latentSize: number): ModelSpecInput => ({
    inputShape: [size],
    encoder: { hidden, activation: 'tanh' },
    latentSize,
  });

  // A bfloat16 has 8 bits: each factor is off by up to 2^-9, and sums of many are off by less.
  test.each([
    ['784-400-20', tanh(784, [400], 20), 128],
    ['sizes that fill no tile and no pair', tanh(131, [67, 129], 7), 33],
    ['odd numbers of everything', tanh(5, [7], 3), 3],
    ['no hidden layer', tanh(31, [], 3), 5],
    ['convolutions, whose own products stay float32', { encoder: { type: 'conv', activation: 'tanh' } }, 9],
  ] as [string, ModelSpecInput, number][])(
    'losses within 1e-3, gradients within 1%%: %s',
    async (_, spec, rows) => {
      const size = (spec.inputShape ?? [784]).reduce((product, n) => product * n);
      const x = new Float32Array(rows * size).map((_, i) => ((i * 7919) % 1009) / 1009);
      const made = async (precision: Precision) => {
        using vae = await VAE.create({ spec, seed: 3, precision, device: 'cpu' });
        return { ...(await vae.gradients(x, { seed: 5 })), each: await vae.lossesPerExample(x, { seed: 5 }) };
      };
      const [came, wanted] = [await made('bf16'), await made('float64')];
      expect(Math.abs(came.reconstruction / wanted.reconstruction - 1)).toBeLessThan(1e-3);
      expect(Math.abs(came.kl / wanted.kl - 1)).toBeLessThan(5e-3);
      for (const [key, { data }] of came.gradients) {
        expect(distance(data, wanted.gradients.get(key)!.data), key).toBeLessThan(1e-2);
      }
    },
  );

  const spec: ModelSpecInput = { encoder: { hidden: [65] }, latentSize: 7 };
  const data = sprites({ count: 300, seed: 1 });

  async function train(vae: VAE, epochs: number) {
    const losses: number[] = [];
    for await (const { train } of vae.fit(data, { epochs, batchSize: 64 })) losses.push(train.loss);
    return losses;
  }

  async function bitsOf(vae: VAE) {
    const all = [...(await vae.parameters())];
    return all.map(([name, { data }]) => [name, Buffer.from(data.buffer).toString('base64')]);
  }

  test('half a run, a checkpoint and the other half are the whole, to the bit', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'torchvae-')), 'vae.safetensors');
    using whole = await VAE.create({ spec, precision: 'bf16', device: 'cpu' });
    await train(whole, 4);
    using half = await VAE.create({ spec, precision: 'bf16', device: 'cpu' });
    await train(half, 2);
    await half.save(path);
    using resumed = await VAE.load(path, { device: 'cpu' });
    await train(resumed, 2);
    expect(await bitsOf(resumed)).toEqual(await bitsOf(whole));
  });

  test('weights that are set are the weights that are used', async () => {
    using one = await VAE.create({ spec, seed: 1, precision: 'bf16', device: 'cpu' });
    using other = await VAE.create({ spec, seed: 2, precision: 'bf16', device: 'cpu' });
    const wanted = (await one.encode(data.take(9))).mean.data;
    expect((await other.encode(data.take(9))).mean.data).not.toEqual(wanted);
    await other.setParameters(await one.parameters());
    expect((await other.encode(data.take(9))).mean.data).toEqual(wanted);
  });

  test('the update over the whole gradient keeps the rounded weights too', async () => {
    const run = async (options: object) => {
      using vae = await VAE.create({ spec, seed: 1, precision: 'bf16', device: 'cpu' });
      const losses: number[] = [];
      for await (const { train } of vae.fit(data, { epochs: 3, batchSize: 64, ...options }))
        losses.push(train.loss);
      return losses;
    };
    const [tiled, whole] = [await run({}), await run({ clip: { norm: 1e9 } })];
    whole.forEach((loss, i) => {
      expect(Math.abs(loss / tiled[i]! - 1)).toBeLessThan(1e-4);
    });
  });

  test('an epoch of mlp-400 comes to the loss of float32 within 0.5%', async () => {
    const images = sprites({ count: 12_800, seed: 1 });
    const losses = [];
    for (const precision of ['float32', 'bf16'] as const) {
      using vae = await VAE.create({ preset: 'mlp-400', seed: 1, precision, device: 'cpu' });
      for await (const { train } of vae.fit(images, { epochs: 1 })) losses.push(train.loss);
    }
    expect(Math.abs(losses[1]! / losses[0]! - 1)).toBeLessThan(5e-3);
  });
});

test('a model in float64 goes on from its checkpoint to the same bits', async () => {
  const spec = { inputShape: [6], encoder: { hidden: [5] }, latentSize: 2 };
  const rows = Array.from({ length: 30 }, (_, i) =>
    Array.from({ length: 6 }, (_, j) => ((i * 7 + j) % 11) / 10),
  );
  const data = Dataset.from(rows);
  const file = join(mkdtempSync(join(tmpdir(), 'torchvae-float64-')), 'a.safetensors');
  using whole = await VAE.create({ spec, precision: 'float64', device: 'cpu', seed: 4 });
  await whole.fit(data, { epochs: 2, batchSize: 8 });
  await whole.save(file);
  await whole.fit(data, { epochs: 2, batchSize: 8 });
  using resumed = await VAE.load(file, { device: 'cpu' });
  await resumed.fit(data, { epochs: 2, batchSize: 8 });
  // Beyond float32: its rounding in between would show.
  const [a, b] = [`${file}.whole`, `${file}.resumed`];
  await whole.save(a);
  await resumed.save(b);
  expect(readFileSync(b)).toEqual(readFileSync(a));
  expect(readFileSync(a).includes('"F64"')).toBe(true);
});
