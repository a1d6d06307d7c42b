/** How the columns of drawn rows compare with those of the data: against closed forms, and of a model. */
import { describe, expect, test } from 'vitest';
import { Random } from '../lib/data/random.ts';
import { readTable, type TableColumns } from '../lib/evaluation/table-columns.ts';
import { compareTables, type TableComparison } from '../lib/evaluation/table-comparison.ts';
import { Dataset, type TableSchema, VAE } from '../lib/index.ts';

const ROWS = 4000;

/** Normals a, b and c of which a and b have this correlation, and categories of these shares. */
function table(seed: number, correlation: number, rare: number, deviation = 1): TableColumns {
  const random = new Random(seed);
  const [a, b, c] = [0, 0, 0].map(() => Float64Array.from({ length: ROWS }, () => random.normal())) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const mixed = b.map((value, i) => correlation * a[i]! + Math.sqrt(1 - correlation ** 2) * value);
  const numbers = [
    // As seconds of a date, whose squares have more digits than float64.
    { name: 'a', values: a.map((value) => 1.7e9 + 1e-3 * value) },
    { name: 'b', values: mixed },
    { name: 'c', values: c.map((value) => deviation * value) },
  ];
  const values = Int32Array.from({ length: ROWS }, () => (random.uniform() < rare ? 1 : 0));
  return { numbers, categories: [{ name: 'kind', categories: ['usual', 'rare'], values }] };
}

describe('the comparison of two tables', () => {
  test('finds known differences', async () => {
    const { correlations, share, deviation } = await compareTables(
      table(1, 0.8, 0.1),
      table(2, 0.3, 0.4, 0.5),
      { seed: 0 },
    );
    expect(correlations).toMatchObject({ pairs: 3, worst: { columns: ['a', 'b'] } });
    // Six standard errors of a correlation are (1 - r^2) 6 / sqrt(n) < 0.1.
    expect(Math.abs(correlations!.worst.data - 0.8)).toBeLessThan(0.04);
    expect(Math.abs(correlations!.worst.drawn - 0.3)).toBeLessThan(0.1);
    const { data, drawn, error } = correlations!.worst;
    expect(error).toBe(Math.abs(data - drawn));
    expect(share!.column).toBe('kind');
    expect(Math.abs(share!.difference - 0.3)).toBeLessThan(0.05);
    expect(deviation!.column).toBe('c');
    expect(Math.abs(deviation!.ratio - 0.5)).toBeLessThan(0.04);
  });

  test('says what comes by chance', async () => {
    const all = await Promise.all(
      [1, 2, 3, 4, 5, 6, 7, 8].map((seed) =>
        compareTables(table(seed, 0, 0.3), table(seed + 50, 0, 0.3), { seed }),
      ),
    );
    const meanOf = (figure: (of: TableComparison) => number) =>
      all.reduce((sum, each) => sum + figure(each), 0) / all.length;
    // E |r - r'| of independent normals is sqrt(2 / n) sqrt(2 / pi).
    const expected = 2 / Math.sqrt(Math.PI * ROWS);
    const chance = meanOf((of) => of.correlations!.meanErrorByChance!);
    expect(Math.abs(chance / expected - 1)).toBeLessThan(0.25);
    expect(Math.abs(meanOf((of) => of.correlations!.meanError) / expected - 1)).toBeLessThan(0.4);
    // And of a share p, sqrt(2 p (1 - p) / n) sqrt(2 / pi).
    const shares = meanOf((of) => of.share!.differenceByChance!);
    expect(Math.abs(shares / (expected * Math.sqrt(0.21)) - 1)).toBeLessThan(0.5);
    // The largest |log| of three ratios of normals, whose deviation is sqrt(1 / n), is 1.33 of these on average.
    const ratios = meanOf((of) => Math.log(of.deviation!.ratioByChance!));
    expect(Math.abs(ratios * Math.sqrt(ROWS) - 1.33)).toBeLessThan(0.35);
  });

  test('of rows whose columns were shuffled is that of their correlation, and of a constant column too', async () => {
    const data = table(1, -0.7, 0.1);
    const [a, b, c] = data.numbers as [TableColumns['numbers'][0], TableColumns['numbers'][0], never];
    const order = new Random(3).permutation(ROWS);
    const shuffled = { ...b, values: Float64Array.from(order, (row) => b.values[row]!) };
    const lost = await compareTables(data, { ...data, numbers: [a, shuffled, c] }, { seed: 0 });
    expect(Math.abs(lost.correlations!.worst.error - 0.7)).toBeLessThan(0.1);
    expect(lost.share!.difference).toBe(0);
    expect(lost.deviation!.ratio).toBeCloseTo(1, 9);
    const constant = { ...b, values: b.values.map(() => 0.1) };
    const stuck = await compareTables(data, { ...data, numbers: [a, constant, c] }, { seed: 0 });
    expect(stuck.correlations!.worst).toMatchObject({ columns: ['a', 'b'], drawn: 0 });
    expect(stuck.deviation).toMatchObject({ column: 'b', ratio: 0 });
  });

  test('leaves out missing cells pair by pair, and columns of few cells', async () => {
    const data = table(1, 0.5, 0.1);
    const holes = data.numbers.map(({ name, values }, j) => ({
      name,
      values: values.map((value, i) => (i % 3 === j ? Number.NaN : value)),
    }));
    const numbers = [...holes.slice(0, 2), { name: 'c', values: holes[2]!.values.fill(Number.NaN, 39) }];
    const categories = [{ ...data.categories[0]!, values: new Int32Array(ROWS).fill(-1).fill(0, 0, 39) }];
    const { correlations, share, deviation } = await compareTables({ numbers, categories }, data, {
      seed: 0,
    });
    expect(correlations).toMatchObject({ pairs: 1, worst: { columns: ['a', 'b'] } });
    expect(Math.abs(correlations!.worst.data - 0.5)).toBeLessThan(0.12);
    expect(share).toBeUndefined();
    expect(deviation!.column).not.toBe('c');
  });
});

