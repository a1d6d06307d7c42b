/** Pixels keep their scale, whichever file they come from. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Dataset, loadDataset, type StreamPathOptions, streamDataset } from '../lib/data/index.ts';
import { encodePng } from '../lib/report/png.ts';
import { refusal } from './refusal.ts';
import { npy } from './support/npy.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-pixels-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function file(ending: string, bytes: Uint8Array): string {
  const path = join(folder, `f${count++}${ending}`);
  writeFileSync(path, bytes);
  return path;
}

function images(files: Record<string, Uint8Array>): string {
  const path = join(folder, `set${count++}`);
  mkdirSync(path);
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes);
  return path;
}

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const gray = (pixels: Uint8Array, width: number) =>
  encodePng({ width, height: pixels.length / width, channels: 1, data: pixels } as never);
const deep = (levels: number[], width: number) =>
  sharp(Uint16Array.from(levels), { raw: { width, height: levels.length / width, channels: 1 } })
    .toColorspace('grey16')
    .png()
    .toBuffer();

/** An uncompressed gray TIFF of floats with one row, which nothing at hand writes. */
function floatTiff(values: number[]): Buffer {
  const tags = [
    [256, 3, 1, values.length], // width
    [257, 3, 1, 1], // height
    [258, 3, 1, 32], // bits
    [259, 3, 1, 1], // no compression
    [262, 3, 1, 1], // black is 0
    [273, 4, 1, 8], // offset of the pixels
    [277, 3, 1, 1], // samples a pixel
    [278, 3, 1, 1], // rows a strip
    [279, 4, 1, 4 * values.length], // bytes
    [339, 3, 1, 3], // floats
  ] as const;
  const directory = Buffer.alloc(2 + 12 * tags.length + 4);
  directory.writeUInt16LE(tags.length);
  tags.forEach(([tag, type, length, value], i) => {
    directory.writeUInt16LE(tag, 2 + 12 * i);
    directory.writeUInt16LE(type, 4 + 12 * i);
    directory.writeUInt32LE(length, 6 + 12 * i);
    directory.writeUInt32LE(value, 10 + 12 * i);
  });
  const head = Buffer.from('49492a0000000000', 'hex');
  head.writeUInt32LE(8 + 4 * values.length, 4);
  return Buffer.concat([head, bytesOf(Float32Array.from(values)), directory]);
}

/** The values as numbers in [0, 1], whether in memory or streamed. */
async function valuesOf(path: string, options: StreamPathOptions = {}) {
  const data = await loadDataset(path, options as object);
  const all = Uint32Array.from({ length: data.length }, (_, i) => i);
  const values = Array.from(data.batch(all), (value) => Math.round(value * 1e4) / 1e4);
  if (!/\.(npz|idx)$/.test(path)) {
    const stream = await streamDataset(path, options);
    expect(stream.kind).toBe(data.kind);
    expect([...(await stream.head(data.length)).batch(all)]).toEqual([...data.batch(all)]);
  }
  return { kind: data.kind, values };
}

describe('bytes', () => {
  const idx = (pixels: Uint8Array) =>
    Buffer.concat([
      Buffer.from('0000080200000002', 'hex'),
      Buffer.from([0, 0, 0, pixels.length / 2]),
      pixels,
    ]);

  test.each<[string, number[], 'binary' | 'unit', number[]]>([
    ['of 0 and 1', [0, 1, 1, 0], 'binary', [0, 1, 1, 0]],
    ['of 0 and 255', [0, 255, 0, 255], 'binary', [0, 1, 0, 1]],
    ['of 0, 1 and 255', [0, 1, 255, 0], 'unit', [0, 0.0039, 1, 0]],
    ['of levels', [0, 51, 102, 255], 'unit', [0, 0.2, 0.4, 1]],
    ['of 0 alone', [0, 0, 0, 0], 'binary', [0, 0, 0, 0]],
  ])('%s are the same from every source', async (_, numbers, kind, values) => {
    const bytes = Uint8Array.from(numbers);
    const array = npy('|u1', [2, 2], bytes);
    for (const path of [
      file('.npy', array),
      file('.npz', zipSync({ 'x.npy': array })),
      file('.idx', idx(bytes)),
      images({ 'a.png': gray(bytes.subarray(0, 2), 2), 'b.png': gray(bytes.subarray(2), 2) }),
    ])
      expect(await valuesOf(path)).toEqual({ kind, values });
    const data = Dataset.from(bytes, { shape: [2] });
    expect([data.kind, ...data.batch([0, 1]).map((value) => Math.round(value * 1e4) / 1e4)]).toEqual([
      kind,
      ...values.map((value) => Math.fround(value)),
    ]);
  });

  test('are pixels or numbers where that is said', async () => {
    const path = file('.npy', npy('|u1', [2, 2], Uint8Array.of(0, 1, 1, 0)));
    expect(await valuesOf(path, { kind: 'unit' })).toEqual({ kind: 'unit', values: [0, 0.0039, 0.0039, 0] });
    expect(await valuesOf(path, { kind: 'real' })).toEqual({ kind: 'real', values: [0, 1, 1, 0] });
    const levels = file('.npy', npy('|u1', [1, 2], Uint8Array.of(7, 200)));
    expect(await valuesOf(levels, { kind: 'real' })).toEqual({ kind: 'real', values: [7, 200] });
    expect(await refusal('ERR_RANGE', () => loadDataset(levels, { kind: 'binary' }))).toMatch(
      /0 or 255 as bytes/,
    );
    await refusal('ERR_RANGE', () => loadDataset(levels, { kind: 'grey' as never }));
  });
});

