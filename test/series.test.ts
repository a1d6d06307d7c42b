/** Series: windows of consecutive examples, and splits in their order. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Dataset, loadDataset, loadSplit, StreamedDataset, type TableSchema, VAE } from '../lib/index.ts';

const series = Dataset.from(
  Array.from({ length: 10 }, (_, i) => [i, 10 * i]),
  { labels: Array.from({ length: 10 }, (_, i) => i % 3) },
);
const firsts = ({ data }: Dataset) => [...data].filter((_, i) => i % 2 === 0);

test('windows over rows whose time does not go on evenly come with a note', async () => {
  const hours = (skip: readonly number[], order = (i: number) => i) =>
    Array.from({ length: 60 }, (_, i) => order(i))
      .filter((i) => !skip.includes(i))
      .map((i) => `${new Date(Date.UTC(2026, 0, 1, i)).toISOString()},${i % 5}`);
  const folder = mkdtempSync(join(tmpdir(), 'torchvae-gaps-'));
  const notes = async (rows: readonly string[]) => {
    const path = join(folder, 'gaps.csv');
    writeFileSync(path, `at,v\n${rows.join('\n')}\n`);
    const data = await loadDataset(path, { windowLength: 6 });
    const { notes, schema } = await loadDataset(path, { windowLength: 6, schema: data.schema });
    expect(schema).toBe(data.schema);
    return { all: data.notes, again: notes };
  };
  const rising =
    'column at rises from row to row: windows of later rows are unlikely for their dates alone; ignore it if such are to be scored';
  expect(await notes(hours([]))).toEqual({ all: [rising], again: [] });
  const gaps = 'column at has 2 gaps: windows go across';
  expect(await notes(hours([20, 21, 40]))).toEqual({ all: [rising, gaps], again: [gaps] });
  expect((await notes(hours([], (i) => (i === 30 ? 10 : i)))).all.join()).toMatch(
    /^column at goes back once.*sort them/,
  );
  // Two sensors, row by row.
  expect((await notes(hours([], (i) => i >> 1))).again.join()).toMatch(
    /column at stands still 30 times.*a column each/,
  );
  rmSync(folder, { recursive: true });
});

test('rows whose dates lie beyond those of the training rows come with a note, also as a stream', async () => {
  const days = (first: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({
      at: new Date(Date.UTC(2026, 0, first + i)).toISOString().slice(0, 10),
      v: i % 5,
    }));
  const { schema, notes } = await Dataset.fromRecords(days(1, 60));
  expect(notes).toEqual([]);
  const given = { schema: schema as TableSchema };
  const said = [
    expect.stringMatching(
      /^column at: 30 of 40 dates lie beyond .* \(2026-01-01 to 2026-03-01\), .* "at": 'ignore'/,
    ),
  ];
  expect((await Dataset.fromRecords(days(51, 40), given)).notes).toEqual(said);
  expect((await StreamedDataset.from(() => days(51, 40), given)).notes).toEqual(said);
  expect((await Dataset.fromRecords(days(2, 60), given)).notes).toEqual([]);
});

test('numbers beyond those of the training rows come with a note: another unit, or the first other value of a column', async () => {
  const rows = (celsius: (i: number) => number, valve: (i: number) => number) =>
    Array.from({ length: 60 }, (_, i) => ({ celsius: celsius(i), valve: valve(i), rain: i % 3 ? 0 : i + 1 }));
  const { schema } = await Dataset.fromRecords(
    rows(
      (i) => 20 + (i % 7),
      () => 0.1,
    ),
  );
  const notes = async (more: object[]) => {
    const given = { schema: schema as TableSchema };
    const { notes } = await Dataset.fromRecords(more, given);
    expect((await StreamedDataset.from(() => more, given)).notes).toEqual(notes);
    return notes;
  };
  const shut = () => 0.1;
  expect(await notes(rows((i) => 68 + 1.8 * (i % 7), shut))).toEqual([
    'column celsius: 60 of 60 numbers lie beyond those of the training rows (20 to 26); look whether it has another unit, or goes on rising',
  ]);
  // What a detector is to find is no mistake of the column, nor are few rows.
  expect(await notes(rows((i) => (i % 4 ? 21 : 90), shut))).toEqual([]);
  expect(await notes(rows((i) => 90 + i, shut).slice(0, 5))).toEqual([]);
  const open = await notes(
    rows(
      (i) => 20 + (i % 7),
      (i) => (i === 7 ? 1 : Math.fround(0.1)),
    ),
  );
  expect(open).toEqual([
    expect.stringMatching(/^column valve: 1 of 60 numbers are other than 0\.1, the only one .* how unusual/),
  ]);
});

test('a column that no row has is named where it is filled in, as of records that call it otherwise', async () => {
  const rows = (count: number, name: string) =>
    Array.from({ length: count }, (_, i) => ({ [name]: 20 + (i % 7), kind: 'ab'[i % 2], load: i % 5 }));
  const { schema } = await Dataset.fromRecords(rows(60, 'temp'));
  const given = { schema: schema as TableSchema, onMissing: 'impute' } as const;
  const said = [
    'column temp has no value in any of the 30 rows, and is filled in; look whether it has another name there',
    '30 missing cells were imputed',
  ];
  const renamed = rows(30, 'temperature');
  expect((await Dataset.fromRecords(renamed, given)).notes).toEqual(said);
  expect((await StreamedDataset.from(() => renamed, given)).notes).toEqual(said);
  // Few rows may lack it by chance, and of many one that has it knows its name.
  expect((await Dataset.fromRecords(renamed.slice(0, 3), given)).notes).toEqual(
    said.slice(1).map((note) => note.replace('30', '3')),
  );
  const one = [...renamed, ...rows(1, 'temp')];
  expect((await Dataset.fromRecords(one, given)).notes).toEqual(said.slice(1));
});

test('windows are consecutive examples, with the label of the last', () => {
  const windows = series.windows({ length: 3 });
  expect([windows.shape, windows.length, [...windows.labels!]]).toEqual([
    [3, 2],
    8,
    [2, 0, 1, 2, 0, 1, 2, 0],
  ]);
  expect([...windows.data.subarray(6, 12)]).toEqual([1, 10, 2, 20, 3, 30]);
  const apart = series.windows({ length: 4, stride: 3 });
  expect([apart.length, apart.data[8], apart.data[16]]).toEqual([3, 3, 6]);
  expect(series.windows({ length: 10 }).length).toBe(1);
  expect(() => series.windows({ length: 11 })).toThrow(/from 1 to 10/);
  expect(() => series.windows({ length: 2, stride: 0 })).toThrow(/stride/);
});

describe.each([1, 2, 3, 5])('windows of a stream, stride %i', (stride) => {
  const blocks = () => [series.take(4), series.subset([4]), series.subset([5, 6, 7, 8, 9])];
  const wanted = series.windows({ length: 3, stride });

  test('are those of the data in memory, wherever a pass begins and however much is read at a time', async () => {
    const stream = (await StreamedDataset.from(blocks)).windows({ length: 3, stride });
    expect([stream.shape, stream.length]).toEqual([wanted.shape, wanted.length]);
    for (let first = 0; first < wanted.length; first++) {
      for (const together of [1, 2, wanted.length - first]) {
        const { signal } = new AbortController();
        const reading = await stream.open({ seed: 0, epoch: 0, shuffle: true, first, signal });
        for (let at = first; at < wanted.length; at += together) {
          const count = Math.min(together, wanted.length - at);
          const { data, labels } = await reading.read(count);
          const same = wanted.subset(Array.from({ length: count }, (_, i) => at + i));
          expect([data, labels]).toEqual([same.data, same.labels]);
        }
        await reading.close();
      }
    }
  });

  test('are trained on to the same bits', async () => {
    const stream = (await StreamedDataset.from(blocks, { window: 4 })).windows({ length: 3, stride });
    const weights = [];
    for (const data of [stream, wanted]) {
      const spec = { inputShape: wanted.shape, encoder: { hidden: [4] }, latentSize: 1 } as const;
      using vae = await VAE.create({
        spec: { ...spec, likelihood: 'gaussian' },
        seed: 1,
        device: 'cpu',
      });
      await vae.fit(data, { epochs: 2, batchSize: 2, shuffle: false });
      weights.push(await vae.parameters());
    }
    expect(weights[0]).toEqual(weights[1]);
  });
});

test('windows of a stream count the cells of their rows, and keep how values became 0 and 1', async () => {
  const records = [{ a: 1 }, { a: null }, { a: 3 }, { a: null }];
  const stream = await StreamedDataset.from(() => records, { onMissing: 'impute' });
  const inMemory = (await Dataset.fromRecords(records, { onMissing: 'impute' })).windows({ length: 3 });
  const windows = stream.windows({ length: 3 });
  expect((await windows.head(2)).cells).toEqual(inMemory.cells);
  expect(() => stream.windows({ length: 5 })).toThrow(/from 1 to 4/);
  const pixels = Dataset.from([[0.2], [0.7], [0.9]]);
  const binary = (await StreamedDataset.from(() => [pixels])).binarize({ mode: 'threshold' });
  expect([...(await binary.windows({ length: 2 }).head(2)).data]).toEqual([0, 255, 255, 255]);
});

test('a chronological split keeps the order, and does not go with a stratified one', () => {
  const { train, validation } = series.split({ validation: 0.3, chronological: true });
  expect(firsts(train)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(firsts(validation)).toEqual([7, 8, 9]);
  const both = { validation: 0.3, chronological: true, stratified: true };
  expect(() => series.split(both)).toThrow(/stratified or chronological/);
  expect(() => series.split({ validation: 0.3, chronological: 1 as never })).toThrow(/chronological/);
});

test('a table is divided and then cut into windows, whose schema is that of the rows', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'torchvae-series-'));
  const path = join(folder, 'series.csv');
  const lines = Array.from({ length: 40 }, (_, i) => `${i},${i % 2 ? 'x' : 'y'}`);
  writeFileSync(path, `a,b\n${lines.join('\n')}\n`);
  try {
    const options = { windowLength: 5, stride: 2 };
    const { train, validation } = await loadSplit(path, { validation: 0.25, chronological: true }, options);
    expect([train.shape, train.length, validation.length]).toEqual([[5, 3], 13, 3]);
    const { schema } = validation as { schema: TableSchema };
    const rows = schema.decode(validation.data as Float32Array, { bounded: false });
    expect(rows.slice(4, 7).map(({ a }) => a)).toEqual([34, 32, 33]);
    const later = await loadDataset(path, { schema, windowLength: 40 });
    expect([later.length, later.shape]).toEqual([1, [40, 3]]);
    await expect(loadDataset(path, { stride: 2 })).rejects.toThrow(/stride is for windowLength/);
    await expect(loadDataset(path, { windowLength: 41 })).rejects.toThrow(/at most 40 for windowLength/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('rows that make up windows are divided in their order, or not at all', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'torchvae-ordered-'));
  const path = join(folder, 'ordered.csv');
  writeFileSync(path, `v\n${Array.from({ length: 60 }, (_, i) => i).join('\n')}\n`);
  const windows = { windowLength: 5 };
  const { train, validation } = await loadSplit(path, { validation: 0.3, seed: 4 }, windows);
  const schema = train.schema as TableSchema;
  const first = schema.decode(validation.data as Float32Array, { bounded: false }).map(({ v }) => v);
  expect(first.slice(0, 5)).toEqual([42, 43, 44, 45, 46]);
  expect(train.length).toBe(38);
  for (const division of [{ chronological: false }, { stratified: true }])
    await expect(loadSplit(path, { validation: 0.3, ...division }, windows)).rejects.toThrow(
      /divided in their order; leave (chronological: false|stratified) out/,
    );
  await expect(loadSplit(path, { validation: 0.05 }, windows)).rejects.toThrow(/at most 3 for windowLength/);
  rmSync(folder, { recursive: true });
});
