import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Dataset, type DatasetOptions } from '../lib/data/dataset.ts';
import { loadDataset, loadSplit, optionsOf } from '../lib/data/index.ts';
import { Random } from '../lib/data/random.ts';
import { refusal } from './refusal.ts';

/** Ten examples of [1, 2, 2]; pixel j of example i is the byte 10 i + j. */
function pixels(): Dataset {
  const data = Uint8Array.from({ length: 40 }, (_, i) => 10 * Math.floor(i / 4) + (i % 4));
  const labels = Int32Array.of(0, 0, 0, 0, 0, 0, 1, 1, 1, 1);
  return new Dataset({ name: 'pixels', shape: [1, 2, 2], kind: 'unit', data, labels, classes: ['a', 'b'] });
}

describe('random numbers', () => {
  test('are those of the reference implementation of xoshiro128**', () => {
    const random = new Random([1, 2, 3, 4]);
    const expected = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849];
    expect(expected.map(() => random.uint32())).toEqual(expected);
  });

  test('a seed is spread by SplitMix64, whose first outputs from 0 are e220a8397b1dcdaf and 6e789e6aa1b965f4', () => {
    const seeded = new Random(0);
    const spelled = new Random([0x7b1dcdaf, 0xe220a839, 0xa1b965f4, 0x6e789e6a]);
    for (let i = 0; i < 10; i++) expect(seeded.uint32()).toBe(spelled.uint32());
  });

  test('uniform fills [0, 1) and below fills its range evenly', () => {
    const random = new Random(7);
    const counts = new Array(6).fill(0);
    let [sum, lowest, highest] = [0, 1, 0];
    for (let i = 0; i < 60_000; i++) {
      const value = random.uniform();
      lowest = Math.min(lowest, value);
      highest = Math.max(highest, value);
      sum += value;
      counts[random.below(6)]++;
    }
    expect(sum / 60_000).toBeCloseTo(0.5, 2);
    expect(lowest).toBeGreaterThanOrEqual(0);
    expect(lowest).toBeLessThan(0.001);
    expect(highest).toBeGreaterThan(0.999);
    expect(highest).toBeLessThan(1);
    const chiSquare = counts.reduce((total, count) => total + (count - 10_000) ** 2 / 10_000, 0);
    expect(chiSquare).toBeLessThan(20.5); // 5 degrees of freedom, p = 0.001
  });

  test('permutations hold every index once, and each order comes equally often', () => {
    expect([...new Random(3).permutation(1000)].sort((a, b) => a - b)).toEqual([...Array(1000).keys()]);
    const random = new Random(5);
    const orders = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = random.permutation(3).join('');
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(6);
    for (const count of orders.values()) expect(Math.abs(count - 1000)).toBeLessThan(120);
  });
});

describe('a data set', () => {
  test('knows its examples and describes itself', () => {
    const data = pixels();
    expect([data.length, data.size, data.shape]).toEqual([10, 4, [1, 2, 2]]);
    expect(data.describe()).toBe('pixels: 10 examples of 1x2x2, unit, uint8, 2 classes');
  });

  test('hands batches out as floats, bytes divided by 255', () => {
    expect([...pixels().batch([9, 0])]).toEqual(
      [90, 91, 92, 93, 0, 1, 2, 3].map((byte) => Math.fround(byte / 255)),
    );
    const real = new Dataset({ shape: [2], kind: 'real', data: Float32Array.of(-1, 2, 3, -4) });
    expect([...real.batch([1, 1])]).toEqual([3, -4, 3, -4]);
  });

  test('subset and take carry labels and factors along', () => {
    const factors = [
      { name: 'row', size: 10 },
      { name: 'angle', size: 0 },
    ];
    const factorValues = Float32Array.from({ length: 20 }, (_, i) => (i % 2 ? i / 4 : i / 2));
    const data = new Dataset({
      ...pixels(),
      labels: pixels().labels!,
      classes: ['a', 'b'],
      factors,
      factorValues,
    });
    const picked = data.subset([7, 0, 7]);
    expect([...picked.data]).toEqual([70, 71, 72, 73, 0, 1, 2, 3, 70, 71, 72, 73]);
    expect([...picked.labels!]).toEqual([1, 0, 1]);
    expect([...picked.factorValues!]).toEqual([7, 3.75, 0, 0.25, 7, 3.75]);
    expect(picked.classes).toEqual(['a', 'b']);
    const first = data.take(2);
    expect([first.length, [...first.labels!], first.factorValues!.length]).toEqual([2, [0, 0], 4]);
    expect(first.data.buffer).toBe(data.data.buffer);
  });

  test('cannot be changed through its description', () => {
    const shape = [1, 2, 2];
    const data = new Dataset({ shape, kind: 'unit', data: new Uint8Array(8) });
    shape[0] = 3;
    expect(data.shape).toEqual([1, 2, 2]);
    expect(() => (data.shape as number[]).push(1)).toThrow(TypeError);
  });
});

