/** What scores say of rows that are not like the others, that lack cells, or that cannot be scored. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  Dataset,
  loadDataset,
  loadSplit,
  StreamedDataset,
  streamDataset,
  type TableSchema,
  VAE,
} from '../lib/index.ts';
import { refusal } from './refusal.ts';
import { npy } from './support/npy.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-anomalies-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

/** Readings of a pump that depend on each other: pressure, flow, and whether it runs. */
function readings(count: number, offset = 0): string[] {
  return Array.from({ length: count }, (_, i) => {
    const pressure = 20 + 5 * Math.sin(i * 12.9898) + offset;
    const flow = 60 - 1.5 * (pressure - offset) + Math.cos(i * 78.233);
    return `${pressure.toFixed(3)},${flow.toFixed(3)},${i % 3 === 0 ? 'off' : 'on'}`;
  });
}

const header = 'pressure,flow,pump';

async function trained(data: Dataset, epochs = 20): Promise<VAE> {
  const vae = await VAE.create({
    spec: {
      inputShape: data.shape,
      encoder: { hidden: [16] },
      latentSize: 2,
      likelihood: { type: 'gaussian', scale: 'learned' },
    },
    device: 'cpu',
    seed: 1,
  });
  await vae.fit(data, { epochs, batchSize: 32, learningRate: 3e-3 });
  return vae;
}

test.each(['reconstruction', 'elbo'] as const)(
  'the %s of a score is the mean over its draws',
  async (measure) => {
    const data = await loadDataset(file('normal.csv', [header, ...readings(50)]));
    using vae = await trained(data, 2);
    const found = await vae.score(data, { measure, draws: 3, seed: 11 });
    const each = await Promise.all([11, 12, 13].map((seed) => vae.lossesPerExample(data, { seed })));
    found.forEach((score, i) => {
      const terms = each.map(
        ({ reconstruction, kl }) => reconstruction[i]! + (measure === 'elbo' ? kl[i]! : 0),
      );
      expect(score).toBeCloseTo(terms.reduce((sum, term) => sum + term, 0) / 3, 4);
    });
  },
);

