/** Tables (CSV, Parquet, records) become examples and rows again. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  Dataset,
  loadDataset,
  loadSplit,
  mnist,
  StreamedDataset,
  schemaFromJson,
  streamDataset,
  TableSchema,
} from '../lib/data/index.ts';
import { refusal } from './refusal.ts';
import { packageFolder } from './support/command.ts';
import { fuzz } from './support/fuzz.ts';
import { npy } from './support/npy.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-tables-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const PEOPLE = `age,city,zip,kind
20,Rome,00184,a
40,"Paris, France",75001,b
60,Rome,00184,a
40,Oslo,0150,b
`;

const schemaOf = (data: Dataset) => data.schema as TableSchema;
const round = (rows: Record<string, number | string>[]) =>
  rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([key, value]) => [
        key,
        typeof value === 'number' ? Math.round(value * 1e4) / 1e4 : value,
      ]),
    ),
  );

const images = () => readFileSync(join(packageFolder, 'test/fixtures/images.parquet'));
const vectors = (kind: string) => readFileSync(join(packageFolder, `test/fixtures/vectors${kind}.parquet`));

describe('CSV', () => {
  test('numbers are standardized, words become one-hot groups, a column becomes the labels', async () => {
    const data = await loadDataset(file('people.csv', PEOPLE), { labelColumn: 'kind' });
    expect(data.describe()).toBe('people.csv: 4 examples of 7, real, float32, 2 classes');
    // (age - 40) / sqrt(200); Oslo, Paris, Rome; 0150, 00184, 75001 by their size, as names for their leading zeros
    const a = Math.fround(20 / Math.sqrt(200));
    expect([...data.data.subarray(0, 7)]).toEqual([-a, 0, 0, 1, 0, 1, 0]);
    expect([...data.data.subarray(7, 14)]).toEqual([0, 0, 1, 0, 0, 0, 1]);
    expect([data.classes, [...data.labels!]]).toEqual([
      ['a', 'b'],
      [0, 1, 0, 1],
    ]);
  });

  test('examples become rows again, also by a schema that was kept as JSON', async () => {
    const data = await loadDataset(file('people.csv', PEOPLE), { labelColumn: 'kind' });
    const kept = schemaFromJson(JSON.parse(JSON.stringify(data.schema))) as TableSchema;
    expect(kept.toJSON()).toEqual(schemaOf(data).toJSON());
    expect(round(kept.decode(data.data as Float32Array))[1]).toEqual({
      age: 40,
      city: 'Paris, France',
      zip: '75001',
    });
    const guess = Float32Array.of(1, 0.2, 0.5, 0.3, 0.1, 0, 0.05);
    expect(round(kept.decode(guess))).toEqual([{ age: 54, city: 'Paris, France', zip: '0150' }]);
    const incomplete = file('new.csv', 'city,age,note\nOslo,33,x\n');
    expect(await refusal('ERR_RANGE', () => loadDataset(incomplete, { schema: kept }))).toMatch(
      /new\.csv: expected the columns of the training data but "zip" is not among city, age, note/,
    );
    const whole = await loadDataset(file('new.csv', 'zip,city,age,note\n00184,Oslo,33,x\n'), {
      schema: kept,
    });
    expect([whole.labels, round(kept.decode(whole.data as Float32Array))]).toEqual([
      undefined,
      [{ age: 33, city: 'Oslo', zip: '00184' }],
    ]);
  });

  test('what is learned is learned from the training part alone', async () => {
    const rows = Array.from({ length: 200 }, (_, i) => `${i},${i % 4 ? 'x' : 'y'}`);
    const path = file('split.csv', `value,group\n${rows.join('\n')}\n`);
    const { train, validation } = await loadSplit(path, { validation: 0.25, seed: 3 });
    expect([train.length, validation.length]).toEqual([150, 50]);
    const column = (data: Dataset) => Array.from({ length: data.length }, (_, i) => data.data[3 * i]!);
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(column(train))).toBeCloseTo(0, 5);
    expect(mean(column(train).map((value) => value ** 2))).toBeCloseTo(1, 5);
    expect(Math.abs(mean(column(validation)))).toBeGreaterThan(0.01);
    expect(validation.schema).toBe(train.schema);
    const all = [train, validation].flatMap((part) => schemaOf(part).decode(part.data as Float32Array));
    expect(all.map(({ value }) => Math.round(value as number)).sort((p, q) => p - q)).toEqual([
      ...Array(200).keys(),
    ]);
    const options = { labelColumn: 'group' };
    const even = await loadSplit(path, { validation: 0.5, stratified: true }, options);
    expect(even.train.labels!.filter((label) => label === 1).length).toBe(25);
  });

  test('a category that only the held out part has is left out of its group and counted', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => `${i},${i === 17 ? 'rare' : i % 2 ? 'x' : 'y'}`);
    const path = file('rare.csv', `v,kind\n${rows.join('\n')}\n`);
    const found = new Set<number>();
    for (let seed = 0; seed < 12; seed++) {
      const { train, validation } = await loadSplit(path, { validation: 0.5, seed });
      found.add(train.size);
      if (train.size === 4) {
        expect(validation.notes).toEqual([]);
        continue;
      }
      expect(validation.notes).toEqual([
        '1 cell has a category that no training row has, such as "rare" in row 18, column "kind"',
      ]);
      const groups = Array.from({ length: validation.length }, (_, i) =>
        validation.data.subarray(3 * i + 1, 3 * i + 3),
      );
      expect(groups.filter(([x, y]) => x === 0 && y === 0).length).toBe(1);
    }
    expect([...found].sort()).toEqual([3, 4]);
  });

  test('a part of the rows names them by their places in the file', async () => {
    const values = Array.from({ length: 40 }, (_, i) => (i === 28 ? '' : String(i)));
    const path = file('split-gap.csv', `a,b\n${values.map((value) => `${value},x`).join('\n')}\n`);
    for (const seed of [0, 1, 2]) {
      const divided = () => loadSplit(path, { validation: 0.5, seed });
      expect(await refusal('ERR_DATA_FORMAT', divided)).toMatch(/row 29, column "a": expected a value/);
    }
  });

  test('missing values are refused with their place, or imputed', async () => {
    const path = file('gaps.csv', 'a,b\n1,x\n,x\n5,NA\n3,y\n');
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path))).toMatch(
      /gaps\.csv: row 2, column "a": .* missing/,
    );
    const data = await loadDataset(path, { onMissing: 'impute', standardize: false });
    expect([...data.data]).toEqual([1, 1, 0, 3, 1, 0, 5, 1, 0, 3, 0, 1]);
    expect([...data.cells!.imputed]).toEqual([0, 1, 1, 0]);
    expect([...data.subset([3, 2]).cells!.imputed]).toEqual([0, 1]);
    expect([...data.take(2).cells!.imputed]).toEqual([0, 1]);
    expect([...data.windows({ length: 2 }).cells!.imputed]).toEqual([1, 2, 1]);
    const own = await loadDataset(file('own.csv', 'a,b\n1,x\n-,NA\n'), {
      missing: ['-'],
      onMissing: 'impute',
    });
    expect(schemaOf(own).fields[1]).toMatchObject({ categories: ['NA', 'x'] });
  });

  test('truth values are the same in any capitals, other words only alike', async () => {
    const text = `ok,kind,label\n${'True,red,False\nFalse,blue,True\n'.repeat(3)}`;
    const { schema } = await loadDataset(file('pandas.csv', text), { labelColumn: 'label' });
    const records = [
      { ok: true, kind: 'red', label: false },
      { ok: 'FALSE', kind: 'RED', label: 'TRUE' },
    ];
    const options = { schema: schema as TableSchema, onMissing: 'impute' } as const;
    const data = await Dataset.fromRecords(records, options);
    expect([...data.data]).toEqual([0, 1, 0, 1, 1, 0, 0, 0]);
    expect([[...data.labels!], data.classes]).toEqual([
      [0, 1],
      ['False', 'True'],
    ]);
    expect([...data.cells!.unseen]).toEqual([0, 1]);
    expect(data.notes).toEqual([
      '1 cell has a category that no training row has, such as "RED" in row 2, column "kind" (training rows have "red")',
    ]);
    const stream = await StreamedDataset.from(() => records, options);
    expect(stream.notes).toEqual(data.notes);
  });

  test('a value that training did not have is refused, or left out of its group and counted', async () => {
    const train = await loadDataset(file('train.csv', 'a\nx\nx\ny\n'));
    const other = file('other.csv', 'a\ny\nz\n');
    const told = await refusal('ERR_DATA_FORMAT', () => loadDataset(other, { schema: train.schema }));
    expect(told).toMatch(
      /other\.csv: row 2, column "a": expected one of the training rows' values \(x, y\) but received "z"/,
    );
    const lenient = TableSchema.fromJSON({ ...schemaOf(train).toJSON(), onMissing: 'impute' });
    const { schema } = train;
    for (const found of [
      await loadDataset(other, { schema: lenient }),
      await loadDataset(other, { schema, onMissing: 'impute' }),
      await Dataset.fromRecords([{ a: 'y' }, { a: 'z' }], { schema: schemaOf(train), onMissing: 'impute' }),
    ]) {
      // Never as the usual one, which would hide it.
      expect([...found.data]).toEqual([0, 1, 0, 0]);
      expect(found.notes).toEqual([
        '1 cell has a category that no training row has, such as "z" in row 2, column "a"',
      ]);
      expect([...found.cells!.unseen]).toEqual([0, 1]);
    }
  });

  test('other delimiters, no header, types by column, byte order mark, CR LF', async () => {
    const options = {
      delimiter: ';',
      header: false,
      columns: { column2: 'categorical', column3: 'ignore' },
    } as const;
    const data = await loadDataset(file('plain.csv', '\ufeff1;7;p\r\n\r\n3;8;q\r\n'), options);
    expect(schemaOf(data).fields.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'column1 numeric',
      'column2 categorical',
    ]);
    expect([...data.data]).toEqual([-1, 1, 0, 1, 0, 1]);
    expect((await loadDataset(file('tabs.tsv', 'a\tb\n1\t2\n3\t4\n'))).shape).toEqual([2]);
  });

  test('a column that turns out not to be numeric keeps its values', async () => {
    const data = await loadDataset(file('mixed.csv', 'a\n1.0\n2\n1\nx\n'));
    expect(
      schemaOf(data)
        .decode(data.data as Float32Array)
        .map(({ a }) => a),
    ).toEqual(['1', '2', '1', 'x']);
  });

  test.each<[string, string | Uint8Array, object, string, RegExp]>([
    ['nothing', '', {}, 'ERR_DATA_FORMAT', /the file is empty/],
    ['a header alone', 'a,b\n', {}, 'ERR_DATA_FORMAT', /at least one row/],
    ['rows of different lengths', 'a,b\n1,2\n3\n', {}, 'ERR_DATA_FORMAT', /as many cells .* line 3/],
    ['an open quote', 'a,b\n1,"2\n3,4\n', {}, 'ERR_DATA_FORMAT', /every quote to be closed/],
    [
      'Latin-1',
      Buffer.from('a,b\n1,caf\xe9\n', 'latin1'),
      {},
      'ERR_DATA_FORMAT',
      /UTF-8 but the bytes at offset 9 /,
    ],
    ['a character cut short', Buffer.from('a\n\u20ac').subarray(0, -1), {}, 'ERR_DATA_FORMAT', /UTF-8/],
    ['the same name twice', 'a,a\n1,2\n', {}, 'ERR_DATA_FORMAT', /"a" comes twice/],
    [
      'a word among numbers',
      'a\n1\nx\n',
      { columns: { a: 'numeric' } },
      'ERR_DATA_FORMAT',
      /row 2, column "a": expected a number but received "x"/,
    ],
    ['no such label', 'a\n1\n', { labelColumn: 'b' }, 'ERR_RANGE', /columns a but received "b"/],
    [
      'labels that are measures',
      'a,b\n1,0.5\n',
      { labelColumn: 'b' },
      'ERR_DATA_FORMAT',
      /row 1, column "b": expected a class/,
    ],
    ['no such column', 'a\n1\n', { columns: { b: 'ignore' } }, 'ERR_RANGE', /columns a but received "b"/],
    [
      'an unknown type',
      'a\n1\n',
      { columns: { a: 'word' } },
      'ERR_RANGE',
      /one of numeric, categorical, date, ignore/,
    ],
    [
      'a column without values',
      'a,b\n1,\n2,\n',
      { onMissing: 'impute' },
      'ERR_DATA_FORMAT',
      /column "b": .* miss theirs/,
    ],
    ['labels alone', 'a\n1\n', { labelColumn: 'a' }, 'ERR_DATA_FORMAT', /beside that of the labels/],
    ['numbers beyond all', 'a\n1e308\n-1e308\n', {}, 'ERR_DATA_FORMAT', /mean and deviation are finite/],
    [
      'a name in every row',
      `a\n${Array.from({ length: 5000 }, (_, i) => `u${i}`).join('\n')}`,
      {},
      'ERR_DATA_FORMAT',
      /column "a": expected words that come again but 5000 of 5000 are different.*columns: \{ "a": 'ignore' \}/,
    ],
  ])('refuses %s', async (_, content, options, code, message) => {
    const path = file('bad.csv', content);
    const told = await refusal(code as 'ERR_DATA_FORMAT', () => loadDataset(path, options));
    expect(told).toMatch(message);
    expect(told).toMatch(/bad\.csv: |for columns/);
  });

  test('a quote that takes in a large file does not take in its memory', async () => {
    const path = file('quote.csv', Buffer.concat([Buffer.from('a,b\n1,"'), Buffer.alloc(100_000_000, 'x')]));
    const before = process.memoryUsage.rss();
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path))).toMatch(/quote/);
    expect(process.memoryUsage.rss() - before).toBeLessThan(200_000_000);
  });

  test('mutations are read or refused', async () => {
    await fuzz([Buffer.from(PEOPLE)], (bytes) => loadDataset(file('f.csv', bytes)));
  });

  test.skipIf(!process.env.TORCHVAE_DATA)('MNIST as a table gives its pixels back', async () => {
    const digits = (await mnist({ split: 'test' })).take(300);
    const header = ['digit', ...Array.from({ length: 784 }, (_, i) => `p${i}`)].join(',');
    const lines = Array.from({ length: 300 }, (_, i) =>
      [digits.labels![i], ...digits.data.subarray(784 * i, 784 * (i + 1))].join(','),
    );
    const data = await loadDataset(file('digits.csv', `${header}\n${lines.join('\n')}\n`), {
      labelColumn: 'digit',
    });
    expect([data.length, data.size, data.classes]).toEqual([300, 784, digits.classes]);
    expect([...data.labels!]).toEqual([...digits.labels!]);
    const rows = schemaOf(data).decode(data.data as Float32Array);
    const pixels = rows.flatMap((row) =>
      Array.from({ length: 784 }, (_, i) => Math.round(row[`p${i}`] as number)),
    );
    expect(Buffer.from(pixels).equals(digits.data as Uint8Array)).toBe(true);
  });
});

describe('a schema', () => {
  test('gives numbers back as the training rows have them: decimals, whole numbers, bounds', async () => {
    const rows = [
      { price: 0.5, count: 3, share: 1 / 3, big: 1_234_567_890 },
      { price: 12.25, count: 0, share: 0.1, big: 987_654_321 },
    ];
    const schema = schemaOf(await Dataset.fromRecords(rows, { standardize: false }));
    expect(schema.decode(Float32Array.of(2.345678, 1.6, 0.2, 1e9))).toEqual([
      { price: 2.35, count: 2, share: Math.fround(0.2), big: 1e9 },
    ]);
    const outside = Float32Array.of(-5, 99, 2, 5e9);
    expect(schema.decode(outside)).toEqual([{ price: 0.5, count: 3, share: 1 / 3, big: 1_234_567_890 }]);
    expect(schema.decode(outside, { bounded: false })).toEqual([
      { price: -5, count: 99, share: 2, big: 5e9 },
    ]);
    await refusal('ERR_RANGE', () => schema.decode(outside, { bound: false } as never));
    await refusal('ERR_TYPE', () => schema.decode(outside, { bounded: 1 } as never));
  });

  test('of version 1 is still read, whose numbers have neither bounds nor decimals', async () => {
    const old = {
      type: 'table',
      fields: [
        { name: 'a', type: 'numeric', center: 2, scale: 2, fill: 2 },
        { name: 'b', type: 'categorical', categories: ['x', 'y'], usual: 0 },
      ],
      label: { name: 'kind', categories: ['p', 'q'] },
      onMissing: 'refuse',
    };
    const schema = schemaFromJson(old) as TableSchema;
    expect(schema.decode(Float32Array.of(100.0625, 0, 1))).toEqual([{ a: 202.125, b: 'y' }]);
    expect(schema.describe()[0]).toEqual({ column: 'a', became: 'number' });
    expect(schemaFromJson(JSON.parse(JSON.stringify(schema)))).toEqual(schema);
    await refusal('ERR_DATA_FORMAT', () => schemaFromJson({ ...old, version: 3 }));
    await refusal('ERR_DATA_FORMAT', () => schemaFromJson({ ...old, version: 2 }));
  });

  test('that is damaged is refused', async () => {
    const good = (await loadDataset(file('people.csv', PEOPLE))).schema!.toJSON() as never as {
      fields: object[];
    };
    const [age, city] = good.fields as [object, object];
    for (const broken of [
      null,
      { type: 'image' },
      { ...good, fields: [] },
      { ...good, fields: [age, age] },
      { ...good, onMissing: 'guess' },
      { ...good, fields: [{ ...age, scale: 0 }] },
      { ...good, fields: [{ ...city, categories: ['a', 'a'] }] },
      { ...good, fields: [{ ...city, usual: 9 }] },
      { ...good, label: {} },
      { ...good, leftOut: [{ name: 'a' }] },
      { ...good, fields: [{ ...age, min: 9, max: 1 }] },
      { ...good, fields: [{ ...age, decimals: 0.5 }] },
      { ...good, fields: [{ ...age, type: 'date', precision: 'week', periods: [] }] },
      { ...good, fields: [{ ...age, type: 'date', precision: 'day', periods: ['month'] }] },
    ]) {
      await refusal('ERR_DATA_FORMAT', () => schemaFromJson(broken));
    }
  });

  test('goes with the examples through subsets and splits, and fits them', async () => {
    const data = await loadDataset(file('people.csv', PEOPLE));
    expect(data.take(2).schema).toBe(data.schema);
    expect(data.split({ validation: 0.5 }).validation.schema).toBe(data.schema);
    await refusal('ERR_SHAPE', () => new Dataset({ ...data, shape: [1] } as never));
    await refusal('ERR_TYPE', () => new Dataset({ ...data, schema: {} } as never));
    await refusal('ERR_SHAPE', () => schemaOf(data).decode(new Float32Array(3)));
  });
});

describe('Parquet', () => {
  test('options that no process takes are refused', async () => {
    const path = join(packageFolder, 'test/fixtures/rows.parquet');
    for (const value of [() => 1, Symbol('x'), 10n]) {
      for (const load of [loadDataset, streamDataset]) {
        for (const name of ['onMissing', 'labelColumn', 'standardize'])
          await refusal('ERR_TYPE', () => load(path, { [name]: value as never }));
      }
    }
  });

  const fixture = (name: string) =>
    readFileSync(join(packageFolder, 'test/fixtures', `table-${name}.parquet`));

  test.each(['plain', 'snappy', 'zstd', 'gzip'])('as pyarrow writes it: %s', async (name) => {
    const data = await loadDataset(file(`${name}.parquet`, fixture(name)), { onMissing: 'impute' });
    const rows = schemaOf(data).decode(data.data as Float32Array);
    expect(rows.map(({ height }) => Math.round((height as number) * 1e3) / 1e3)).toEqual([
      1.5, 2.5, 2.4, 4.5, 0.5, 3,
    ]);
    expect(rows.map(({ count }) => Math.round(count as number))).toEqual([1, 2, 3, 4, 5, -6]);
    expect(rows.map(({ color }) => color)).toEqual(['red', 'blue', 'red', 'red', 'grün', 'red']);
    expect(rows.map(({ good }) => good)).toEqual(['true', 'false', 'true', 'true', 'false', 'true']);
    expect(rows[5]!.when).toBe('2026-01-06');
  });

  test('labels, types and missing values as in any table', async () => {
    const path = file('t.parquet', fixture('snappy'));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path))).toMatch(
      /row 3, column "height": .* missing/,
    );
    const columns = { height: 'ignore', when: 'ignore', color: 'ignore' } as const;
    const data = await loadDataset(path, { columns, labelColumn: 'good' });
    expect([data.shape, data.classes, [...data.labels!]]).toEqual([
      [2],
      ['false', 'true'],
      [1, 0, 1, 1, 0, 1],
    ]);
    const { train } = await loadSplit(path, { validation: 0.5 }, { columns });
    expect(train.length).toBe(3);
  });

  test.each<[string, () => Uint8Array, RegExp]>([
    ['nothing', () => new Uint8Array(0), /PAR1 at offset 0 but received nothing/],
    ['text', () => Buffer.from('a,b\n1,2\n3,4\n'), /PAR1 at offset 0 but received 612c620a/],
    ['a file cut short', () => fixture('snappy').subarray(0, -10), /its footer is damaged/],
    [
      'a footer of gigabytes',
      () => Buffer.concat([fixture('plain').subarray(0, -8), Buffer.alloc(4, 255), Buffer.from('PAR1')]),
      /its footer is damaged: .*4294967295/,
    ],
    [
      'nested columns',
      () => fixture('nested'),
      /column "tags": expected one value or a list of numbers a row but it is nested/,
    ],
  ])('refuses %s', async (_, bytes, message) => {
    const path = file('bad.parquet', bytes());
    const told = await refusal('ERR_DATA_FORMAT', () => loadDataset(path));
    expect(told).toContain(path);
    expect(told).toMatch(message);
  });

  test('lists of numbers of one length are vectors', async () => {
    const path = file('vectors.parquet', vectors(''));
    const data = await loadDataset(path, {
      columns: { id: 'ignore' },
      onMissing: 'impute',
      standardize: false,
    });
    expect([...data.data]).toEqual([
      0.5,
      -1,
      2,
      1,
      2,
      1.5,
      3,
      4,
      3,
      4,
      1.5,
      Math.fround(7 / 3),
      4,
      5,
      6,
      2.5,
      5,
      6,
      7,
      9,
    ]);
    expect(schemaOf(data).describe()).toEqual([
      { column: 'emb', became: 'vector of 3 numbers, -1 to 6' },
      { column: 'more', became: 'vector of 2 numbers, 1 to 9' },
      { column: 'id', became: 'left out: as asked' },
    ]);
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path))).toMatch(
      /row 3, column "emb\[0\]": .* missing/,
    );
    const stream = await streamDataset(path, {
      columns: { id: 'ignore' },
      onMissing: 'impute',
      standardize: false,
    });
    expect((await stream.head(4)).data).toEqual(data.data);
    const later = await loadDataset(path, { schema: schemaOf(data), columns: { more: 'numeric' } }).catch(
      (error) => error.message,
    );
    expect(later).toMatch(/expected one of the columns .* but received "more"/);
    const uneven = file('uneven.parquet', vectors('-uneven'));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(uneven))).toMatch(
      /row 2, column "emb": expected 2 numbers, as before, but received 1; cut or fill/,
    );
    expect(
      await refusal('ERR_DATA_FORMAT', () => loadDataset(uneven, { columns: { emb: 'ignore' } })),
    ).toMatch(/at least one column/);
  });

  test('images with classes, as Hugging Face keeps them', async () => {
    const path = file('images.parquet', images());
    const data = await loadDataset(path);
    expect(data.describe()).toBe('images.parquet: 5 examples of 1x2x3, unit, uint8, 2 classes');
    expect([data.classes, ...data.labels!]).toEqual([['cat', 'dog'], 0, 1, 1, 0, 1]);
    expect([...data.data.subarray(6, 12)]).toEqual([10, 50, 100, 150, 200, 250]);
    const named = await loadDataset(path, { labelColumn: 'word', imageSize: 4, invert: true });
    expect([named.shape, named.classes, ...named.labels!]).toEqual([[1, 4, 4], ['a', 'b'], 1, 0, 1, 0, 1]);
    const { train } = await loadSplit(path, { validation: 0.4 });
    expect(train.length).toBe(3);
    expect((await loadDataset(path, { columns: { image: 'ignore' } })).shape).toEqual([3]);
    await refusal('ERR_RANGE', () => loadDataset(path, { labelColumn: 'kind' }));
    const damaged = Buffer.from(images());
    damaged.fill(0, damaged.indexOf('IHDR'), damaged.indexOf('IHDR') + 4);
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(file('d.parquet', damaged)))).toMatch(
      /row 1, column "image": expected a whole image .*onBadImage/,
    );
    // The second image of the group refers to the bytes of the first.
    expect((await loadDataset(file('d.parquet', damaged), { onBadImage: 'skip' })).length).toBe(3);
  });

  test('images are streamed as they are in memory, without those that are damaged', async () => {
    const path = file('images.parquet', images());
    const options = { labelColumn: 'word', imageSize: 4, invert: true } as const;
    for (const how of [{}, options]) {
      const [data, stream] = [await loadDataset(path, how), await streamDataset(path, { ...how, window: 2 })];
      const { data: values, labels, classes, shape, kind } = await stream.head(5);
      expect([values, labels, classes, shape, kind]).toEqual([
        data.data,
        data.labels,
        data.classes,
        data.shape,
        data.kind,
      ]);
      const lengths = [];
      for await (const part of stream.parts()) lengths.push(part.length);
      expect(lengths).toEqual([2, 2, 1]);
    }
    const shuffled = await (await streamDataset(path)).open({
      seed: 3,
      epoch: 1,
      shuffle: true,
      first: 1,
      signal: new AbortController().signal,
    });
    expect((await shuffled.read(4)).labels!.length).toBe(4);
    await shuffled.close();
    const damaged = Buffer.from(images());
    damaged.fill(0, damaged.indexOf('IHDR'), damaged.indexOf('IHDR') + 4);
    const bad = file('bad.parquet', damaged);
    expect(await refusal('ERR_DATA_FORMAT', () => streamDataset(bad))).toMatch(/row 1, .*onBadImage/);
    const kept = await streamDataset(bad, { onBadImage: 'skip' });
    const inMemory = await loadDataset(bad, { onBadImage: 'skip' });
    expect([(await kept.head(3)).data, kept.length]).toEqual([inMemory.data, 3]);
    expect(kept.notes).toEqual(inMemory.notes);
    expect(await refusal('ERR_RANGE', () => streamDataset(path, { standardize: false }))).toMatch(
      /no meaning/,
    );
    await refusal('ERR_RANGE', () => streamDataset(path, { labelColumn: 'kind' }));
    const rows = file('rows.parquet', fixture('plain'));
    expect(await refusal('ERR_RANGE', () => streamDataset(rows, { imageSize: 4 }))).toMatch(/no meaning/);
  });

  test('windows over rows are those of the table in memory', async () => {
    const rows = file('rows.parquet', fixture('plain'));
    const reading = { onMissing: 'impute', windowLength: 2, stride: 1 } as const;
    const inMemory = await loadDataset(rows, reading);
    const streamed = await streamDataset(rows, { ...reading, window: 2 });
    expect(streamed.shape).toEqual(inMemory.shape);
    const parts = [];
    for await (const part of streamed.parts()) parts.push(...part.data);
    expect(parts).toEqual([...inMemory.data]);
    expect(await refusal('ERR_RANGE', () => streamDataset(rows, { ...reading, windowLength: 99 }))).toMatch(
      /at most \d for windowLength/,
    );
    expect(await refusal('ERR_RANGE', () => streamDataset(rows, { stride: 2 }))).toMatch(
      /is for windowLength/,
    );
    const pictures = file('images.parquet', images());
    await refusal('ERR_RANGE', () => streamDataset(pictures, { windowLength: 2 }));
    const array = file('a.npy', npy('<f4', [4, 1], new Uint8Array(16)));
    await refusal('ERR_RANGE', () => streamDataset(array, { windowLength: 2 }));
  });

  test('where the packages that read it were not deployed, the error says so', async () => {
    const copy = join(folder, 'deployed');
    cpSync(join(packageFolder, 'dist'), join(copy, 'dist'), { recursive: true });
    cpSync(join(packageFolder, 'package.json'), join(copy, 'package.json'));
    mkdirSync(join(copy, 'node_modules'));
    for (const name of ['csv-parse', 'fast-png', 'yauzl'])
      symlinkSync(join(packageFolder, 'node_modules', name), join(copy, 'node_modules', name));
    const program = `import { loadDataset } from './dist/index.js';
      await loadDataset(${JSON.stringify(file('rows.parquet', fixture('plain')))}).catch((error) => console.log(String(error)))`;
    const options = { cwd: copy, encoding: 'utf8' } as const;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], options);
    expect(stdout).toMatch(/before it began.* hyparquet .*deploy torchvae with all its dependencies/);
  });

  test('a run of a billion values in a small file does not take the process down', async () => {
    const bytes = Buffer.from(fixture('plain'));
    // Definition levels of a column without missing values: two bytes long, a run of six ones. It becomes a run of 2^30.
    Buffer.from('feffffff07', 'hex').copy(bytes, bytes.indexOf(Buffer.from('020000000c01', 'hex')) + 4);
    const before = process.memoryUsage.rss();
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(file('run.parquet', bytes)))).toMatch(
      /run\.parquet: expected a whole Parquet file that unpacks to at most 513 MiB/,
    );
    expect(process.memoryUsage.rss() - before).toBeLessThan(50_000_000);
  });

  test('mutations are read or refused, within bounded memory and time', async () => {
    const tables = [...['plain', 'snappy', 'zstd', 'gzip'].map(fixture), vectors('')];
    const read = (bytes: Uint8Array) => loadDataset(file('f.parquet', bytes), { onMissing: 'impute' });
    await fuzz(tables, read, { rounds: 50, megabytes: 400, codes: ['ERR_DATA_FORMAT'] });
    const readImages = (bytes: Uint8Array) => loadDataset(file('f.parquet', bytes));
    await fuzz([images()], readImages, { rounds: 20, megabytes: 400, codes: ['ERR_DATA_FORMAT'] });
  }, 120_000);
});

describe('JSON lines', () => {
  test('of Python may have NaN and infinities, which are missing and infinite', async () => {
    const text = '{"v": 1, "s": "NaN \\"Infinity"}\n{"v": NaN, "s": "b"}\n{"v": 3, "s": "b"}\n';
    const data = await loadDataset(file('python.jsonl', text), { onMissing: 'impute' });
    expect(schemaOf(data).decode(data.data as Float32Array)).toEqual([
      { v: 1, s: 'NaN "Infinity' },
      { v: 2, s: 'b' },
      { v: 3, s: 'b' },
    ]);
    expect([...data.cells!.imputed]).toEqual([0, 1, 0]);
    for (const [cell, found] of [
      ['NaN', 'row 1, column "v": expected a value but it is missing'],
      ['-Infinity', 'row 1, column "v": expected a finite number but received -Infinity'],
      ['nan', 'line 1: expected a JSON object but'],
    ]) {
      const path = file('python.jsonl', `{"v": ${cell}}\n{"v": 2}\n`);
      expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path))).toContain(found);
    }
  });

  const rows = [
    { v: 1, city: 'Rome', at: '2026-01-01', emb: [0.5, 1] },
    { v: 2.5, city: null, at: '2026-01-02', emb: [1, 2] },
    { city: 'Oslo', at: '2026-01-03', emb: [2, 3], note: 'late' },
  ];
  const text = `\n${rows.map((row) => JSON.stringify(row)).join('\r\n')}\n`;

  test.each([
    ['plain', 'rows.jsonl', Buffer.from(text)],
    ['compressed', 'rows.ndjson.gz', gzipSync(text)],
  ])('%s: columns are the keys of all lines', async (_, name, bytes) => {
    const path = file(name, bytes);
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path))).toMatch(
      /row 3, column "v": .* missing/,
    );
    const data = await loadDataset(path, { onMissing: 'impute' });
    expect(schemaOf(data).decode(data.data as Float32Array)[2]).toEqual({
      v: 1.8,
      city: 'Oslo',
      at: '2026-01-03',
      'emb[0]': 2,
      'emb[1]': 3,
      note: 'late',
    });
    const one = await loadDataset(
      file('one.jsonl', '{"at":"2026-01-02","v":2,"city":"Rome","emb":[1,1],"x":{}}'),
      {
        schema: schemaOf(data),
      },
    );
    expect(one.size).toBe(data.size);
    const { train } = await loadSplit(
      path,
      { validation: 0.34 },
      { columns: { v: 'ignore', note: 'ignore', city: 'ignore' } },
    );
    expect(train.shape).toEqual([3]);
  });

  test.each([
    ['{"a":1}\n{"a":', /line 2: expected a JSON object but/],
    ['{"a":1}\n[1]', /line 2: expected a JSON object but received \[1\]/],
    ['{"a":{"b":1}}', /row 1, column "a": .* received object/],
    ['{"a":[1,2]}\n{"a":[1]}', /row 2, column "a": expected 2 values, as before, but received 1/],
    ['\n', /at least one record/],
  ])('refuses %j', async (content, message) => {
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(file('bad.jsonl', content)))).toMatch(message);
  });
});

describe('lists of nothing', () => {
  const lines = (cell: (i: number) => unknown) =>
    Array.from({ length: 20 }, (_, i) => JSON.stringify({ x: i, list: cell(i) })).join('\n');

  test('are missing values, wherever they come', async () => {
    for (const place of [0, 5]) {
      const path = file(
        'lists.jsonl',
        lines((i) => (i === place ? [] : [i, 2 * i])),
      );
      const message = await refusal('ERR_DATA_FORMAT', () => loadDataset(path));
      expect(message).toMatch(new RegExp(`row ${place + 1}, column "list\\[0\\]": .*missing`));
      const data = await loadDataset(path, { onMissing: 'impute' });
      expect(data.cells!.imputed[place]).toBe(2);
    }
    const records = [{ list: [1, 2] }, { list: [] }, { list: [3, 5] }];
    const data = await Dataset.fromRecords(records, { onMissing: 'impute' });
    expect([...data.cells!.imputed]).toEqual([0, 2, 0]);
  });

  test('do not vanish where there is nothing else', async () => {
    const path = file(
      'none.jsonl',
      lines(() => []),
    );
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path))).toMatch(/column "list": .*'ignore'/);
    expect((await loadDataset(path, { columns: { list: 'ignore' } })).shape).toEqual([1]);
  });
});

describe('records', () => {
  test('with vectors, in arrays of any type', async () => {
    const records = [
      { id: 1, emb: [0.5, 2] },
      { id: 2, emb: Float32Array.of(1, 4) },
    ];
    const data = await Dataset.fromRecords(records, { columns: { id: 'ignore' }, standardize: false });
    expect([...data.data]).toEqual([0.5, 2, 1, 4]);
    const stream = await StreamedDataset.from(() => records, {
      columns: { id: 'ignore' },
      standardize: false,
    });
    expect((await stream.head(2)).data).toEqual(data.data);
    const one = await Dataset.fromRecords([{ emb: [9, 9] }], { schema: schemaOf(data) });
    expect([...one.data]).toEqual([9, 9]);
    expect(
      await refusal('ERR_DATA_FORMAT', () => Dataset.fromRecords([{ emb: [1] }, { emb: [1, 2] }])),
    ).toMatch(/row 2, column "emb": expected 1 values, as before, but received 2/);
  });

  test('a list of another length than those of the schema cannot be read, and the other rows can', async () => {
    const { schema } = await Dataset.fromRecords([{ emb: [0, 1] }, { emb: [2, 3] }]);
    const later = [{ emb: [5] }, { emb: [0, 1], more: [1] }, { emb: [1, 2, 3], more: [1, 2] }, { emb: [] }];
    const lenient = { schema: schema as TableSchema, onMissing: 'impute' } as const;
    const lines = file('later.jsonl', later.map((record) => JSON.stringify(record)).join('\n'));
    for (const data of [await Dataset.fromRecords(later, lenient), await loadDataset(lines, lenient)]) {
      expect([...data.cells!.unseen]).toEqual([2, 0, 2, 0]);
      expect([...data.cells!.imputed]).toEqual([0, 0, 0, 2]);
      expect(data.notes[0]).toMatch(/row 1, column "emb\[0\]": .* "a list of 1"/);
    }
    const uneven = file('uneven.parquet', vectors('-uneven'));
    for (const width of [2, 1]) {
      const emb = [0, 1].map((i) => ({ emb: Array.from({ length: width }, (_, k) => i + k) }));
      const { schema: other } = await Dataset.fromRecords(emb);
      const { cells } = await loadDataset(uneven, { schema: other, onMissing: 'impute' });
      expect([...cells!.unseen]).toEqual(width === 2 ? [0, 2] : [1, 0]);
    }
    const strict = await refusal('ERR_DATA_FORMAT', () => loadDataset(lines, { schema }));
    expect(strict).toMatch(/row 1, column "emb": expected 2 values, as before, but received 1; cut or fill/);
  });

  async function* cursor() {
    for (let i = 0; i < 6; i++) yield { size: i, wet: i % 2 === 0, who: i < 3 ? 'a' : 'b', big: BigInt(i) };
  }

  test('from an asynchronous iterable', async () => {
    const data = await Dataset.fromRecords(cursor(), { name: 'rain', labelColumn: 'who' });
    expect(data.describe()).toBe('rain: 6 examples of 4, real, float32, 2 classes');
    expect(round(schemaOf(data).decode(data.data as Float32Array))[5]).toEqual({
      size: 5,
      wet: 'false',
      big: 5,
    });
    const schema = schemaOf(data);
    const one = await Dataset.fromRecords([{ big: 1, size: 5, wet: true, more: 'ignored' }], { schema });
    expect(round(schema.decode(one.data as Float32Array))).toEqual([{ size: 5, wet: 'true', big: 1 }]);
  });

  test('missing values are null, undefined, NaN and keys that are left out', async () => {
    const rows = [{ a: 1, b: 'x' }, { a: null, b: 'x' }, { b: undefined }, { a: Number.NaN, b: 'y' }];
    const data = await Dataset.fromRecords(rows, { onMissing: 'impute', standardize: false });
    expect([...data.data]).toEqual([1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1]);
    expect(await refusal('ERR_DATA_FORMAT', () => Dataset.fromRecords(rows))).toMatch(/row 2, column "a"/);
  });

  test('dates, which may be missing', async () => {
    const rows = [
      { at: new Date('2026-01-01T12:00:00Z'), v: 1 },
      { at: new Date('2026-01-03'), v: 2 },
      { at: new Date(Number.NaN), v: 3 },
    ];
    expect(await refusal('ERR_DATA_FORMAT', () => Dataset.fromRecords(rows))).toMatch(/row 3, column "at"/);
    const data = await Dataset.fromRecords(rows.slice(0, 2));
    expect(schemaOf(data).fields[0]).toMatchObject({ type: 'date', precision: 'minute' });
    const one = await Dataset.fromRecords([{ at: '2026-01-02', v: 1 }], { schema: schemaOf(data) });
    expect(schemaOf(data).decode(one.data as Float32Array)).toEqual([{ at: '2026-01-02T00:00Z', v: 1 }]);
    const stream = await StreamedDataset.from(() => rows.slice(0, 2));
    expect((await stream.head(2)).data).toEqual(data.data);
  });

  test('an odd cell late in a stream is named as it is in memory', async () => {
    for (const [cellOf, what] of [
      [(i: number) => i / 4, 'number'],
      [(i: number) => new Date(60_000 * i), 'date'],
    ] as const) {
      const rows = Array.from({ length: 6000 }, (_, i) => ({ a: i === 5500 ? 'odd' : cellOf(i), b: i % 3 }));
      const message = new RegExp(`row 5501, column "a": expected a ${what}, as most cells .*"odd"`);
      expect(await refusal('ERR_DATA_FORMAT', () => Dataset.fromRecords(rows))).toMatch(message);
      expect(await refusal('ERR_DATA_FORMAT', () => StreamedDataset.from(() => rows))).toMatch(message);
    }
    // Numbers, then dates: as many different names as there are rows.
    const mixed = Array.from({ length: 3000 }, (_, i) => ({ a: i < 1500 ? i : new Date(60_000 * i) }));
    for (const read of [() => Dataset.fromRecords(mixed), () => StreamedDataset.from(() => mixed)])
      expect(await refusal('ERR_DATA_FORMAT', read)).toMatch(/3000 of 3000 are different/);
  });

  test('of very many keys take time in proportion to their number', async () => {
    const record = Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [`key ${i}`, i]));
    const start = performance.now();
    const data = await Dataset.fromRecords([record, record, record]);
    const again = await Dataset.fromRecords([record], { schema: schemaOf(data) });
    expect([data.size, again.size]).toEqual([30_000, 30_000]);
    // Comparing each key with each other takes a hundred times as long.
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test('refuses values that are not records', async () => {
    const refused =
      (rows: unknown, options = {}) =>
      () =>
        Dataset.fromRecords(rows as never, options);
    expect(await refusal('ERR_TYPE', refused(7))).toMatch(/an iterable of records/);
    for (const [name, value] of [
      ['labelColumn', 1n],
      ['name', 5],
    ]) {
      const options = { [name as string]: value } as never;
      const told = await refusal('ERR_TYPE', () => Dataset.fromRecords([{ a: 1 }], options));
      expect(told).toContain(`for ${name}`);
    }
    expect(await refusal('ERR_TYPE', refused([[1, 2]]))).toMatch(/record 0/);
    expect(await refusal('ERR_DATA_FORMAT', refused([]))).toMatch(/at least one record/);
    expect(await refusal('ERR_DATA_FORMAT', refused([{ a: 1 }, { b: 2 }]))).toMatch(/record 1: .* has "b"/);
    expect(await refusal('ERR_DATA_FORMAT', refused([{ a: {} }]))).toMatch(
      /row 1, column "a": .* received object/,
    );
    expect(await refusal('ERR_DATA_FORMAT', refused([{ a: Infinity }]))).toMatch(/finite/);
    await expect(
      Dataset.fromRecords(
        (async function* () {
          yield { a: 1 };
          throw new Error('the connection is gone');
        })(),
      ),
    ).rejects.toThrow('the connection is gone');
  });
});

test('links to files are followed where they were named', async () => {
  file('people.csv', PEOPLE);
  symlinkSync(join(folder, 'people.csv'), join(folder, 'link.csv'));
  expect((await loadDataset(join(folder, 'link.csv'))).length).toBe(4);
});

describe('Parquet that a table is not made of as it is', () => {
  const at = (name: string) => join(packageFolder, `test/fixtures/${name}.parquet`);

  test('decimal numbers have as many decimals as their column, and are those of their texts', async () => {
    for (const load of [loadDataset, streamDataset]) {
      const { schema } = await load(at('decimals'));
      expect((schema as TableSchema).fields[0]).toMatchObject({ name: 'price', max: 4.13, decimals: 2 });
    }
  });

  test('times of a day are seconds, in whatever ticks the file counts; bytes of fixed length are refused', async () => {
    const columns = { key: 'ignore' } as const;
    for (const load of [loadDataset, streamDataset]) {
      const { schema } = await load(at('times'), { columns });
      expect((schema as TableSchema).fields).toMatchObject(
        ['ms', 'us', 'ns'].map((name) => ({ name, min: 0.25, max: 84_600.25, decimals: 2 })),
      );
      expect(await refusal('ERR_DATA_FORMAT', () => load(at('times')))).toMatch(
        /row 1, column "key": expected text or numbers but received bytes; ignore the column/,
      );
    }
  });

  test('bytes that are no text and names that come twice are refused, not read as something else', async () => {
    for (const load of [loadDataset, streamDataset]) {
      expect(await refusal('ERR_DATA_FORMAT', () => load(at('bytes')))).toMatch(
        /row 2, column "raw": expected text in UTF-8 .* ignore the column/,
      );
      expect((await load(at('bytes'), { columns: { raw: 'ignore' } })).length).toBe(3);
      expect(await refusal('ERR_DATA_FORMAT', () => load(at('twice')))).toMatch(
        /"x" comes twice; rename one/,
      );
    }
  });

  test('an infinite number can be named as missing, and a column without values is named as one', async () => {
    const records = [
      { a: 1, b: null },
      { a: Infinity, b: null },
      { a: 3, b: null },
    ];
    const numbers = records.map(({ a }) => ({ a }));
    const options = { missing: ['Infinity'], onMissing: 'impute' } as const;
    expect((await Dataset.fromRecords(numbers, options)).notes).toEqual(['1 missing cell was imputed']);
    const empty = records.map(({ b }, a) => ({ a, b }));
    const message = await refusal('ERR_DATA_FORMAT', () => StreamedDataset.from(() => empty));
    expect(message).toMatch(/column "b": expected values but all training rows miss theirs; ignore/);
    expect(await refusal('ERR_DATA_FORMAT', () => Dataset.fromRecords(empty))).toBe(message);
  });
});