describe('what does not fit is refused', () => {
  const good: DatasetOptions = { shape: [2], kind: 'unit', data: Float32Array.of(0, 0.5, 1, 0.25) };
  test.each<[string, object, Parameters<typeof refusal>[0], RegExp]>([
    [
      'data of another type',
      { data: [1, 2] },
      'ERR_TYPE',
      /Uint8Array or Float32Array for data but received Array/,
    ],
    ['a length between examples', { data: new Uint8Array(5) }, 'ERR_SHAPE', /multiple of 2 .*length 5/],
    ['no examples', { data: new Uint8Array(0) }, 'ERR_SHAPE', /length 0/],
    ['an empty shape', { shape: [] }, 'ERR_SHAPE', /one to four extents/],
    ['a zero in the shape', { shape: [0] }, 'ERR_RANGE', /shape\[0\]/],
    ['an unknown kind', { kind: 'gray' }, 'ERR_RANGE', /one of binary, unit, real, categorical/],
    [
      'a pixel above 1',
      { data: Float32Array.of(0, 255) },
      'ERR_RANGE',
      /\[0, 1\] .* received 255 at index 1/,
    ],
    ['gray in binary', { kind: 'binary' }, 'ERR_RANGE', /0 or 1 .* received 0.5 at index 1/],
    [
      'gray bytes in binary',
      { kind: 'binary', data: Uint8Array.of(0, 1) },
      'ERR_RANGE',
      /0 or 255 .* received 1 at/,
    ],
    ['a broken category', { kind: 'categorical' }, 'ERR_RANGE', /whole numbers .* received 0.5/],
    ['bytes as real numbers', { kind: 'real', data: new Uint8Array(2) }, 'ERR_TYPE', /pixel\/255/],
    ['too few labels', { labels: Int32Array.of(1) }, 'ERR_SHAPE', /2 numbers/],
    ['labels of another type', { labels: [1, 2] }, 'ERR_TYPE', /Int32Array for labels/],
    ['a negative label', { labels: Int32Array.of(0, -1) }, 'ERR_RANGE', /labels\[1\]/],
    [
      'a label without a name',
      { labels: Int32Array.of(0, 1), classes: ['a'] },
      'ERR_RANGE',
      /0 to 0 for labels\[1\]/,
    ],
    ['names without labels', { classes: ['a'] }, 'ERR_TYPE', /labels beside classes/],
    ['factors without values', { factors: [{ name: 'x', size: 2 }] }, 'ERR_TYPE', /factorValues/],
    [
      'a value beyond its factor',
      { factors: [{ name: 'x', size: 2 }], factorValues: Int32Array.of(1, 2) },
      'ERR_RANGE',
      /0 to 1 \(factor x\) for factorValues\[1\]/,
    ],
  ])('%s', async (_, change, code, message) => {
    expect(await refusal(code, () => new Dataset({ ...good, ...change }))).toMatch(message);
  });

  test('an index outside', async () => {
    expect(await refusal('ERR_RANGE', () => pixels().batch([0, 10]))).toMatch(/0 to 9 for indices\[1\]/);
    expect(await refusal('ERR_RANGE', () => pixels().subset([-1]))).toMatch(/indices\[0\]/);
    expect(await refusal('ERR_SHAPE', () => pixels().subset([]))).toMatch(/at least one index/);
    expect(await refusal('ERR_RANGE', () => pixels().take(11))).toMatch(/1 to 10 for count/);
  });

  test('the place inside an image is named', async () => {
    const data = new Float32Array(2 * 3 * 4 * 5);
    data[60 + 2 * 20 + 1 * 5 + 4] = 2;
    const message = await refusal('ERR_RANGE', () => new Dataset({ shape: [3, 4, 5], kind: 'unit', data }));
    expect(message).toMatch(/index 109 \(example 1, place \[2, 1, 4\]\)/);
  });
});