test('16 bits keep their levels, as many bits as the camera had', async () => {
  for (const [levels, values] of [
    [
      [0, 1000, 4000, 2000],
      [0, 0.2442, 0.9768, 0.4884],
    ],
    [
      [0, 65535, 32768, 1],
      [0, 1, 0.5, 0],
    ],
    [
      [0, 900, 450, 1023],
      [0, 0.8798, 0.4399, 1],
    ],
    [
      [0, 1, 1, 0],
      [0, 1, 1, 0],
    ],
  ] as const) {
    const array = npy('<u2', [2, 1, 2], bytesOf(Uint16Array.from(levels)));
    const folderOf = images({
      'a.png': await deep(levels.slice(0, 2), 2),
      'b.png': await deep(levels.slice(2), 2),
    });
    for (const path of [file('.npy', array), folderOf]) expect((await valuesOf(path)).values).toEqual(values);
  }
  const dark = images({ 'a.png': await deep([0, 100], 2), 'b.png': gray(Uint8Array.of(51, 255), 2) });
  expect(await valuesOf(dark, { maxLevel: 1000 })).toEqual({ kind: 'unit', values: [0, 0.1, 0.2, 1] });
  expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(dark, { maxLevel: 50 }))).toMatch(
    /a\.png: expected levels of at most 50 but received 100/,
  );
  const counts = file('.npy', npy('<u2', [1, 2], bytesOf(Uint16Array.of(7, 4000))));
  expect(await valuesOf(counts)).toEqual({ kind: 'real', values: [7, 4000] });
});

test('16 bits keep their levels in color, and when they are resized', async () => {
  const color = await sharp(Uint16Array.of(0, 4095, 1000, 0, 4095, 1000), {
    raw: { width: 2, height: 1, channels: 3 },
  })
    .toColorspace('rgb16')
    .png()
    .toBuffer();
  const path = images({ 'a.png': color });
  expect((await valuesOf(path)).values).toEqual([0, 0, 1, 1, 0.2442, 0.2442]);
  expect((await valuesOf(path, { imageSize: 1, channels: 3 })).values).toEqual([0, 1, 0.2442]);
});

test('floats are kept, and those beyond [0, 1] are real', async () => {
  const path = images({ 'a.tiff': floatTiff([0, 0.25, 0.5]), 'b.tiff': floatTiff([1, 0.75, 0]) });
  expect(await valuesOf(path)).toEqual({ kind: 'unit', values: [0, 0.25, 0.5, 1, 0.75, 0] });
  const wide = images({ 'a.tiff': floatTiff([-3, 200]) });
  expect(await valuesOf(wide)).toEqual({ kind: 'real', values: [-3, 200] });
});

test.each([1, 2, 3, 4])('%i channels that come last are put first', async (channels) => {
  const pixels = Uint8Array.from({ length: 30 * channels }, (_, i) => 10 + i);
  const { shape, data } = await loadDataset(file('.npy', npy('|u1', [1, 6, 5, channels], pixels)));
  expect(shape).toEqual([channels, 6, 5]);
  expect([...data.subarray(0, 3)]).toEqual([10, 10 + channels, 10 + 2 * channels]);
});

test('black and white change places where that is asked for', async () => {
  const bits = Uint8Array.of(0, 1, 1, 0);
  const levels = Uint8Array.of(0, 51, 255, 255);
  for (const [bytes, values] of [
    [bits, [1, 0, 0, 1]],
    [levels, [1, 0.8, 0, 0]],
  ] as const) {
    const array = npy('|u1', [2, 2], bytes);
    const pictures = images({ 'a.png': gray(bytes.subarray(0, 2), 2), 'b.png': gray(bytes.subarray(2), 2) });
    for (const path of [file('.npy', array), pictures])
      expect((await valuesOf(path, { invert: true })).values).toEqual(values);
  }
  const floats = file('.npy', npy('<f4', [1, 2], bytesOf(Float32Array.of(0.25, 1))));
  expect((await valuesOf(floats, { invert: true })).values).toEqual([0.75, 0]);
  const truths = file('.npy', npy('|b1', [1, 2], Uint8Array.of(0, 1)));
  expect((await valuesOf(truths, { invert: true })).values).toEqual([1, 0]);
  const real = file('.npy', npy('<f4', [1, 2], bytesOf(Float32Array.of(2, -5))));
  expect(await refusal('ERR_RANGE', () => loadDataset(real, { invert: true }))).toMatch(
    /in \[0, 1\] for invert/,
  );
});
