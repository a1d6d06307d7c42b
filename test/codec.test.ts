/** Examples as compressed codes, and back. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { decodeIntegers, encodeIntegers } from '../lib/codec/integers.ts';
import { Random } from '../lib/data/random.ts';
import { compress, decompress, sprites, VAE } from '../lib/index.ts';
import { sha256 } from '../lib/sha256.ts';
import { refusal } from './refusal.ts';

test('integers of all sizes come back', () => {
  const numbers = Float64Array.of(
    0,
    1,
    -1,
    63,
    64,
    -64,
    -65,
    8191,
    8192,
    2 ** 31,
    -(2 ** 40),
    2 ** 52,
    -(2 ** 52),
  );
  const bytes = encodeIntegers(numbers);
  expect(decodeIntegers(bytes, numbers.length)).toEqual(numbers);
  expect(encodeIntegers(Float64Array.of(63, -64))).toHaveLength(2);
  expect([...encodeIntegers(Float64Array.of(2 ** 60))]).toEqual([
    ...encodeIntegers(Float64Array.of(2 ** 52)),
  ]);
  expect(decodeIntegers(bytes, numbers.length + 1)).toBeUndefined();
  expect(decodeIntegers(bytes, numbers.length - 1)).toBeUndefined();
  expect(decodeIntegers(new Uint8Array(20).fill(0x80), 1)).toBeUndefined();
  expect(decodeIntegers(bytes, 2 ** 40)).toBeUndefined();
});

test('a hash of many bytes is the usual one, and leaves the event loop its turns', async () => {
  const parts = [Buffer.from('abc'), Buffer.alloc(0), Buffer.alloc(96 << 20, 7), Buffer.alloc(5 << 20, 9)];
  let turns = 0;
  let isDone = false;
  const count = () => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  const found = await sha256([...parts, ...parts]);
  isDone = true;
  // Slices last 10 ms, and 200 MB take longer than that; where all of it ran at once there would be no turn.
  expect(turns).toBeGreaterThan(1);
  const hash = createHash('sha256');
  for (const part of [...parts, ...parts]) hash.update(part);
  expect(found).toEqual(hash.digest());
});

describe('compress', async () => {
  const data = sprites({ count: 400, seed: 3 });
  const vae = await VAE.create({
    spec: { encoder: { hidden: [64] }, latentSize: 5 },
    device: 'cpu',
    seed: 1,
  });
  for await (const _ of vae.fit(data, { epochs: 6, batchSize: 32 }));

  test('gives back what the rounded codes decode to', async () => {
    const step = 0.5;
    const { mean } = await vae.encode(data);
    const rounded = mean.data.map((value) => Math.round(value / step) * step + 0);
    const wanted = await vae.decode({ data: rounded, shape: mean.shape });
    expect(await decompress(vae, await compress(vae, data, { step }))).toEqual(wanted);
  });

  test('takes fewer bytes and rounds more the larger the step is', async () => {
    const whole = (await vae.reconstruct(data)).data;
    const squared = async (bytes: Uint8Array) => {
      const { data: found } = await decompress(vae, bytes);
      return found.reduce((sum, value, i) => sum + (value - whole[i]!) ** 2, 0);
    };
    const fine = await compress(vae, data, { step: 0.05 });
    const coarse = await compress(vae, data, { step: 2 });
    expect(coarse.length).toBeLessThan(fine.length / 2);
    expect(fine.length).toBeLessThan(data.data.length / 50);
    expect(await squared(coarse)).toBeGreaterThan(100 * (await squared(fine)));
  });

  test('refuses bytes that are damaged or of another model', async () => {
    const bytes = await compress(vae, data);
    using other = await VAE.create({ spec: vae.spec, device: 'cpu', seed: 2 });
    expect(await refusal('ERR_STATE', () => decompress(other, bytes))).toContain('other weights');
    expect(await refusal('ERR_DATA_FORMAT', () => decompress(vae, bytes.subarray(0, 20)))).toContain('TVZ1');
    expect(await refusal('ERR_DATA_FORMAT', () => decompress(vae, bytes.subarray(0, 60)))).toContain(
      'unpacked',
    );
    expect(await refusal('ERR_TYPE', () => decompress(vae, 'TVZ1' as never))).toContain('bytes');
    const many = Buffer.from(bytes);
    many.writeUInt32LE(2 ** 32 - 1, 20);
    expect(await refusal('ERR_DATA_FORMAT', () => decompress(vae, many))).toContain('4294967295');
    const bomb = Buffer.from(bytes);
    bomb.writeUInt32LE(1, 20);
    expect(await refusal('ERR_DATA_FORMAT', () => decompress(vae, bomb))).toContain('unpacked');
  });

  test('answers random damage with its own error or with an image', async () => {
    const bytes = await compress(vae, data.take(40));
    const random = new Random(4);
    for (let turn = 0; turn < 200; turn++) {
      const changed = Buffer.from(bytes);
      for (let i = 0; i < 1 + (turn % 3); i++) changed[random.below(changed.length)] = random.below(256);
      const result = await decompress(vae, changed).catch((error) => error);
      if (result instanceof Error)
        expect(['ERR_DATA_FORMAT', 'ERR_STATE']).toContain((result as { code?: string }).code);
      else expect(result.shape.slice(1)).toEqual([1, 28, 28]);
    }
  });

  test('keeps the labels that decoding needs, and refuses others', async () => {
    const spec = { encoder: { hidden: [16] }, latentSize: 2, condition: { classes: 3 } };
    using conditioned = await VAE.create({ spec, device: 'cpu', seed: 1 });
    const bytes = await compress(conditioned, data, { step: 1e-6 });
    const found = await decompress(conditioned, bytes);
    const wanted = await conditioned.reconstruct(data);
    for (const [i, value] of found.data.entries())
      expect(Math.abs(value - wanted.data[i]!)).toBeLessThan(1e-4);
    const others = Array.from(data.labels!, (label) => (label + 1) % 3);
    const relabeled = await decompress(conditioned, await compress(conditioned, data, { labels: others }));
    expect(relabeled.data).not.toEqual(found.data);
    expect(await refusal('ERR_SHAPE', () => compress(conditioned, data.data))).toContain('labels');
    // The encoder alone sees them: the file needs none.
    const half = { ...spec, condition: { classes: 3, decoder: false } };
    using unseen = await VAE.create({ spec: half, device: 'cpu', seed: 1 });
    const plain = await decompress(unseen, await compress(unseen, data, { step: 1e-6 }));
    expect(plain.shape).toEqual([400, 1, 28, 28]);
  });

  test('refuses steps and codes that cannot be rounded', async () => {
    expect(await refusal('ERR_RANGE', () => compress(vae, data, { step: 0 }))).toContain('step');
    using categories = await VAE.create({ spec: { posterior: 'gumbel-softmax' }, device: 'cpu' });
    expect(await refusal('ERR_STATE', () => compress(categories, data))).toContain('gumbel-softmax');
  });
});
