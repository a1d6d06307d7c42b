/** Columns of which many rows are exactly 0, such as rain: the zeros are kept apart, and come back as often. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { drawsNote } from '../lib/cli/facts.ts';
import { specFor } from '../lib/cli/run-spec.ts';
import { Random } from '../lib/data/random.ts';
import {
  Dataset,
  type LikelihoodInput,
  loadDataset,
  StreamedDataset,
  TableSchema,
  VAE,
} from '../lib/index.ts';
import { completeSpec } from '../lib/model/spec.ts';

const random = new Random(17);
const round = (value: number) => Math.round(10 * value) / 10;
/** A wet day is likelier, and wetter, the more humid it is. */
const days = Array.from({ length: 1200 }, () => {
  const humid = random.normal();
  const isWet = random.uniform() < 1 / (1 + Math.exp(1 - 1.5 * humid));
  const rain = isWet ? Math.max(0.1, round(Math.exp(1 + 0.4 * humid + 0.6 * random.normal()))) : 0;
  return { humidity: round(60 + 15 * humid), rain };
});
const wet = days.map(({ rain }) => rain).filter((rain) => rain > 0);
const dry = 1 - wet.length / days.length;
const schemaOf = ({ schema }: { schema: Dataset['schema'] }) => schema as TableSchema;

describe('zeros among many other numbers', () => {
  test('have a place in an example, and the others are standardized over all rows', async () => {
    const data = await Dataset.fromRecords(days);
    expect(data.shape).toEqual([3]);
    const [, field] = schemaOf(data).fields as readonly { center: number; zeros: number; min: number }[];
    expect(field!.zeros).toBeCloseTo(dry, 12);
    expect(field!.center).toBeCloseTo(wet.reduce((sum, rain) => sum + rain, 0) / wet.length, 9);
    expect(field!.min).toBe(Math.min(...wet));
    const column = (place: number) => Array.from(days.keys(), (row) => data.data[3 * row + place]!);
    for (const [i, { rain }] of days.entries()) {
      expect(column(2)[i]).toBe(rain === 0 ? 1 : 0);
      if (rain === 0) expect(column(1)[i]).toBe(0);
      if (i > 50) break;
    }
    const mean = column(1).reduce((sum, value) => sum + value, 0) / days.length;
    const square = column(1).reduce((sum, value) => sum + value ** 2, 0) / days.length;
    expect([mean, square].map((value) => Math.round(1e5 * value) / 1e5)).toEqual([expect.closeTo(0, 4), 1]);
    expect(schemaOf(data).decode(data.data as Float32Array, { bounded: false })).toEqual(days);
    expect(schemaOf(data).describe()[1]!.became).toMatch(
      /^number, 0\.\d to [\d.]+, 1 decimal, or 0 \(6\d%\)$/,
    );
  });

  test('stay so in JSON, in a stream and in other data', async () => {
    const data = await Dataset.fromRecords(days);
    const stream = await StreamedDataset.from(() => days);
    expect(schemaOf(stream).toJSON()).toEqual(schemaOf(data).toJSON());
    expect((await stream.head(days.length)).data).toEqual(data.data);
    const schema = TableSchema.fromJSON(JSON.parse(JSON.stringify(schemaOf(data))));
    const other = await Dataset.fromRecords([{ humidity: 60, rain: null }], { schema, onMissing: 'impute' });
    expect([...other.data.subarray(1)]).toEqual([0, expect.closeTo(dry, 6)]);
    expect(schema.decode(other.data as Float32Array)[0]!.rain).toBe(0);
    for (const zeros of [0, 1, -0.5, '0.5']) {
      const json = structuredClone(schema.toJSON()) as unknown as { fields: object[] };
      Object.assign(json.fields[1]!, { zeros });
      expect(() => TableSchema.fromJSON(json)).toThrow(/zeros is damaged/);
    }
  });

  test('come as often in draws as in the table, which are as spread', async () => {
    const data = await Dataset.fromRecords(days);
    const likelihood = { type: 'gaussian', scale: 'per-dimension' } as const;
    for (const seed of [1, 2]) {
      using vae = await VAE.create({ preset: 'mlp-400', spec: { inputShape: data.shape, likelihood }, seed });
      await vae.fit(data);
      const { data: drawn } = await vae.sample(5000, { kind: 'sample', seed });
      const rain = schemaOf(data)
        .decode(drawn)
        .map((row) => Number(row.rain));
      const share = rain.filter((amount) => amount === 0).length / rain.length;
      expect(Math.abs(share - dry)).toBeLessThan(0.03);
      const spread = (values: readonly number[]) => {
        const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
        return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
      };
      const wanted = spread(days.map((day) => day.rain));
      expect(spread(rain) / wanted).toBeGreaterThan(0.88);
      const ofWet = (values: readonly number[]) => spread(values.filter((amount) => amount > 0));
      expect(ofWet(rain) / ofWet(days.map((day) => day.rain))).toBeGreaterThan(0.85);
      expect(spread(rain) / wanted).toBeLessThan(1.15);
      expect(Math.min(...rain)).toBe(0);
      expect(rain.every((amount) => amount === 0 || amount >= Math.min(...wet))).toBe(true);
    }
  });
});