describe('from', () => {
  test('takes rows of numbers and copies flat arrays', () => {
    const rows = Dataset.from(
      [
        [1, 2, -3],
        [4, 5, 6],
      ],
      { name: 'table', labels: [1, 0] },
    );
    expect(rows.describe()).toBe('table: 2 examples of 3, real, float32, 2 classes');
    const own = Float64Array.of(0.5, 0.25);
    const copied = Dataset.from(own, { shape: [1] });
    own[0] = 9;
    expect([...copied.data]).toEqual([0.5, 0.25]);
  });

  test.each<[Parameters<typeof Dataset.from>[0], string, number[]]>([
    [Uint8Array.of(0, 1, 1), 'binary', [0, 1, 1]],
    [Uint8Array.of(0, 255), 'binary', [0, 1]],
    [Uint8Array.of(0, 51, 255), 'unit', [0, Math.fround(0.2), 1]],
    [Float32Array.of(0, 1), 'binary', [0, 1]],
    [Float64Array.of(0, 0.5), 'unit', [0, 0.5]],
    [[[0], [2]], 'real', [0, 2]],
  ])('finds out that %o is %s', (values, kind, batch) => {
    const data = Dataset.from(values, { shape: [1] });
    expect(data.kind).toBe(kind);
    expect([...data.batch([...Array(data.length).keys()])]).toEqual(batch);
  });

  test('takes bytes as the numbers they are for real and categorical', () => {
    for (const kind of ['real', 'categorical'] as const) {
      expect([...Dataset.from(Uint8Array.of(3, 200), { shape: [1], kind }).data]).toEqual([3, 200]);
    }
  });

  test('refuses what it cannot read', async () => {
    expect(await refusal('ERR_SHAPE', () => Dataset.from([[1, 2], [3]]))).toMatch(
      /2 numbers, as in row 0, for values\[1\]/,
    );
    expect(await refusal('ERR_TYPE', () => Dataset.from([['1'] as never]))).toMatch(
      /a number for values\[0\]\[0\]/,
    );
    expect(await refusal('ERR_TYPE', () => Dataset.from(new Float32Array(4)))).toMatch(
      /shape of one example/,
    );
    expect(await refusal('ERR_TYPE', () => Dataset.from('abc' as never))).toMatch(
      /rows of numbers for values/,
    );
    expect(await refusal('ERR_SHAPE', () => Dataset.from([]))).toMatch(/at least one number/);
    expect(await refusal('ERR_RANGE', () => Dataset.from([[1.5]], { kind: 'unit' }))).toMatch(/received 1.5/);
  });
});