test('cells that were filled in are missing again where they can be told', async () => {
  const records = [
    { n: 1, m: 0, k: 'a' },
    { n: null, m: 4, k: 'b' },
    { n: 6, m: 0, k: null },
    { n: 2, m: null, k: 'b' },
    // Enough zeros to be kept apart.
    ...Array.from({ length: 400 }, (_, i) => ({ n: i, m: i % 2 ? 0 : i, k: 'ab'[i % 2]! })),
  ];
  const { schema, data, cells } = await Dataset.fromRecords(records, { onMissing: 'impute' });
  expect((schema as TableSchema).fields[1]).toHaveProperty('zeros');
  const { numbers, categories } = readTable(schema as TableSchema, data as Float32Array, cells);
  const rows = [0, 1, 2, 3].map((i) => [...numbers, ...categories].map(({ values }) => values[i]! + 0));
  expect(rows).toEqual([
    [1, 0, 0],
    [Number.NaN, 4, 1],
    [6, 0, -1],
    [2, Number.NaN, 1],
  ]);
});

test('evaluate compares the rows that a model draws', async () => {
  const random = new Random(1);
  const records = Array.from({ length: 400 }, () => {
    const x = random.normal();
    return { x, y: x + 0.1 * random.normal(), k: random.uniform() < 0.3 ? 'a' : 'b' };
  });
  const data = await Dataset.fromRecords(records);
  const spec = { inputShape: data.shape, encoder: { hidden: [8] }, latentSize: 2, likelihood: 'gaussian' };
  using vae = await VAE.create({ spec: spec as never, seed: 1, device: 'cpu' });
  expect((await vae.evaluate(data)).samples!.columns, 'knows no table yet').toBeUndefined();
  await vae.fit(data, { epochs: 1, batchSize: 400 });
  const { samples } = await vae.evaluate(data, { seed: 3 });
  // After one step a model draws columns that have next to nothing to do with each other.
  const { worst, pairs } = samples!.columns!.correlations!;
  expect(pairs).toBe(1);
  expect(worst.data).toBeGreaterThan(0.98);
  const drawn = (data.schema as TableSchema).decode(
    (await vae.sample(400, { seed: 3, kind: 'sample' })).data,
  );
  const share = drawn.filter(({ k }) => k === samples!.columns!.share!.category).length / 400;
  expect(samples!.columns!.share!.drawn).toBeCloseTo(share, 12);
  expect(worst.error).toBeGreaterThan(0.2);
  const series = data.windows({ length: 4 });
  using other = await VAE.create({ spec: { ...spec, inputShape: series.shape } as never, device: 'cpu' });
  await other.fit(series, { epochs: 1 });
  expect((await other.evaluate(series)).samples!.columns, 'windows').toBeUndefined();
});