describe('a row that is far from all others', () => {
  test.each(['9999', '-1e12', '1e30'])('fails alone: a reading of %s', async (reading) => {
    const data = await loadDataset(file('normal.csv', [header, ...readings(300)]));
    using vae = await trained(data);
    const before = await vae.score(data);
    const threshold = await vae.fitThreshold(data, { falseAlarmRate: 0.02 });
    const rows = readings(300);
    rows[7] = `${reading},${rows[7]!.split(',').slice(1).join(',')}`;
    const odd = await loadDataset(file('odd.csv', [header, ...rows]), { schema: vae.schema });
    const { scores, anomalous, states } = await vae.detect(odd);
    expect(scores.every((score) => !Number.isNaN(score))).toBe(true);
    expect(scores[7]).toBe(Math.max(...scores));
    expect(scores[7]).toBeGreaterThan(threshold.value);
    expect(anomalous[7]).toBe(true);
    expect(['scored', 'infinite']).toContain(states[7]);
    for (let i = 0; i < 300; i++) {
      if (i === 7) continue;
      expect(scores[i]).toBeCloseTo(before[i]!, 3);
      expect(states[i]).toBe('scored');
    }
    for (const measure of ['reconstruction', 'likelihood'] as const) {
      const found = await vae.score(odd, { measure, draws: 5 });
      expect(found[7]).toBe(Math.max(...found));
      expect(found.filter(Number.isFinite).length).toBeGreaterThanOrEqual(299);
    }
    const { reconstruction, kl } = await vae.lossesPerExample(odd);
    const sums = reconstruction.map((term, i) => term + kl[i]!);
    expect(sums[7]).toBe(Math.max(...sums));
  });

  test.each([
    ['inf', 'infinite'],
    ['-1e400', 'infinite'],
    ['1e42', 'infinite'],
    ['broken', 'unseen'],
    ['5%', 'unseen'],
    ['2026-01-01', 'unseen'],
  ])('fails alone where its cell cannot be read: %s', async (cell, state) => {
    const rows = readings(40);
    const data = await loadDataset(file('normal.csv', [header, ...rows]));
    using vae = await trained(data, 3);
    const before = await vae.score(data);
    await vae.fitThreshold(data, { falseAlarmRate: 0.1 });
    rows[7] = `${cell},${rows[7]!.split(',').slice(1).join(',')}`;
    const path = file('odd.csv', [header, ...rows]);
    const { schema } = vae;
    await refusal('ERR_DATA_FORMAT', () => loadDataset(path, { schema }));
    const odd = await loadDataset(path, { schema, onMissing: 'impute' });
    const records = rows.map((line) => {
      const [pressure, flow, pump] = line.split(',');
      return { pressure: Number(pressure) || pressure, flow: Number(flow), pump };
    });
    const ofRecords = await Dataset.fromRecords(records, {
      schema: schema as TableSchema,
      onMissing: 'impute',
    });
    const streamed = StreamedDataset.from(() => records, {
      schema: schema as TableSchema,
      onMissing: 'impute',
    });
    for (const given of [odd, ofRecords, await streamed]) {
      const { scores, anomalous, states } = await vae.detect(given);
      expect([scores[7], anomalous[7], states[7]]).toEqual([Infinity, true, state]);
      const others = (values: ArrayLike<number>) => Array.from(values).filter((_, i) => i !== 7);
      expect(others(scores)).toEqual(others(before));
    }
    expect(odd.notes.join()).toMatch(
      state === 'unseen'
        ? /^1 cell could not be read, such as row 8, column "pressure": expected a number/
        : /^$/,
    );
    const [later] = odd.split({ fractions: [0.5, 0.5], chronological: true });
    expect(later!.cells?.unseen[7] ?? 0).toBe(state === 'unseen' ? 1 : 0);
  });

  test('scores +Infinity where its density cannot be computed', async () => {
    using vae = await VAE.create({ spec: { inputShape: [2], likelihood: 'gaussian' }, device: 'cpu' });
    const x = Float32Array.of(0, 1, 3e38, -3e38, 1, 0);
    const scores = await vae.score(x);
    expect([...scores].map(Number.isFinite)).toEqual([true, false, true]);
    expect(scores[1]).toBe(Infinity);
    // A threshold takes it for the strangest, and is refused where it would be this one.
    const threshold = await vae.fitThreshold(x, { falseAlarmRate: 0.5 });
    expect(threshold).toMatchObject({ value: Math.max(scores[0]!, scores[2]!), examples: 3, nonFinite: 1 });
    const { anomalous, states } = await vae.detect(x);
    expect(anomalous).toEqual([false, true, false]);
    expect(states).toEqual(['scored', 'infinite', 'scored']);
    expect(await refusal('ERR_NONFINITE', () => vae.fitThreshold(x, { quantile: 0.9 }))).toMatch(
      /1 of 3 normal examples .* index 1/,
    );
    const path = join(folder, 'threshold.safetensors');
    await vae.save(path);
    using again = await VAE.load(path, { device: 'cpu' });
    expect(again.threshold).toEqual(threshold);
  });

  test('is invalid where it holds no number, and leaves the others alone', async () => {
    using vae = await VAE.create({ spec: { inputShape: [2], likelihood: 'gaussian' }, device: 'cpu' });
    const good = Float32Array.of(0, 1, 0.5, 0.5, 1, 0);
    await vae.fitThreshold(good, { quantile: 1 });
    const alone = await vae.score(good);
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      const x = Float32Array.of(0, 1, bad, 0.5, 1, 0);
      for (const given of [x, { data: x, shape: [3, 2] }]) {
        const { scores, anomalous, states } = await vae.detect(given);
        expect([...scores]).toEqual([alone[0], Number.NaN, alone[2]]);
        expect(anomalous).toEqual([false, true, false]);
        expect(states).toEqual(['scored', 'invalid', 'scored']);
      }
      // The caller's values stay.
      expect(x[2]).toBe(bad);
    }
  });
});

test('equal rows have equal scores, wherever they stand', async () => {
  const data = await loadDataset(file('equal.csv', ['a,b', ...Array(40).fill('3,4')]));
  using vae = await trained(data, 3);
  await vae.fitThreshold(data, { quantile: 0.9 });
  const { scores, anomalous } = await vae.detect(data);
  expect(new Set(scores).size).toBe(1);
  expect(new Set(anomalous)).toEqual(new Set([false]));
  const mixed = await loadDataset(file('mixed.csv', ['a,b', '9,1', ...Array(39).fill('3,4'), '0,0', '3,4']), {
    schema: vae.schema,
  });
  const found = await vae.score(mixed);
  expect([found[1], found[20], found[41]]).toEqual([scores[0], scores[0], scores[0]]);
  const last = await vae.score(mixed.subset([0]));
  expect(last[0]).toBe(found[0]);
});