describe('split', () => {
  const large = () => {
    const data = Float32Array.from({ length: 1000 }, (_, i) => i);
    const labels = Int32Array.from({ length: 1000 }, (_, i) => (i < 900 ? 0 : i < 990 ? 1 : 2));
    return new Dataset({ shape: [1], kind: 'real', data, labels });
  };

  test('puts every example into exactly one part, the same for the same seed', () => {
    const { train, validation } = large().split({ validation: 0.1, seed: 4 });
    expect([train.length, validation.length]).toEqual([900, 100]);
    const all = [...train.data, ...validation.data].sort((a, b) => a - b);
    expect(all).toEqual([...large().data]);
    expect(large().split({ validation: 0.1, seed: 4 }).validation.data).toEqual(validation.data);
    expect(large().split({ validation: 0.1, seed: 5 }).validation.data).not.toEqual(validation.data);
    expect([...validation.data]).toEqual([...validation.data].sort((a, b) => a - b));
  });

  test('draws at random: the mean index of the held-out part is about the middle', () => {
    let sum = 0;
    for (let seed = 0; seed < 50; seed++) {
      const { validation } = large().split({ validation: 0.1, seed });
      for (const value of validation.data) sum += value / validation.length;
    }
    expect(Math.abs(sum / 50 - 499.5)).toBeLessThan(20);
  });

  test('stratified parts hold each label in proportion', () => {
    const counts = large()
      .split({ fractions: [0.7, 0.2, 0.1], stratified: true })
      .map((part) => [0, 1, 2].map((label) => part.labels!.filter((found) => found === label).length));
    expect(counts).toEqual([
      [630, 63, 7],
      [180, 18, 2],
      [90, 9, 1],
    ]);
  });

  test('refuses impossible parts', async () => {
    const data = pixels();
    expect(await refusal('ERR_RANGE', () => data.split({ validation: 0.01 }))).toMatch(
      /at least one example in every part/,
    );
    expect(await refusal('ERR_RANGE', () => data.split({ validation: 1.5 }))).toMatch(
      /0 to 1 for validation/,
    );
    expect(await refusal('ERR_RANGE', () => data.split({ fractions: [0.5, 0.4] }))).toMatch(/sum is 0.9/);
    expect(await refusal('ERR_TYPE', () => data.split({} as never))).toMatch(
      /either validation or fractions/,
    );
    const unlabeled = new Dataset({ shape: [1], kind: 'unit', data: new Uint8Array(9) });
    expect(await refusal('ERR_STATE', () => unlabeled.split({ validation: 0.3, stratified: true }))).toMatch(
      /labels/,
    );
  });
});

describe('loadDataset', () => {
  test('knows sprites by name, with a test split of other draws', async () => {
    const train = await loadDataset('sprites', { count: 50, size: 32 });
    const test = await loadDataset('sprites', { count: 50, size: 32, split: 'test' });
    expect(train.shape).toEqual([1, 32, 32]);
    expect(test.data).not.toEqual(train.data);
    expect((await loadDataset('sprites', { split: 'test' })).length).toBe(5000);
  });

  test('lists what it knows when it knows nothing of a name', async () => {
    for (const name of ['minst', '/no/such/file', 'toString']) {
      const message = await refusal('ERR_RANGE', () => loadDataset(name));
      expect(message).toMatch(/sprites, mnist, fashion-mnist/);
      expect(message).toContain(name);
    }
    expect(await refusal('ERR_RANGE', () => loadDataset('sprites', { splitt: 'test' } as never))).toMatch(
      /splitt/,
    );
  });

  test('refuses options of other kinds of data, and lists those that have a meaning', async () => {
    for (const options of [{ labelColumn: 'a' }, { imageSize: 8 }, { directory: '/tmp' }] as const) {
      expect(await refusal('ERR_RANGE', () => loadDataset('sprites', options))).toMatch(
        new RegExp(`option ${Object.keys(options)[0]} of loadDataset has no meaning for sprites`),
      );
    }
    await refusal('ERR_RANGE', () => loadSplit('sprites', { validation: 0.5 }, { delimiter: ';' }));
    expect((await loadDataset('sprites', { count: 3, labelColumn: undefined } as never)).length).toBe(3);
    expect(await optionsOf('sprites')).toEqual(['split', 'size', 'count', 'seed']);
    expect(await optionsOf(join(import.meta.dirname, 'fixtures/rows.parquet'))).toContain('labelColumn');
    await refusal('ERR_RANGE', () => optionsOf('minst'));
  });

  test('names the formats that it knows where a file has none of them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'torchvae-unknown-'));
    const files = { 'model.h5': Buffer.from('\x89HDF\r\n\x1a\n', 'latin1'), 'notes.md': 'words', empty: '' };
    try {
      for (const [name, content] of Object.entries(files)) {
        writeFileSync(join(folder, name), content);
        expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(join(folder, name)))).toMatch(
          /expected a known format \(.*\.npy.*\.csv.*\.jsonl.*Parquet.*IDX.*\) but it is (of none; it begins with|text of none; name it \.csv|HDF5)/,
        );
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
