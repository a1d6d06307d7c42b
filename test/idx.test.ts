import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readIdx } from '../lib/data/formats/arrays/idx-file.ts';
import { loadDataset } from '../lib/data/index.ts';
import { Random } from '../lib/data/random.ts';
import { TorchvaeError } from '../lib/errors.ts';
import { refusal } from './refusal.ts';

/** An IDX file of this type with these extents and data, right or wrong. */
function idx(type: number, shape: number[], data: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header[2] = type;
  header[3] = shape.length;
  shape.forEach((extent, i) => {
    header.writeUInt32BE(extent, 4 + 4 * i);
  });
  return Buffer.concat([header, data]);
}

const IMAGES = idx(
  8,
  [2, 2, 3],
  Uint8Array.from({ length: 12 }, (_, i) => 20 * i),
);

describe('reading', () => {
  test('bytes, as they are and compressed', async () => {
    for (const file of [IMAGES, gzipSync(IMAGES)]) {
      const { shape, data } = await readIdx(file);
      expect(shape).toEqual([2, 2, 3]);
      expect([...data]).toEqual(Array.from({ length: 12 }, (_, i) => 20 * i));
    }
  });

  test.each<[number, number, string, number[]]>([
    [9, 1, 'Int8', [-128, -1, 127]],
    [11, 2, 'Int16BE', [-32768, 258]],
    [12, 4, 'Int32BE', [-2, 16909060]],
    [13, 4, 'FloatBE', [0.5, -1e10]],
    [14, 8, 'DoubleBE', [0.1, -1e300]],
  ])('numbers of type %i', async (type, width, writer, values) => {
    const data = Buffer.alloc(width * values.length);
    values.forEach((value, i) => {
      (data as unknown as Record<string, (value: number, offset: number) => void>)[`write${writer}`]!(
        value,
        i * width,
      );
    });
    const read = await readIdx(idx(type, [values.length], data));
    expect([...read.data]).toEqual(type === 13 ? values.map(Math.fround) : values);
  });

  test('a multi-megabyte compressed file', async () => {
    const pixels = new Uint8Array(3_000_000).map((_, i) => i % 251);
    const { data } = await readIdx(gzipSync(idx(8, [3000, 1000], pixels)));
    expect(Buffer.from(data as Uint8Array).equals(pixels)).toBe(true);
  });
});

describe('refusing', () => {
  const zipped = gzipSync(IMAGES);
  const bomb = gzipSync(idx(8, [100], new Uint8Array(50_000_000)));
  test.each<[string, Uint8Array, RegExp]>([
    ['nothing at all', new Uint8Array(0), /header of at least 4 bytes but the file has 0/],
    ['text', Buffer.from('<html>not found</html>'), /magic number .* at offset 0 but received 3c68746d/],
    ['an unknown type', idx(10, [1], Uint8Array.of(1)), /received 00000a01/],
    ['no dimensions', Buffer.from('00000800', 'hex'), /magic number/],
    ['too many dimensions', Buffer.from('000008ff', 'hex'), /01 to 08 dimensions/],
    ['a header cut short', IMAGES.subarray(0, 9), /header of 16 bytes but the file has 9; it is truncated/],
    [
      'data cut short',
      IMAGES.subarray(0, 27),
      /2 x 2 x 3 elements, 28 bytes in all, but the file has 27; it is truncated/,
    ],
    [
      'data that go on',
      Buffer.concat([IMAGES, Buffer.of(0)]),
      /28 bytes in all, but the file has 29; it is too long/,
    ],
    [
      'a header that promises the moon',
      idx(8, [2 ** 32 - 1, 2 ** 32 - 1], new Uint8Array(9)),
      /it is truncated/,
    ],
    [
      'the moon, compressed',
      gzipSync(idx(14, [2 ** 32 - 1, 2 ** 32 - 1], new Uint8Array(9))),
      /no more than \d+ are accepted/,
    ],
    ['more than the header says, compressed', bomb, /100 elements, 108 bytes in all, but more data follow/],
    ['gzip cut short', zipped.subarray(0, zipped.length - 12), /expected .* but/],
    [
      'gzip with a flipped bit',
      zipped.map((byte, i) => (i === zipped.length - 6 ? byte ^ 1 : byte)),
      /decompression failed/,
    ],
    ['what only begins like gzip', Buffer.from('1f8b0102030405060708090a', 'hex'), /decompression failed/],
  ])('%s', async (_, bytes, message) => {
    const told = await refusal('ERR_DATA_FORMAT', () => readIdx(bytes, 'images.gz'));
    expect(told).toMatch(/^images\.gz: /);
    expect(told).toMatch(message);
  });

  test('a file that is not there', async () => {
    expect(await refusal('ERR_IO', () => readIdx('/no/such/file'))).toMatch(
      /read \/no\/such\/file: .*does not exist/,
    );
  });

  test('a compressed file is not decompressed beyond what its header promises', async () => {
    const before = process.memoryUsage.rss();
    await refusal('ERR_DATA_FORMAT', () => readIdx(bomb));
    expect(process.memoryUsage.rss() - before).toBeLessThan(30_000_000);
  });

  test('mutated files are either read or refused with a typed error', async () => {
    const random = new Random(2);
    const files = [IMAGES, zipped];
    let refused = 0;
    for (let round = 0; round < 2000; round++) {
      let bytes = new Uint8Array(files[round % 2]!);
      for (let change = random.below(3); change >= 0; change--)
        bytes[random.below(bytes.length)] = random.below(256);
      if (random.below(4) === 0) bytes = bytes.slice(0, random.below(bytes.length));
      try {
        await readIdx(bytes);
      } catch (error) {
        refused++;
        if (!(error instanceof TorchvaeError) || error.code !== 'ERR_DATA_FORMAT') throw error;
      }
    }
    expect(refused).toBeGreaterThan(1000);
  });
});

describe('a data set from a path', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'torchvae-idx-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('images get a channel, vectors stay vectors', async () => {
    writeFileSync(join(folder, 'own-images.gz'), gzipSync(IMAGES));
    const images = await loadDataset(join(folder, 'own-images.gz'));
    expect(images.describe()).toBe('own-images: 2 examples of 1x2x3, unit, uint8');
    writeFileSync(join(folder, 'table'), idx(9, [2, 2], Uint8Array.of(1, 2, 3, 255)));
    const table = await loadDataset(join(folder, 'table'));
    expect([table.kind, table.shape, [...table.data]]).toEqual(['real', [2], [1, 2, 3, -1]]);
  });

  test('labels alone are no data set', async () => {
    writeFileSync(join(folder, 'labels'), idx(8, [3], Uint8Array.of(1, 2, 3)));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(join(folder, 'labels')))).toMatch(
      /not that of the labels/,
    );
  });
});