describe('a row with values that the likelihood cannot give', () => {
  const good = Float32Array.of(0, 1, 0.25, 0.5, 1, 0);
  const spec = { inputShape: [2], encoder: { hidden: [4] }, latentSize: 1 };

  test.each(['bernoulli', 'continuous-bernoulli'] as const)(
    'is infinitely strange with %s',
    async (likelihood) => {
      using vae = await VAE.create({ spec: { ...spec, likelihood }, device: 'cpu' });
      await vae.fitThreshold(good, { quantile: 1 });
      const alone = await vae.score(good);
      const x = Float32Array.from(good);
      x[3] = 1.5;
      for (const given of [
        x,
        { data: x, shape: [3, 2] },
        Dataset.from([0, 1, 2].map((i) => [x[2 * i]!, x[2 * i + 1]!])),
      ]) {
        const { scores, anomalous, states } = await vae.detect(given);
        expect([...scores]).toEqual([alone[0], Infinity, alone[2]]);
        expect(anomalous).toEqual([false, true, false]);
        expect(states).toEqual(['scored', 'infinite', 'scored']);
      }
      // Alone as among others.
      expect([...(await vae.score(x.slice(2, 4)))]).toEqual([Infinity]);
      const stream = await StreamedDataset.from(() => [
        Dataset.from([
          [0, 1],
          [0.25, 1.5],
          [1, 0],
        ]),
      ]);
      expect([...(await vae.score(stream))]).toEqual([alone[0], Infinity, alone[2]]);
      // A question about all rows is refused as before.
      expect(await refusal('ERR_RANGE', () => vae.loss(x))).toContain('index 3');
    },
  );

  test('keeps the labels of its data set', async () => {
    using vae = await VAE.create({ spec: { ...spec, condition: { classes: 3 } }, device: 'cpu' });
    const labels = Int32Array.of(2, 1, 0);
    const data = new Dataset({ shape: [2], kind: 'real', data: Float32Array.of(0, 1, 7, 0.5, 1, 0), labels });
    const alone = await vae.score(good, { labels });
    expect([...(await vae.score(data))]).toEqual([alone[0], Infinity, alone[2]]);
  });
});

test('a line with tokens that are not in the vocabulary is flagged, and scored as unknown', async () => {
  const schema = { text: file('known.txt', ['abab', 'baba', 'aabb']) };
  const data = await loadDataset(schema.text);
  using vae = await VAE.create({
    spec: {
      inputShape: data.shape,
      encoder: { hidden: [8] },
      latentSize: 2,
      likelihood: { type: 'tokens', vocabulary: 4 },
    },
    device: 'cpu',
  });
  await vae.fit(data, { epochs: 1 });
  await vae.fitThreshold(data, { quantile: 1 });
  const odd = await loadDataset(file('odd.txt', ['abab', 'axby']), { schema: vae.schema });
  expect(odd.describe()).toContain('2 tokens are not in the vocabulary');
  const { scores, states, cells } = await vae.detect(odd);
  expect(states).toEqual(['scored', 'unseen']);
  expect([...cells!.unseen]).toEqual([0, 2]);
  expect(scores.every(Number.isFinite)).toBe(true);
  const path = file('long.txt', ['abab', 'babaabb']);
  expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path, { schema: vae.schema }))).toMatch(
    /line 2: expected at most 4 tokens .* give onLong: 'cut'/,
  );
  const long = await vae.detect(await loadDataset(path, { schema: vae.schema, onLong: 'cut' }));
  expect(long.scores).toEqual(
    await vae.score(await loadDataset(file('cut.txt', ['abab', 'baba']), { schema: vae.schema })),
  );
  expect([...long.states, ...long.cells!.unseen]).toEqual(['scored', 'unseen', 0, 3]);
});

