/** Draws of rows: numbers keep mean and deviation within the bounds of their column, categories their shares. */
import { describe, expect, test } from 'vitest';
import { Random } from '../lib/data/random.ts';
import { BoundedNormal } from '../lib/data/tables/bounded-normal.ts';
import { Dataset, TableSchema, VAE } from '../lib/index.ts';
import { nearestChances } from '../lib/model/row-draws.ts';
import { usualEpochs } from '../lib/training/usual.ts';

const momentsOf = (values: readonly number[]) => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / values.length) };
};

/** Draws of the class, which is also given draws of the normal. */
function drawsOf(bounds: ConstructorParameters<typeof BoundedNormal>[0], mean: number, deviation: number) {
  const random = new Random(5);
  const normal = new BoundedNormal(bounds, deviation);
  return Array.from({ length: 200_000 }, () => normal.draw(mean, mean + deviation * random.normal(), random));
}

describe('a number within bounds', () => {
  test.each([
    ['whole numbers that come equally often', { min: 0, max: 3, step: 1 }, 1.5, Math.sqrt(1.25)],
    ['few events', { min: 0, max: 6, step: 1 }, 0.5, Math.sqrt(0.5)],
    ['mostly zero, sometimes many', { min: 0, max: 99_999, step: 1 }, 1000, 7000],
    ['a skewed amount', { min: 0.1, max: 40 }, 1.6, 2],
    ['an amount far from its bounds', { min: -1000, max: 1000 }, 3, 2],
    ['an amount near a bound', { min: 0, max: 1000 }, 0.5, 0.4],
    ['whole numbers of small deviation', { min: 0, max: 9, step: 1 }, 4.5, 0.8],
  ])('keeps mean and deviation: %s', (_, bounds, mean, deviation) => {
    const drawn = drawsOf(bounds, mean, deviation);
    const found = momentsOf(drawn);
    expect(Math.abs(found.mean - mean)).toBeLessThan(0.04 * deviation);
    expect(Math.abs(found.deviation / deviation - 1)).toBeLessThan(0.05);
    expect(drawn.every((value) => value >= bounds.min && value <= bounds.max)).toBe(true);
    if ('step' in bounds) expect(drawn.every((value) => Number.isInteger(value / bounds.step))).toBe(true);
  });

  test('comes equally often where mean and deviation are those of equal chances', () => {
    const drawn = drawsOf({ min: 0, max: 3, step: 1 }, 1.5, Math.sqrt(1.25));
    for (const value of [0, 1, 2, 3]) {
      const share = drawn.filter((other) => other === value).length / drawn.length;
      expect(Math.abs(share - 0.25)).toBeLessThan(0.015);
    }
  });

  test('has the values next to a mean that is nearly certain, and one where the mean lies beyond', () => {
    expect(new Set(drawsOf({ min: 0, max: 3, step: 1 }, 1.25, 0.01))).toEqual(new Set([1, 2]));
    expect(momentsOf(drawsOf({ min: 0, max: 3, step: 1 }, 1.25, 0.01)).mean).toBeCloseTo(1.25, 1);
    expect(new Set(drawsOf({ min: 0, max: 3, step: 1 }, -0.2, 1))).toEqual(new Set([0]));
    expect(new Set(drawsOf({ min: 2, max: 2, step: 1 }, 2, 1))).toEqual(new Set([2]));
  });
});

test.each([
  ['whole numbers', { min: 0, max: 3, step: 1 }, 1, 50, 0.13],
  ['truth values', { min: 0, max: 1, step: 1 }, 0.2, 3, 0.21],
  ['a number near its bound', { min: 100, max: 305 }, 101.5, 62, 0],
  ['a number near its upper bound', { min: 100, max: 305, step: 0.01 }, 303, 62, 0],
  ['a number in the middle', { min: -1, max: 1 }, 0, 7, 0],
])(
  'where the deviation is larger than the bounds allow, the mean alone is kept: %s',
  (_, bounds, mean, deviation, most) => {
    const drawn = drawsOf(bounds, mean, deviation);
    expect(Math.abs(momentsOf(drawn).mean - mean)).toBeLessThan(0.01 * (bounds.max - bounds.min));
    expect(drawn.every((value) => value >= bounds.min && value <= bounds.max)).toBe(true);
    // Most lie where the mean is, and not at the ends.
    const far = drawn.filter((value) => Math.abs(value - mean) > 0.6 * (bounds.max - bounds.min)).length;
    expect(far / drawn.length).toBeLessThanOrEqual(most);
  },
);

