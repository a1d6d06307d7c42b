import { describe, expect, test } from 'vitest';
import type { Dataset } from '../lib/data/dataset.ts';
import { sprites } from '../lib/data/sets/sprites.ts';
import { refusal } from './refusal.ts';

const SHAPES = ['square', 'ellipse', 'heart'] as const;
const FACTORS = 5;

function image(data: Dataset, i: number): Uint8Array {
  return data.data.subarray(i * data.size, (i + 1) * data.size) as Uint8Array;
}

/** Where the description of the data set puts image i: center and outer radius in pixels, rotation in radians. */
function placement(data: Dataset, i: number) {
  const [shape, scale, rotation, x, y] = data.factorValues!.subarray(i * FACTORS, (i + 1) * FACTORS);
  const width = data.shape[1]!;
  const largest = 0.2 * width;
  return {
    shape: SHAPES[shape!]!,
    radius: largest * (0.5 + scale! / 10),
    angle: rotation! * (Math.PI / 20),
    x: largest + (x! / 31) * (width - 2 * largest),
    y: largest + (y! / 31) * (width - 2 * largest),
  };
}

/** Whether a point lies in the shape; (u, v) in units of the outer radius, v upwards. */
const INSIDE: Record<(typeof SHAPES)[number], (u: number, v: number) => boolean> = {
  square: (u, v) => Math.max(Math.abs(u), Math.abs(v)) <= Math.SQRT1_2,
  ellipse: (u, v) => u * u + 4 * v * v <= 1,
  heart: (u, v) => {
    const unit = 0.630602; // radius of the circle around a heart whose square has the diagonal 1
    const x = Math.abs(u) * unit;
    const y = v * unit + unit;
    return Math.abs(x) + Math.abs(y - 0.5) <= 0.5 || Math.hypot(x - 0.25, y - 0.75) <= Math.sqrt(1 / 8);
  },
};

/** Image i by brute force: the part of 16 x 16 points in each pixel that lie inside. */
function supersampled(data: Dataset, i: number): Float64Array {
  const { shape, radius, angle, x, y } = placement(data, i);
  const width = data.shape[1]!;
  const result = new Float64Array(width * width);
  for (let p = 0; p < result.length * 256; p++) {
    const pixel = p >> 8;
    const px = (pixel % width) + ((p & 15) + 0.5) / 16 - x;
    const py = Math.floor(pixel / width) + (((p >> 4) & 15) + 0.5) / 16 - y;
    const u = (Math.cos(angle) * px + Math.sin(angle) * py) / radius;
    const v = (Math.sin(angle) * px - Math.cos(angle) * py) / radius;
    if (INSIDE[shape](u, v)) result[pixel]! += 1 / 256;
  }
  return result;
}

describe('sprites', () => {
  test('carry their factors and the shape as label', () => {
    const data = sprites({ count: 2000 });
    expect(data.describe()).toBe(
      'sprites: 2,000 examples of 1x28x28, unit, uint8, 3 classes, factors shape, scale, rotation, x, y',
    );
    expect(data.factors.map((factor) => factor.size)).toEqual([3, 6, 40, 32, 32]);
    for (let i = 0; i < data.length; i++) expect(data.labels![i]).toBe(data.factorValues![i * FACTORS]);
    for (const [factor, { size }] of data.factors.entries()) {
      const values = data.factorValues!.filter((_, i) => i % FACTORS === factor);
      expect(new Set(values).size).toBe(size);
    }
  });

  test.each([28, 32, 64] as const)('of %i pixels show what their factors say', (size) => {
    const count = 60;
    const data = sprites({ size, count, seed: 11 });
    for (let i = 0; i < count; i++) {
      const drawn = image(data, i);
      const wanted = supersampled(data, i);
      let [drawnArea, wantedArea, worst] = [0, 0, 0];
      for (let p = 0; p < drawn.length; p++) {
        drawnArea += drawn[p]! / 255;
        wantedArea += wanted[p]!;
        worst = Math.max(worst, Math.abs(drawn[p]! / 255 - wanted[p]!));
      }
      const { shape, radius } = placement(data, i);
      expect(worst, `${shape} ${i} of radius ${radius}`).toBeLessThan(0.35);
      expect(Math.abs(drawnArea - wantedArea), `area of ${shape} ${i}`).toBeLessThan(
        0.04 * wantedArea + 0.25,
      );
    }
  });

  test('are whole: no shape is cut off by the border of the image', () => {
    const data = sprites({ count: 3000, seed: 2 });
    const areas = new Map<string, number[]>();
    for (let i = 0; i < data.length; i++) {
      const { shape, radius } = placement(data, i);
      const area = image(data, i).reduce((sum, byte) => sum + byte / 255, 0);
      const key = `${shape} ${radius.toFixed(2)}`;
      areas.set(key, [...(areas.get(key) ?? []), area]);
    }
    expect(areas.size).toBe(18);
    for (const [key, values] of areas) {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      for (const value of values) expect(Math.abs(value - mean), key).toBeLessThan(0.06 * mean + 0.4);
    }
  });

  test('have soft edges: many levels of gray', () => {
    expect(new Set(sprites({ count: 500 }).data).size).toBeGreaterThan(200);
  });

  test('are the same for the same seed, on every machine', () => {
    // From the reference implementations of SplitMix64 and xoshiro128**, remainders by the sizes of the factors.
    const wanted = [1, 5, 33, 9, 6, 0, 3, 10, 13, 16, 1, 5, 38, 17, 31];
    expect([...sprites({ count: 3, seed: 1 }).factorValues!]).toEqual(wanted);
    expect(sprites({ count: 100, seed: 1 }).data).toEqual(sprites({ count: 100, seed: 1 }).data);
    expect(sprites({ count: 100, seed: 2 }).data).not.toEqual(sprites({ count: 100, seed: 1 }).data);
  });

  test('of a shorter set are the first of the longer one', () => {
    const [short, long] = [sprites({ count: 10 }), sprites({ count: 30 })];
    expect(long.take(10).data).toEqual(short.data);
    expect(long.take(10).factorValues).toEqual(short.factorValues);
  });

  test('20,000 of them take well below a second', () => {
    const begin = performance.now();
    expect(sprites().length).toBe(20_000);
    expect(performance.now() - begin).toBeLessThan(2000);
  });

  test('come in three sizes only, and in numbers that can be', async () => {
    expect(await refusal('ERR_RANGE', () => sprites({ size: 30 as never }))).toMatch(/28, 32 or 64 for size/);
    expect(await refusal('ERR_RANGE', () => sprites({ count: 0 }))).toMatch(/for count/);
    expect(await refusal('ERR_RANGE', () => sprites({ seed: -1 }))).toMatch(/for seed/);
    expect(await refusal('ERR_RANGE', () => sprites({ color: true } as never))).toMatch(/color/);
  });
});