describe('rows with cells that the model cannot know', () => {
  test('are flagged: unseen categories are anomalies, missing cells are counted', async () => {
    const data = await loadDataset(file('normal.csv', [header, ...readings(300)]));
    using vae = await trained(data);
    await vae.fitThreshold(data, { falseAlarmRate: 0.02 });
    const rows = readings(6);
    rows[1] = rows[1]!.replace(/\w+$/, 'stuck');
    rows[2] = ',,';
    rows[4] = rows[4]!.replace(/^[^,]+/, '');
    const path = file('gaps.csv', [header, ...rows]);
    const told = await refusal('ERR_DATA_FORMAT', () => loadDataset(path, { schema: vae.schema }));
    expect(told).toContain("onMissing: 'impute'");
    const odd = await loadDataset(path, { schema: vae.schema, onMissing: 'impute' });
    const found = await vae.detect(odd);
    expect(found.states).toEqual(['scored', 'unseen', 'imputed', 'scored', 'imputed', 'scored']);
    expect([...found.cells!.imputed]).toEqual([0, 0, 3, 0, 1, 0]);
    expect([...found.cells!.unseen]).toEqual([0, 1, 0, 0, 0, 0]);
    expect(found.scores[1]).toBe(Infinity);
    expect(found.anomalous[1]).toBe(true);
    // A stream of the same rows says the same.
    const records = rows.map((row) => {
      const [pressure, flow, pump] = row.split(',').map((cell) => (cell === '' ? null : cell));
      return { pressure: pressure && Number(pressure), flow: flow && Number(flow), pump };
    });
    const schema = vae.schema as Exclude<typeof vae.schema, undefined> & { type: 'table' };
    const stream = await StreamedDataset.from(() => records, { schema, onMissing: 'impute', window: 4 });
    expect(await vae.detect(stream)).toEqual(found);
  });

  test('a schema that imputes does so for unseen categories, too, without hiding them', async () => {
    const path = file('holes.csv', [header, ',30.1,on', ...readings(200)]);
    const data = await loadDataset(path, { onMissing: 'impute' });
    expect(data.cells!.imputed[0]).toBe(1);
    using vae = await trained(data, 5);
    await vae.fitThreshold(data, { quantile: 0.99 });
    const other = file('other.csv', [header, '20.1,29.9,broken']);
    const { states, anomalous } = await vae.detect(await loadDataset(other, { schema: vae.schema }));
    expect([states, anomalous]).toEqual([['unseen'], [true]]);
  });

  test('the held out part may have them', async () => {
    const path = file('rare.csv', [header, '20.1,29.9,rare', ...readings(50)]);
    for (let seed = 0; seed < 6; seed++) {
      const { train, validation } = await loadSplit(path, { validation: 0.5, seed });
      using vae = await trained(train, 1);
      await vae.fit(train, { epochs: 1, validation });
      const scores = await vae.score(validation);
      const unseen = validation.cells?.unseen.reduce((sum, count) => sum + count, 0) ?? 0;
      expect(scores.filter((score) => score === Infinity).length).toBe(unseen);
    }
  });
});

describe("data of another schema than the model's", () => {
  test('are refused wherever they are given, with the way out', async () => {
    const data = await loadDataset(file('normal.csv', [header, ...readings(100)]));
    using vae = await trained(data, 2);
    await vae.fitThreshold(data, { quantile: 0.9 });
    const path = file('hotter.csv', [header, ...readings(100, 40)]);
    const hotter = await loadDataset(path);
    for (const ask of [
      () => vae.detect(hotter),
      () => vae.score(hotter),
      () => vae.fitThreshold(hotter, { quantile: 0.9 }),
      () => vae.encode(hotter),
      () => vae.reconstruct(hotter),
      () => vae.loss(hotter),
      () => vae.lossesPerExample(hotter),
      () => vae.negativeLogLikelihood(hotter, { samples: 2 }),
      () => vae.latentHealth(hotter),
      () => vae.evaluate(hotter),
      () => vae.evaluate(data, { reference: hotter, samples: 10 }),
      () => vae.fit(hotter, { epochs: 1 }),
      () => vae.fit(data, { epochs: 1, validation: hotter }),
      () => vae.fitMixture(hotter),
    ]) {
      const told = await refusal('ERR_STATE', ask);
      expect(told).toMatch(/column "pressure" has mean \d+.* loadDataset\(path, \{ schema: vae\.schema \}\)/);
    }
    const { anomalous } = await vae.detect(await loadDataset(path, { schema: vae.schema }));
    expect(anomalous).toEqual(Array(100).fill(true));
  });

  test('other columns, categories or vocabularies are named', async () => {
    const data = await loadDataset(file('normal.csv', [header, ...readings(60)]));
    using vae = await trained(data, 1);
    const swapped = readings(60).map((row) => row.split(',').reverse().join(','));
    const backwards = await loadDataset(file('back.csv', ['pump,flow,pressure', ...swapped]));
    expect(await refusal('ERR_STATE', () => vae.score(backwards))).toContain(
      'columns pump, flow, pressure instead of pressure, flow, pump',
    );
    const lines = readings(60).map((row) => row.replace('off', 'idle'));
    const renamed = await loadDataset(file('idle.csv', [header, ...lines]));
    expect(await refusal('ERR_STATE', () => vae.score(renamed))).toContain(
      'the categories idle, on instead of the categories off, on',
    );
    // The same rows, loaded anew, have an equal schema; bare values have none.
    await vae.score(await loadDataset(file('again.csv', [header, ...readings(60)])));
    await vae.score(Dataset.from([[0, 0, 1, 0]]));
  });
});