describe('a number of few values', () => {
  const values = [-2, 1, 2, 11];

  test.each([
    ['keeps mean and deviation', 3, 3, true],
    ['has the two around a mean that is nearly certain', 6, 0.1, false],
    ['keeps the mean where the deviation is larger than the values allow', 3, 50, false],
    ['keeps the mean near an end', 10.8, 50, false],
  ])('%s', (_, mean, deviation, keepsBoth) => {
    const drawn = drawsOf({ min: -2, max: 11, step: 1, values }, mean, deviation);
    const found = momentsOf(drawn);
    expect(Math.abs(found.mean - mean)).toBeLessThan(0.1);
    if (keepsBoth) expect(Math.abs(found.deviation / deviation - 1)).toBeLessThan(0.05);
    for (const value of new Set(drawn)) expect(values).toContain(value);
  });

  test('has no others in draws of a table, nor have dates', async () => {
    const doses = [5, 10, 20, 80];
    const days = ['2026-03-31', '2026-06-30', '2026-09-30'];
    const rows = Array.from({ length: 240 }, (_, i) => ({
      dose: doses[i % 4]!,
      day: days[i % 3]!,
      count: i % 5,
      size: i,
    }));
    const data = await Dataset.fromRecords(rows);
    const schema = data.schema as TableSchema;
    // Of what fills its bounds, or has many values, nothing is listed.
    expect(schema.fields.map((field) => 'values' in field)).toEqual([true, true, false, false]);
    const likelihood = { type: 'gaussian', scale: 'per-dimension' } as const;
    const spec = { inputShape: data.shape, encoder: { hidden: [8] }, latentSize: 2, likelihood };
    using vae = await VAE.create({ spec, seed: 1, device: 'cpu' });
    await vae.fit(data, { epochs: 2 });
    const kept = TableSchema.fromJSON(JSON.parse(JSON.stringify(schema)));
    const drawn = kept.decode((await vae.sample(500, { kind: 'sample' })).data);
    expect(new Set(drawn.map(({ dose }) => dose))).toEqual(new Set(doses));
    expect(new Set(drawn.map(({ day }) => day))).toEqual(new Set(days));
    const damaged = { ...schema.toJSON(), fields: [{ ...schema.fields[0], values: [5, 5] }] };
    expect(() => TableSchema.fromJSON(damaged)).toThrow(/fields\[0\]\.values is damaged/);
  });
});

describe('the chances nearest to means', () => {
  /** The least squared distance to the means over chances on a grid of steps of 1/40. */
  const leastOnGrid = (means: readonly number[]) => {
    let least = Infinity;
    for (let i = 0; i <= 40; i++) {
      for (let j = 0; i + j <= 40; j++) {
        const chances = [i / 40, j / 40, (40 - i - j) / 40];
        const distance = chances.reduce((sum, chance, k) => sum + (chance - means[k]!) ** 2, 0);
        least = Math.min(least, distance);
      }
    }
    return least;
  };

  test.each([
    [[0.2, 0.3, 0.5]],
    [[0.6, 0.5, -0.1]],
    [[1.4, 0.2, 0.1]],
    [[-0.2, -0.3, 0.1]],
    [[0.1, 0.05, 0.02]],
    [[0.4, 0.4, 0.4]],
  ])('add up to 1, and no others are nearer: %o', (means) => {
    const chances = [...nearestChances(Float32Array.from(means))];
    expect(chances.reduce((sum, chance) => sum + chance, 0)).toBeCloseTo(1, 6);
    expect(Math.min(...chances)).toBeGreaterThanOrEqual(0);
    const distance = chances.reduce((sum, chance, k) => sum + (chance - means[k]!) ** 2, 0);
    expect(distance).toBeLessThan(leastOnGrid(means) + 1e-6);
  });

  test('of many categories with errors around 0 leave the usual one its share', () => {
    const random = new Random(3);
    const means = Float32Array.from({ length: 60 }, (_, i) => (i === 7 ? 0.95 : 0) + 0.03 * random.normal());
    expect(nearestChances(means)[7]).toBeGreaterThan(0.85);
  });
});