test.each([
  ['counts of few values', (i: number) => (i % 3 === 0 ? (i / 3) % 6 : 0)],
  ['one number among many', (i: number) => (i % 50 === 0 ? 0 : i)],
  ['numbers of which 0 is not much more frequent than another', (i: number) => [0, 0, 1, i][i % 4]!],
  ['nothing but zeros', () => 0],
])('%s are one number', async (_, numberAt) => {
  const data = await Dataset.fromRecords(Array.from({ length: 400 }, (_, i) => ({ a: numberAt(i) })));
  expect(data.shape).toEqual([1]);
});

test('numbers that are not standardized, vectors and wide tables keep a value for a number', async () => {
  const plain = await Dataset.fromRecords(days, { standardize: false });
  expect(plain.shape).toEqual([2]);
  const vectors = await Dataset.fromRecords(days.map(({ rain, humidity }) => ({ emb: [rain, humidity] })));
  expect(vectors.shape).toEqual([2]);
  const folder = mkdtempSync(join(tmpdir(), 'torchvae-zeros-'));
  const path = join(folder, 'pixels.csv');
  const pixels = days
    .slice(0, 100)
    .map(({ rain }, i) => Array.from({ length: 65 }, (_, k) => rain * ((i + k) % 7)));
  writeFileSync(path, [Array.from({ length: 65 }, (_, k) => `pixel${k}`), ...pixels].join('\n'));
  expect((await loadDataset(path)).shape).toEqual([65]);
  rmSync(folder, { recursive: true });
});

test('data in which zeros are not kept apart are another schema', async () => {
  const data = await Dataset.fromRecords(days);
  const spec = { inputShape: data.shape, encoder: { hidden: [4] }, likelihood: 'gaussian' } as const;
  using vae = await VAE.create({ spec, device: 'cpu' });
  await vae.fit(data, { epochs: 1 });
  const { schema } = data;
  await expect(vae.score(await Dataset.fromRecords(days.slice(0, 9)))).rejects.toThrow(/schema/);
  expect(
    await vae.score(await Dataset.fromRecords(days.slice(0, 9), { schema: schema as TableSchema })),
  ).toHaveLength(9);
});

test('a likelihood of medians, which keeps no shares, is noted for tables that have some', async () => {
  const { schema } = await Dataset.fromRecords(days);
  const numbers = await Dataset.fromRecords(days.map(({ humidity }) => ({ humidity })));
  const noteOf = (data: Dataset['schema'], likelihood: LikelihoodInput) =>
    drawsNote(data, completeSpec({ inputShape: [3], likelihood }).likelihood);
  expect(noteOf(schema, 'laplace')).toMatch(/zeros, too often; likelihood\.type=gaussian/);
  expect([noteOf(schema, 'gaussian'), noteOf(numbers.schema, 'laplace')]).toEqual(['', '']);
  // Measured: of a category of 5% of the rows draws have 2%, of numbers 0.8 to 0.9 of their deviation.
  expect(noteOf(numbers.schema, { type: 'gaussian', scale: 'predicted' })).toMatch(/scale=per-dimension/);
  expect(noteOf(undefined, { type: 'gaussian', scale: 'predicted' })).toBe('');
});

test('fractions of a table are no chances of 0 and 1', async () => {
  const fractions = await Dataset.fromRecords(
    days.map((_, i) => ({ share: (i % 50) / 50 })),
    { standardize: false },
  );
  const flags = await Dataset.fromRecords(
    days.map((_, i) => ({ flag: i % 2 })),
    { standardize: false },
  );
  expect([fractions.kind, flags.kind]).toEqual(['unit', 'unit']);
  const likelihoodOf = (data: Dataset, set: string[] = []) =>
    completeSpec({ ...specFor({ preset: 'mlp-400', set }, data), inputShape: [1] }).likelihood;
  expect(likelihoodOf(fractions)).toMatchObject({ type: 'gaussian', scale: 'per-dimension' });
  expect(likelihoodOf(flags)).toEqual({ type: 'bernoulli' });
  expect(likelihoodOf(fractions, ['likelihood.type=bernoulli'])).toEqual({ type: 'bernoulli' });
  expect(drawsNote(fractions.schema, { type: 'bernoulli' })).toMatch(/no numbers in between/);
  expect(drawsNote(flags.schema, { type: 'bernoulli' })).toBe('');
});