test('a stream is scored and encoded whole, as in memory', async () => {
  const values = Float32Array.from({ length: 10_000 }, (_, i) => Math.sin(i * 12.9898));
  const path = join(folder, 'values.npy');
  writeFileSync(path, npy('<f4', [5000, 2], new Uint8Array(values.buffer)));
  const data = await loadDataset(path);
  const stream = await streamDataset(path, { window: 700 });
  using vae = await VAE.create({ spec: { inputShape: [2], likelihood: 'gaussian' }, device: 'cpu' });
  const scores = await vae.score(stream, { draws: 2 });
  const whole = await vae.score(data, { draws: 2 });
  expect(scores.length).toBe(5000);
  for (let i = 0; i < 5000; i += 7) expect(scores[i]).toBeCloseTo(whole[i]!, 3);
  const { mean } = await vae.encode(stream);
  expect(mean.shape).toEqual((await vae.encode(data)).mean.shape);
  const set = await vae.fitThreshold(stream, { falseAlarmRate: 0.1, draws: 2 });
  expect(set.examples).toBe(5000);
  const { anomalous } = await vae.detect(stream);
  expect(anomalous.filter(Boolean).length).toBe(499);
  const told = await refusal('ERR_SHAPE', () => vae.score(stream, { labels: [1] }));
  expect(told).toContain('5000 labels');
});

describe('training that ends in numbers that are not finite names the value that is farthest out', () => {
  test.each([
    [
      'of a table, with its column',
      'loadDataset',
      /example 11 of odd\.csv has 4e\+37 in column "flow", 17\.3 standard dev/,
    ],
    ['of plain values, with its place', 'from', /example 3 of data has 1e\+30 in place 1$/],
  ])('%s', async (_, how, told) => {
    const rows = readings(300);
    rows[11] = '20,4e37,on';
    const plain = Array.from({ length: 200 }, (__, i) => [
      i === 3 ? 0 : Math.sin(i),
      i === 3 ? 1e30 : Math.cos(i),
    ]);
    const data = how === 'from' ? Dataset.from(plain) : await loadDataset(file('odd.csv', [header, ...rows]));
    using vae = await VAE.create({
      spec: { inputShape: data.shape, encoder: { hidden: [16] }, latentSize: 2, likelihood: 'gaussian' },
      device: 'cpu',
    });
    const options = { epochs: 30, learningRate: 1e3, optimizer: { type: 'sgd' } } as const;
    expect(await refusal('ERR_NONFINITE', () => vae.fit(data, options))).toMatch(told);
  });

  test('of the validation set', async () => {
    const train = Dataset.from(Array.from({ length: 50 }, (_, i) => [Math.sin(i), Math.cos(i)]));
    const validation = Dataset.from([
      [0, 1],
      [2e25, 0],
      [1, 0],
    ]);
    using vae = await VAE.create({ spec: { inputShape: [2], likelihood: 'gaussian' }, device: 'cpu' });
    expect(await refusal('ERR_NONFINITE', () => vae.fit(train, { epochs: 1, validation }))).toMatch(
      /mean loss over data .* example 1 of data has 2e\+25 in place 0$/,
    );
  });
});
