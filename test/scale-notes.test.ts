/** Arrays whose numbers are far from what training takes well, or may mean something else: a note says so. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Random } from '../lib/data/random.ts';
import { Dataset, loadDataset, streamDataset } from '../lib/index.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-scale-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const random = new Random(3);
const rows = (scales: readonly number[], means: readonly number[] = []) =>
  Array.from({ length: 400 }, () =>
    scales.map((scale, i) => (means[i] ?? 0) + scale * (random.uniform() - 0.5) * Math.sqrt(12)),
  );

/** A .npy file of float64 or bytes. */
function npy(name: string, shape: readonly number[], data: Float64Array | Uint8Array): string {
  const type = data instanceof Uint8Array ? '|u1' : '<f8';
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`;
  const header = Buffer.from(`${text.padEnd(117)}\n`);
  const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length, 0]);
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([start, header, new Uint8Array(data.buffer)]));
  return path;
}

test('numbers that float32 does not keep', async () => {
  const values = rows([1, 1], [1e9]);
  const said = [
    expect.stringMatching(
      /^number 0 of the examples varies by 1(\.\d+)? around 1000000000, .* subtract the mean/,
    ),
  ];
  expect(Dataset.from(values).notes).toEqual(said);
  const path = npy('far.npy', [400, 2], Float64Array.from(values.flat()));
  expect((await loadDataset(path)).notes).toEqual(said);
  expect((await streamDataset(path)).notes).toEqual(said);
  // Of numbers that were float32 before nothing more is lost.
  const single = Float32Array.from(rows([1], [1e5]).flat());
  expect(Dataset.from(single, { shape: [1] }).notes).toEqual([
    expect.stringMatching(/^numbers are kept as they are/),
  ]);
  // A thousandth of the deviation is.
  expect(Dataset.from(rows([1], [1e3])).notes.join()).not.toMatch(/float32/);
});

test('numbers far from mean 0 and deviation 1', async () => {
  const notes = (scales: readonly number[], means?: readonly number[]) =>
    Dataset.from(rows(scales, means)).notes;
  expect(notes([1, 1, 100, 0])).toEqual([
    expect.stringMatching(
      /^numbers are kept as they are, and of 3 that vary .* 1 is far .* read them as a table/,
    ),
  ]);
  expect(notes([0.01, 0.02, 1])).toEqual([expect.stringMatching(/of 3 that vary in an example 2 are far/)]);
  expect(notes([1, 1], [30])).toHaveLength(1);
  expect(notes([1, 3, 0.3, 0], [0, 1, 2, 500])).toEqual([]);
  // A few places of pictures vary little, and tables are scaled.
  expect(notes([1, 1, 1, 0.01])).toEqual([]);
  const records = rows([1, 1000]).map(([a, b]) => ({ a, b }));
  expect((await Dataset.fromRecords(records)).notes).toEqual([]);
});

test('bytes that may be no pixels, and examples that are all alike', async () => {
  const levels = Uint8Array.from({ length: 640 }, (_, i) => i % 16);
  const said = [
    expect.stringMatching(/none is above 15, so that no value is above 0\.0588; .* divide by 15/),
  ];
  expect(Dataset.from(levels, { shape: [8, 8] }).notes).toEqual(said);
  const bright = levels.map((level) => 10 * level);
  const files = [
    [npy('levels.npy', [10, 8, 8], levels), said],
    [npy('bright.npy', [10, 8, 8], bright), []],
    [npy('sevens.npy', [10, 8, 8], levels.fill(7)), ['all values are 7, which says nothing']],
    [
      npy(
        'halves.npy',
        [10, 64],
        Float64Array.from(levels, () => 0.5),
      ),
      ['all values are 0.5, which says nothing'],
    ],
  ] as const;
  for (const [path, notes] of files) {
    expect((await loadDataset(path)).notes).toEqual(notes);
    expect((await streamDataset(path)).notes).toEqual(notes);
  }
});

test('black ink on transparent paper, which would be black on black', async () => {
  const images = join(folder, 'ink');
  mkdirSync(images);
  const draw = async (name: string, ink: number) => {
    const pixels = Buffer.from(Array.from({ length: 64 }, (_, k) => [ink, ink, ink, k % 3 ? 255 : 0]).flat());
    const image = sharp(pixels, { raw: { width: 8, height: 8, channels: 4 } });
    await image.png().toFile(join(images, `${name}.png`));
  };
  for (let i = 0; i < 10; i++) await draw(String(i), 0);
  for (const read of [loadDataset, streamDataset])
    expect((await read(images)).notes).toEqual([
      'all values are 0, which says nothing',
      expect.stringMatching(/transparent pixels, which were laid on black; lay them on white/),
    ]);
  await draw('gray', 200);
  for (const read of [loadDataset, streamDataset]) expect((await read(images)).notes).toEqual([]);
});
