/** Tables that are read anew in every epoch, of one file or of a folder of files: the same rows as in memory. */
import { appendFileSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../lib/data/random.ts';
import {
  Dataset,
  loadDataset,
  StreamedDataset,
  streamDataset,
  streamSplit,
  type TableSchema,
  VAE,
} from '../lib/index.ts';
import { refusal } from './refusal.ts';
import { packageFolder } from './support/command.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-tables-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
const at = (...names: string[]) => join(folder, ...names);

const random = new Random(11);
const rows = Array.from({ length: 5000 }, (_, i) => ({
  time: new Date(Date.UTC(2026, 0, 1, i)).toISOString(),
  load: Math.round(1000 * random.normal()) / 100,
  city: ['Oslo', 'Rome', 'Bonn'][random.below(3)]!,
  rain: random.uniform() < 0.5 ? 0 : Math.round(100 * random.uniform()) / 10,
  kind: random.below(2) === 0 ? 'a' : 'b',
}));
const columns = Object.keys(rows[0]!) as (keyof (typeof rows)[number])[];
const csv = (from: number, to: number) =>
  [columns.join(), ...rows.slice(from, to).map((row) => columns.map((column) => row[column]).join())].join(
    '\n',
  );
const json = (from: number, to: number) =>
  rows
    .slice(from, to)
    .map((row) => JSON.stringify(row))
    .join('\n');
/** The numbers with a decimal comma, beside the row's number, and some cells missing. */
const european = [
  `;${columns.join(';')}`,
  ...rows.map(
    (row, i) =>
      `${i};${columns.map((key) => (i % 97 === 5 && key === 'load' ? 'n/a' : String(row[key]).replace(/^(-?\d+)\.(\d+)$/, '$1,$2'))).join(';')}`,
  ),
].join('\r\n');
const lists = rows.map(({ load, city }, i) =>
  JSON.stringify({ emb: i === 0 ? [] : [load, i], ...(i > 3000 && { late: i }), city: i % 5 ? city : null }),
);

const json1 = ({ schema }: { schema: unknown }) => (schema as TableSchema).toJSON();

describe('a table of text, streamed', () => {
  test.each<[string, string | Uint8Array, object]>([
    ['x.csv', csv(0, 5000), { labelColumn: 'kind' }],
    ['x.csv.gz', gzipSync(csv(0, 5000)), {}],
    ['european.csv', european, { onMissing: 'impute' }],
    ['x.jsonl', json(0, 5000), { columns: { rain: 'ignore' } }],
    ['lists.ndjson', lists.join('\n'), { onMissing: 'impute' }],
    ['spaced.txt', rows.map(({ load, rain }) => `${load}   ${rain}`).join('\n'), { standardize: false }],
  ])('%s has the schema and the rows of one in memory', async (name, content, options) => {
    writeFileSync(at(name), content);
    const data = await loadDataset(at(name), options);
    const stream = await streamDataset(at(name), options);
    expect(json1(stream)).toEqual(json1(data));
    expect(stream).toMatchObject({
      length: data.length,
      kind: data.kind,
      hasLabels: data.labels !== undefined,
    });
    const head = await stream.head(data.length);
    expect(head.data).toEqual(data.data);
    expect(head.labels).toEqual(data.labels);
    expect(head.cells).toEqual(data.cells);
    // By the schema alone, too.
    const { schema } = data;
    const again = await streamDataset(at(name), {
      schema: schema as TableSchema,
      ...('onMissing' in options && { onMissing: 'impute' }),
    });
    expect((await again.head(data.length)).data).toEqual(data.data);
  });

  test('has the notes of one in memory, of what holds of all rows', async () => {
    const odd = rows.map((row, i) => `${i},1,${row.load},${i < 4096 ? 'x' : 'y'},${row.kind}`);
    writeFileSync(at('odd.csv'), [',same,load,half,label', ...odd].join('\n'));
    const { notes } = await loadDataset(at('odd.csv'));
    expect(notes).toHaveLength(3);
    expect([...(await streamDataset(at('odd.csv'))).notes].sort()).toEqual([...notes].sort());
    const records = () =>
      rows.map(({ load }, i) => ({ day: 20260100 + (i % 31) + 1, load, half: i < 2048 ? 1 : 2 }));
    expect((await StreamedDataset.from(records)).notes).toEqual((await Dataset.fromRecords(records())).notes);
  });

  test('notes cells that are imputed, unseen or cannot be read as in memory', async () => {
    const text = (odd: string) => `load,kind\n${'1.5,a\n2.5,b\n'.repeat(20)},a\n3.5,\n${odd}`;
    writeFileSync(at('missing.csv'), text(''));
    writeFileSync(at('odd.csv'), text('abc,a\n1,c\n2,d\n5%,b\n'));
    const whole = await loadDataset(at('missing.csv'), { onMissing: 'impute' });
    expect(whole.notes).toEqual(['2 missing cells were imputed']);
    expect((await streamDataset(at('missing.csv'), { onMissing: 'impute' })).notes).toEqual(whole.notes);
    const { schema } = whole;
    const odd = await loadDataset(at('odd.csv'), { schema });
    expect(odd.notes).toHaveLength(3);
    expect((await streamDataset(at('odd.csv'), { schema })).notes).toEqual(odd.notes);
  });

  test('trains, scores and makes windows', async () => {
    const stream = await streamDataset(at('x.csv'), { window: 1024 });
    const whole = await loadDataset(at('x.csv'));
    using vae = await VAE.create({
      spec: { inputShape: stream.shape, encoder: { hidden: [8] }, latentSize: 2, likelihood: 'gaussian' },
      seed: 1,
      device: 'cpu',
    });
    await vae.fit(stream, { epochs: 1 });
    expect(await vae.score(stream)).toEqual(await vae.score(whole));
    const [windows, inMemory] = [
      await streamDataset(at('x.csv'), { windowLength: 6, stride: 4 }),
      await loadDataset(at('x.csv'), { windowLength: 6, stride: 4 }),
    ];
    expect((await windows.head(inMemory.length)).data).toEqual(inMemory.data);
  });

  test.each([false, true])(
    'scores rows of other labels as in memory; conditioned on labels: %s',
    async (isConditioned) => {
      const labeled = ['load,kind', ...rows.slice(0, 600).map(({ load, kind }) => `${load},${kind}`)];
      writeFileSync(at('labeled.csv'), labeled.join('\n'));
      const other = labeled
        .slice(0, 200)
        .map((line, i) => (i % 9 === 4 ? line.replace(/.$/, i % 2 ? 'strange' : '') : line));
      writeFileSync(at('other.csv'), other.join('\n'));
      const train = await loadDataset(at('labeled.csv'), { labelColumn: 'kind' });
      const condition = isConditioned ? { condition: { classes: 2 } } : {};
      const spec = {
        inputShape: train.shape,
        encoder: { hidden: [4] },
        latentSize: 1,
        likelihood: 'gaussian',
        ...condition,
      } as const;
      using vae = await VAE.create({ spec, seed: 1, device: 'cpu' });
      const schema = train.schema as TableSchema;
      const [whole, stream] = [
        await loadDataset(at('other.csv'), { schema }),
        await streamDataset(at('other.csv'), { schema }),
      ];
      expect(whole.classes).toEqual(['a', 'b', '(none)', 'strange']);
      expect(stream.classes).toEqual(whole.classes);
      const some = await stream.head(whole.length);
      expect(some.classes).toEqual(whole.classes);
      expect(some.labels).toEqual(whole.labels);
      const last = await vae.fit(train, { epochs: 1, validation: whole.subset([0, 1, 2]) });
      expect(last.epoch).toBe(1);
      await vae.fitThreshold(train, { falseAlarmRate: 0.05 });
      const detected = await vae.detect(whole);
      expect(new Set(detected.states)).toEqual(new Set(isConditioned ? ['scored', 'unseen'] : ['scored']));
      expect(await vae.detect(stream)).toEqual(detected);
      expect(await vae.loss(stream)).toEqual(await vae.loss(whole));
      expect((await vae.encode(stream)).mean).toEqual((await vae.encode(whole)).mean);
      await vae.fit(train, { epochs: 1, validation: stream });
    },
  );

  test.each(['csv', 'jsonl', 'parquet'])(
    'has the labels that are asked for of rows whose schema has none: .%s',
    async (extension) => {
      const path =
        extension === 'parquet'
          ? join(packageFolder, 'test/fixtures/rows.parquet')
          : at(`of-labels.${extension}`);
      if (extension === 'csv') writeFileSync(path, 'load,kind\n1.5,b\n2.5,a\n0.5,\n1,b\n');
      if (extension === 'jsonl')
        writeFileSync(path, '{"load":1.5,"kind":"b"}\n{"load":2.5,"kind":"a"}\n{"load":1,"kind":"b"}\n');
      const labelColumn = 'kind';
      const options = { columns: { [labelColumn]: 'ignore' }, onMissing: 'impute' } as const;
      const { schema } = await loadDataset(path, options);
      const whole = await loadDataset(path, { schema, labelColumn });
      const stream = await streamDataset(path, { schema, labelColumn });
      const read = await stream.head(whole.length);
      expect([stream.classes, read.labels, read.data]).toEqual([whole.classes, whole.labels, whole.data]);
      expect(stream.schema).toEqual(whole.schema);
      expect(
        await refusal('ERR_RANGE', () => streamDataset(path, { schema, labelColumn: 'nothing' })),
      ).toMatch(/nothing/);
    },
  );

  test('of records has the labels that are asked for', async () => {
    const records = [
      { load: 1.5, kind: 'b' },
      { load: 2, kind: 'a' },
    ];
    const schema = (await Dataset.fromRecords(records, { columns: { kind: 'ignore' } }))
      .schema as TableSchema;
    const whole = await Dataset.fromRecords(records, { schema, labelColumn: 'kind' });
    expect([whole.classes, [...whole.labels!]]).toEqual([
      ['a', 'b'],
      [1, 0],
    ]);
    const stream = await StreamedDataset.from(() => records, { schema, labelColumn: 'kind' });
    const read = await stream.head(2);
    expect([stream.classes, read.labels, read.data]).toEqual([whole.classes, whole.labels, whole.data]);
    for (const labelColumn of ['load', 'nothing'])
      await refusal('ERR_RANGE', () => Dataset.fromRecords(records, { schema, labelColumn }));
  });

  test('gives some from all over', async () => {
    const some = await (await streamDataset(at('x.csv'))).spread(50);
    const times = (some.schema as TableSchema)
      .decode(some.data as Float32Array, { bounded: false })
      .map(({ time }) => Date.parse(String(time)));
    expect(times).toHaveLength(50);
    const hours = times.map((time) => (time - Date.UTC(2026, 0, 1)) / 3_600_000);
    for (const quarter of [0, 1, 2, 3]) {
      const share = hours.filter((hour) => Math.floor(hour / 1250) === quarter).length / 50;
      expect(share).toBeGreaterThan(0.1);
    }
  });

  test('names the row of a bad cell, whatever piece it lies in', async () => {
    writeFileSync(
      at('bad.csv'),
      csv(0, 5000).replace(/^(.*\n){4990}/, (before) => `${before}2026-01-01,x,Oslo,0,a\n`),
    );
    const message = await refusal('ERR_DATA_FORMAT', () => streamDataset(at('bad.csv')));
    expect(message).toBe(await refusal('ERR_DATA_FORMAT', () => loadDataset(at('bad.csv'))));
    expect(message).toMatch(/row 4990, column "load"/);
  });

  test('ends with an error where the file changes, and with an abort', async () => {
    writeFileSync(at('changing.csv'), csv(0, 3000));
    const stream = await streamDataset(at('changing.csv'));
    appendFileSync(at('changing.csv'), `\n${rows.length}`);
    expect(await refusal('ERR_DATA_FORMAT', () => stream.head(10))).toMatch(
      /as it was when it was first read/,
    );
    const signal = AbortSignal.abort();
    await refusal('ERR_ABORTED', () => streamDataset(at('x.csv'), { signal }));
  });
});

/** The first number of each example of an epoch. */
async function epochOf(data: StreamedDataset, epoch: number, first = 0): Promise<number[]> {
  const { signal } = new AbortController();
  const reading = await data.open({ seed: 3, epoch, shuffle: true, first, signal });
  const block = await reading.read(data.length - first);
  await reading.close();
  return Array.from({ length: data.length - first }, (_, i) => block.data[i * data.size]!);
}

describe('a folder of tables, streamed', () => {
  test.each([
    ['csv', csv],
    ['jsonl', json],
  ])('has the rows of all files (%s), the files in another order in every epoch', async (extension, text) => {
    const path = at(`parts-${extension}`);
    mkdirSync(path);
    for (const [i, start] of [0, 1000, 1400, 3000].entries())
      writeFileSync(join(path, `part-${i + 8}.${extension}`), text(start, [1000, 1400, 3000, 5000][i]!));
    writeFileSync(join(path, 'README.md'), 'A table.');
    const data = await loadDataset(path);
    const stream = await streamDataset(path);
    expect(json1(stream)).toEqual(json1(data));
    expect((await stream.head(5000)).data).toEqual(data.data);
    const [one, two] = [await epochOf(stream, 0), await epochOf(stream, 1)];
    expect(one).not.toEqual(two);
    expect([...one].sort()).toEqual([...two].sort());
    expect(await epochOf(stream, 1, 2345)).toEqual(two.slice(2345));
    const { train, validation } = await streamSplit(path, { validation: 0.1 });
    expect([...(await epochOf(train, 0)), ...(await epochOf(validation, 0))].length).toBe(5000);
    expect(await epochOf(train, 1, 1111)).toEqual((await epochOf(train, 1)).slice(1111));
  });

  test('has splits by the names of its files', async () => {
    const path = at('named');
    mkdirSync(path);
    writeFileSync(join(path, 'train-0.csv'), csv(0, 300));
    writeFileSync(join(path, 'test-0.csv'), csv(300, 340));
    expect([
      (await streamDataset(path)).length,
      (await streamDataset(path, { split: 'test' })).length,
    ]).toEqual([300, 40]);
  });

  test('of Parquet files of rows, and of images', async () => {
    const group = { onMissing: 'impute' } as const;
    for (const [name, fixture, options] of [
      ['row-files', 'rows.parquet', group],
      ['image-files', 'images.parquet', {}],
    ] as const) {
      const path = at(name);
      mkdirSync(path);
      for (let i = 0; i < 3; i++)
        copyFileSync(
          join(packageFolder, 'test/fixtures', fixture),
          join(path, `train-0000${i}-of-00003.parquet`),
        );
      const data = await loadDataset(path, options);
      const stream = await streamDataset(path, { ...options, window: 4 });
      expect(stream).toMatchObject({ length: data.length, kind: data.kind, shape: data.shape });
      expect(stream.classes).toEqual(data.classes);
      const head = await stream.head(data.length);
      expect(head.data).toEqual(data.data);
      expect(head.labels).toEqual(data.labels);
      if (data.schema) expect(json1(stream)).toEqual(json1(data));
      const two = await epochOf(stream, 1);
      expect(await epochOf(stream, 1, 5)).toEqual(two.slice(5));
      expect(two.length).toBe(data.length);
      const split = { validation: 0.4, seed: 1 };
      const { train, validation } = await streamSplit(path, split, options);
      expect(train.length + validation.length).toBe(data.length);
    }
  });

  test('refuses files with other columns, or of rows beside images', async () => {
    const path = at('other');
    mkdirSync(path);
    writeFileSync(join(path, 'a.csv'), 'x,y\n1,2\n2,5\n');
    writeFileSync(join(path, 'b.csv'), 'x,z\n1,2\n');
    expect(await refusal('ERR_DATA_FORMAT', () => streamDataset(path))).toBe(
      await refusal('ERR_DATA_FORMAT', () => loadDataset(path)),
    );
    const mixed = at('mixed');
    mkdirSync(mixed);
    for (const name of ['rows', 'images'])
      copyFileSync(join(packageFolder, `test/fixtures/${name}.parquet`), join(mixed, `${name}.parquet`));
    expect(await refusal('ERR_DATA_FORMAT', () => streamDataset(mixed))).toMatch(
      /rows or images in all of its files/,
    );
    const different = at('different');
    mkdirSync(different);
    for (const name of ['rows', 'table-plain'])
      copyFileSync(join(packageFolder, `test/fixtures/${name}.parquet`), join(different, `${name}.parquet`));
    expect(await refusal('ERR_DATA_FORMAT', () => streamDataset(different))).toMatch(
      /expected the columns of .*rows\.parquet/,
    );
  });
});