describe('rows that a model draws', () => {
  const random = new Random(11);
  const records = Array.from({ length: 1200 }, () => ({
    age: 18 + random.below(60),
    kids: random.below(4),
    spent: Number(Math.exp(1 + 0.5 * random.normal()).toFixed(2)),
    plan: random.uniform() < 0.06 ? 'silver' : random.uniform() < 0.7 ? 'basic' : 'gold',
  }));

  test.each([1, 2])('are as spread as those of the table, and whole rows, seed %i', async (seed) => {
    const data = await Dataset.fromRecords(records);
    using vae = await VAE.create({
      seed,
      device: 'cpu',
      spec: {
        inputShape: data.shape,
        encoder: { type: 'mlp', hidden: [64] },
        decoder: { type: 'mlp', hidden: [64] },
        latentSize: 4,
        likelihood: { type: 'gaussian', scale: 'per-dimension' },
      },
    });
    await vae.fit(data, { epochs: 20, batchSize: 64 });
    const drawn = await vae.sample(5000, { kind: 'sample', seed });
    const plans = Array.from({ length: 5000 }, (_, row) =>
      [...drawn.data.subarray(6 * row + 3, 6 * row + 6)].sort(),
    );
    expect(plans.every((plan) => plan.join() === '0,0,1')).toBe(true);
    const rows = (vae.schema as TableSchema).decode(drawn.data);
    for (const key of ['age', 'kids', 'spent'] as const) {
      const [found, wanted] = [rows, records].map((some) => momentsOf(some.map((row) => Number(row[key]))));
      expect(Math.abs(found!.deviation / wanted!.deviation - 1), key).toBeLessThan(0.1);
    }
    const share = (some: readonly { plan?: unknown }[]) =>
      some.filter(({ plan }) => plan === 'silver').length / some.length;
    expect(Math.abs(share(rows) - share(records))).toBeLessThan(0.04);
    expect(await vae.sample(5000, { kind: 'sample', seed })).toEqual(drawn);
  });

  test('have the shares of the table when it was trained as by default, also of a column of many categories', async () => {
    const places = Array.from({ length: 1000 }, (_, i) => ({
      place: random.uniform() < 0.9 ? 'here' : `there ${random.below(40)}`,
      plan: i % 10 < 6 ? 'basic' : i % 10 < 9 ? 'silver' : 'gold',
      size: random.normal(),
    }));
    const data = await Dataset.fromRecords(places);
    const likelihood = { type: 'gaussian', scale: 'per-dimension' } as const;
    const spec = { inputShape: data.shape, likelihood };
    using vae = await VAE.create({ preset: 'mlp-400', spec, seed: 1, device: 'cpu' });
    const { epoch, learningRate } = await vae.fit(data);
    // Of 8 steps each.
    expect([epoch, learningRate]).toEqual([125, 1e-4]);
    const rows = (vae.schema as TableSchema).decode((await vae.sample(5000, { kind: 'sample' })).data);
    for (const [key, value] of Object.entries({ place: 'here', plan: 'basic' })) {
      const [found, wanted] = [rows, places].map(
        (some: readonly Record<string, unknown>[]) =>
          some.filter((row) => row[key] === value).length / some.length,
      );
      expect(Math.abs(found! - wanted!), key).toBeLessThan(0.03);
    }
  });

  test('the default of training is that of the preset where epochs are given, or data are no table', async () => {
    const data = await Dataset.fromRecords(records.slice(0, 100));
    const spec = { inputShape: data.shape, likelihood: 'gaussian' } as const;
    using vae = await VAE.create({ preset: 'mlp-128-64', spec, device: 'cpu' });
    expect((await vae.fit(data, { epochs: 1 })).learningRate).toBe(1e-3);
    using other = await VAE.create({
      preset: 'mlp-128-64',
      spec: { ...spec, inputShape: [2] },
      device: 'cpu',
    });
    const plain = await other.fit(Dataset.from([[0, 3]]));
    expect([plain.epoch, plain.learningRate]).toEqual([10, 1e-3]);
    // A few rows are not gone over a thousand times.
    expect(usualEpochs({ schema: data.schema, length: 150 })).toBe(200);
    expect(usualEpochs({ schema: data.schema, length: 2000 })).toBe(63);
    expect(usualEpochs({ schema: data.schema, length: 2000 }, 100)).toBe(100);
  });
});
