import { decode } from 'fast-png';
import { expect, test } from 'vitest';
import { imageGrid, reconstructionGrid } from '../lib/report/grid.ts';
import { encodePng } from '../lib/report/png.ts';
import { refusal } from './refusal.ts';

/** The level of one pixel in one channel. */
function at(picture: ReturnType<typeof imageGrid>, x: number, y: number, channel = 0): number {
  return picture.data[(y * picture.width + x) * picture.channels + channel]!;
}

test('a PNG decodes to the picture it shows, gray and colored', () => {
  for (const channels of [1, 3] as const) {
    const data = Uint8Array.from({ length: 5 * 4 * channels }, (_, i) => (37 * i) % 256);
    const decoded = decode(encodePng({ width: 5, height: 4, channels, data }));
    expect([decoded.width, decoded.height, decoded.channels, decoded.depth]).toEqual([5, 4, channels, 8]);
    expect([...decoded.data]).toEqual([...data]);
  }
});

test('a grid shows the images row by row with padding between and around', () => {
  const images = Float32Array.from({ length: 5 * 6 }, (_, i) => Math.floor(i / 6) / 5);
  const grid = imageGrid(images, [1, 2, 3], { columns: 2, padding: 1 });
  expect([grid.width, grid.height, grid.channels]).toEqual([2 * 4 + 1, 3 * 3 + 1, 1]);
  const rows = Array.from({ length: grid.height }, (_, y) =>
    Array.from({ length: grid.width }, (_, x) => at(grid, x, y)).join(' '),
  );
  const gap = '96 96 96 96 96 96 96 96 96';
  const [first, second, third] = [
    '96 0 0 0 96 51 51 51 96',
    '96 102 102 102 96 153 153 153 96',
    '96 204 204 204 96 96 96 96 96',
  ];
  expect(rows).toEqual([gap, first, first, gap, second, second, gap, third, third, gap]);
});

test('by default a grid is about square', () => {
  const { width, height } = imageGrid(new Float32Array(10 * 16), [4, 4], { padding: 0 });
  expect([width, height]).toEqual([16, 12]);
});

test('scale makes every pixel a square', () => {
  const grid = imageGrid(Float32Array.of(0, 1, 1, 0), [2, 2], { padding: 0, scale: 3 });
  expect([grid.width, grid.height]).toEqual([6, 6]);
  expect([at(grid, 2, 2), at(grid, 3, 2), at(grid, 2, 3), at(grid, 3, 3)]).toEqual([0, 255, 255, 0]);
});

test('channels-first colors become red, green and blue of a pixel', () => {
  const grid = imageGrid(Float32Array.of(1, 0, 0, 0.2, 0.4, 0.6), [3, 1, 2], { padding: 0 });
  expect([...grid.data]).toEqual([255, 0, 102, 0, 51, 153]);
});

test('intensities beyond [0, 1] are shown as the nearest color', () => {
  expect([...imageGrid(Float32Array.of(-3, 7, Infinity), [1, 3], { padding: 0 }).data]).toEqual([
    0, 255, 255,
  ]);
});

test('reconstructions stand below their originals, in every pair of rows', () => {
  const originals = Float32Array.of(0, 0.2, 0.4);
  const reconstructions = Float32Array.of(1, 0.8, 0.6);
  const grid = reconstructionGrid(originals, reconstructions, [1, 1], { columns: 2, padding: 0 });
  expect([grid.width, grid.height]).toEqual([2, 4]);
  expect([...grid.data]).toEqual([0, 51, 255, 204, 102, 96, 153, 96]);
});

test('data that are not pictures are refused', async () => {
  const one = new Float32Array(4);
  expect(await refusal('ERR_SHAPE', () => imageGrid(one, [2, 1, 2]))).toMatch(/1 or 3 channels/);
  expect(await refusal('ERR_SHAPE', () => imageGrid(one, [4]))).toMatch(/\[height, width\]/);
  expect(await refusal('ERR_SHAPE', () => imageGrid(one, [1, 3]))).toMatch(/multiple of 3/);
  expect(await refusal('ERR_TYPE', () => imageGrid([0] as never, [1, 1]))).toMatch(/Float32Array for images/);
  expect(await refusal('ERR_NONFINITE', () => imageGrid(Float32Array.of(NaN), [1, 1]))).toMatch(/NaN/);
  expect(await refusal('ERR_RANGE', () => imageGrid(one, [2, 2], { columns: 0 }))).toMatch(/columns/);
  expect(await refusal('ERR_SHAPE', () => reconstructionGrid(one, new Float32Array(8), [2, 2]))).toMatch(
    /reconstructions/,
  );
});
