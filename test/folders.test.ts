/** Folders of splits, of masks, of formats that are not read, and of damaged images. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  cellTexts,
  type Dataset,
  hasTestSet,
  loadDataset,
  loadSplit,
  streamDataset,
  type TableSchema,
} from '../lib/data/index.ts';
import { encodePng } from '../lib/report/png.ts';
import { refusal } from './refusal.ts';
import { packageFolder } from './support/command.ts';

let base: string;
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'torchvae-folders-'));
});
afterAll(() => rmSync(base, { recursive: true }));

let count = 0;
function folder(files: Record<string, Uint8Array | string>): string {
  const path = join(base, `set${count++}`);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

const image = (level: number) => {
  const data = Uint8Array.from({ length: 400 }, (_, i) => (level + i * 7919) % 251);
  return encodePng({ width: 20, height: 20, channels: 1, data } as never);
};
const first = async (path: string, options = {}) => (await loadDataset(path, options)).data[0];

describe('splits', () => {
  test.each([
    ['train', 'val'],
    ['train', 'valid'],
    ['Train', 'Validation'],
    ['training', 'dev'],
    ['TRAIN', 'TEST'],
    ['train', 'testing'],
    ['train_images', 'test_images'],
    ['train2017', 'val2017'],
  ])('%s and %s are never classes', async (train, held) => {
    const path = folder({ [`${train}/a/1.png`]: image(10), [`${held}/a/1.png`]: image(20) });
    expect(await hasTestSet(path)).toBe(true);
    const data = await loadDataset(path);
    expect([data.length, data.classes, data.data[0]]).toEqual([1, ['a'], 10]);
    expect(await first(path, { split: 'test' })).toBe(20);
    expect((await streamDataset(path, { split: 'test' })).classes).toEqual(['a']);
  });

  test('a folder train alone is no class, and beside other classes it is one', async () => {
    const alone = folder({ 'train/a/1.png': image(10), 'train/b/1.png': image(20) });
    expect(await hasTestSet(alone)).toBe(false);
    expect((await loadDataset(alone)).classes).toEqual(['a', 'b']);
    expect((await loadDataset(alone, { split: 'test' })).classes).toEqual(['a', 'b']);
    const vehicles = folder({ 'bus/1.png': image(10), 'train/1.png': image(20) });
    expect((await loadDataset(vehicles)).classes).toEqual(['bus', 'train']);
  });

  test('the test set is that of its name, beside a validation set and masks', async () => {
    const path = folder({
      'train/good/1.png': image(10),
      'test/bad/1.png': image(20),
      'val/good/1.png': image(30),
      'ground_truth/bad/1.png': image(40),
    });
    expect(await first(path, { split: 'test' })).toBe(20);
    expect((await loadDataset(path)).classes).toEqual(['good']);
  });

  test('a folder beside them whose meaning is not clear is named', async () => {
    const path = folder({ 'train/1.png': image(1), 'test/1.png': image(2), 'more/1.png': image(3) });
    for (const load of [loadDataset, streamDataset])
      expect(await refusal('ERR_DATA_FORMAT', () => load(path))).toMatch(
        /splits train, test alone but there is also more/,
      );
  });

  test('splits in the only folder of examples are found, those of several are refused', async () => {
    const yolo = folder({
      'images/train/1.png': image(10),
      'images/val/1.png': image(20),
      'labels/train/1.txt': '0',
    });
    expect([await first(yolo), await first(yolo, { split: 'test' }), await hasTestSet(yolo)]).toEqual([
      10,
      20,
      true,
    ]);
    const objects = folder({
      'bottle/train/good/1.png': image(1),
      'bottle/test/broken/1.png': image(2),
      'cable/train/good/1.png': image(3),
    });
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(objects))).toMatch(
      /bottle: expected the images of a class but it holds splits/,
    );
    expect(await first(join(objects, 'bottle'))).toBe(1);
  });

  test('a class may be called train where nothing else says that it is a split', async () => {
    const path = folder({ 'bus/1.png': image(1), 'train/1.png': image(2) });
    expect((await loadDataset(path)).classes).toEqual(['bus', 'train']);
  });
});

test('folders of masks beside others are no classes', async () => {
  const path = folder({ 'images/1.png': image(1), 'masks/1.png': image(2), 'Ground-Truth/1.png': image(3) });
  const data = await loadDataset(path);
  expect([data.length, data.classes]).toEqual([1, ['images']]);
  expect(data.describe()).toMatch(
    /; folders that hold no examples were passed over \(Ground-Truth, masks\)$/,
  );
  expect((await loadDataset(folder({ 'masks/1.png': image(2) }))).classes).toEqual(['masks']);
});

test('a table beside images is counted: labels in it are not read', async () => {
  const note = 'tables beside the images were passed over (1 .csv, 1 .jsonl): folders alone are classes';
  const path = folder({
    'a.png': image(1),
    'b.png': image(2),
    'metadata.csv': 'file_name,label\na.png,cat\nb.png,dog\n',
    'metadata.jsonl': '{"file_name":"a.png"}\n',
  });
  for (const data of [await loadDataset(path), await streamDataset(path)]) {
    expect(data.length).toBe(2);
    expect(data.notes).toEqual([note]);
  }
  const sorted = folder({ 'cat/a.png': image(1), 'dog/b.png': image(2), 'dog/boxes.csv': 'x,y\n1,2\n' });
  expect((await loadDataset(sorted)).notes).toEqual([
    'tables beside the images were passed over (1 .csv): folders alone are classes',
  ]);
});

test('images of formats that are not read are counted', async () => {
  const path = folder({
    'a.png': image(1),
    'b.bmp': 'BM',
    'c.BMP': 'BM',
    'd.jp2': 'x',
    'e.txt': 'x',
  });
  const note = 'files of other formats were passed over (2 .bmp, 1 .jp2); convert them to PNG';
  const data = await loadDataset(path);
  expect([data.length, data.notes]).toEqual([1, [note]]);
  expect(data.describe()).toContain(`; ${note}`);
  expect((await streamDataset(path)).describe()).toContain(`; ${note}`);
  const { train } = await loadSplit(folder({ 'a.png': image(1), 'b.png': image(2), 'c.bmp': '' }), {
    validation: 0.5,
  });
  expect(train.notes).toHaveLength(1);
  expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(folder({ 'b.bmp': 'BM' })))).toMatch(
    /there are none; files of other formats were passed over \(1 \.bmp\)/,
  );
});

describe('a damaged image', () => {
  const files = () => ({
    'x/a.png': 'no image',
    'x/b.png': image(2),
    'y/c.png': image(3).subarray(0, 300),
    'y/d.png': image(4),
    'y/e.png': '',
  });

  test('is an error that names it and the way out', async () => {
    const path = folder(files());
    for (const load of [loadDataset, streamDataset])
      expect(await refusal('ERR_DATA_FORMAT', () => load(path))).toMatch(
        /a\.png: .*; remove it, or give onBadImage: 'skip'/,
      );
    await refusal('ERR_RANGE', () => loadDataset(path, { onBadImage: 'ignore' as never }));
  });

  test('is left out and counted where that is asked for', async () => {
    const path = folder(files());
    for (const options of [{}, { imageSize: 20, channels: 1 } as const]) {
      const data = await loadDataset(path, { ...options, onBadImage: 'skip' });
      expect([data.length, [...data.labels!], data.data[0], data.data[400]]).toEqual([2, [0, 1], 2, 4]);
      const skipped = [...data.describe().matchAll(/(\d) damaged images? (?:was|were) left out/g)];
      expect(skipped.reduce((sum, [, number]) => sum + Number(number), 0)).toBe(3);
      const stream = await streamDataset(path, { ...options, onBadImage: 'skip' });
      expect([stream.length, (await stream.head(2)).data]).toEqual([2, data.data]);
      expect(stream.notes).toEqual(data.notes);
    }
    const none = folder({ 'a.png': '', 'b.png': 'x' });
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(none, { onBadImage: 'skip' }))).toMatch(
      /at least one image/,
    );
  });
});

describe('tables that are divided into files', () => {
  const fixture = (name: string) => readFileSync(join(packageFolder, `test/fixtures/${name}.parquet`));
  const part = (rows: string) => `n,word,day\n${rows}\n`;
  const columnsIn = (data: Dataset) => (data.schema as TableSchema).describe().map(({ became }) => became);

  test('are one table, in the order of the names, without what lies beside them', async () => {
    const path = folder({
      'part-2.csv.gz': gzipSync(part('3,b,2026-01-02T06:00Z')),
      'part-0.csv': part('1,a,2026-01-01\n2,b,2026-01-02'),
      'part-10.csv': part(',a,2026-01-03'),
      '.DS_Store': 'x',
      _SUCCESS: '',
      'README.md': '# d',
    });
    const data = await loadDataset(path, { onMissing: 'impute' });
    const decoded = (data.schema as TableSchema).decode(data.data as Float32Array);
    expect(decoded.map(({ n, word, day }) => [n, word, day])).toEqual([
      [1, 'a', '2026-01-01T00:00Z'],
      [2, 'b', '2026-01-02T00:00Z'],
      [3, 'b', '2026-01-02T06:00Z'],
      [2, 'a', '2026-01-03T00:00Z'],
    ]);
    expect([...data.cells!.imputed]).toEqual([0, 0, 0, 1]);
    expect((await loadDataset(path, { schema: data.schema, onMissing: 'impute' })).data).toEqual(data.data);
    expect(await cellTexts(path, ['word'])).toEqual([['a', 'b', 'b', 'a']]);
    expect((await loadSplit(path, { validation: 0.5 }, { onMissing: 'impute' })).train.length).toBe(2);
  });

  test('may hold images', async () => {
    const path = folder({
      'train-0.parquet': fixture('images'),
      'train-1.parquet': fixture('images'),
      'sample.parquet': '',
    });
    const [both, one] = [await loadDataset(path), await loadDataset(join(path, 'train-0.parquet'))];
    expect([both.length, both.shape, both.classes]).toEqual([2 * one.length, one.shape, one.classes]);
    expect(both.subset([...one.labels!.keys()].map((i) => one.length + i)).data).toEqual(one.data);
    expect([...both.labels!]).toEqual([...one.labels!, ...one.labels!]);
    expect(both.notes).toContain('files of neither split were passed over (sample.parquet)');
    await refusal('ERR_RANGE', () => loadDataset(path, { missing: ['x'] }));
  });

  test('may have splits', async () => {
    const path = folder({
      'train-00000-of-00002.jsonl': '{"n":1}\n{"n":2}',
      'train-00001-of-00002.jsonl': '{"n":3}',
      'test-00000-of-00001.jsonl': '{"n":4}',
      'trainer.jsonl': '{"m":0}',
    });
    expect(await hasTestSet(path)).toBe(true);
    const train = await loadDataset(path);
    expect(train.length).toBe(3);
    expect(train.notes).toContain('files of neither split were passed over (trainer.jsonl)');
    expect((await loadDataset(path, { split: 'test', schema: train.schema })).length).toBe(1);
  });

  test('have the validation set as test set where there is no other', async () => {
    const root = folder({ 'train.csv': 'v,k\n1,a\n2,b\n', 'val.csv': 'v,k\n3,a\n' });
    expect(await hasTestSet(root)).toBe(true);
    expect((await loadDataset(root)).notes).toEqual([]);
    expect((await loadDataset(root, { split: 'test' })).length).toBe(1);
  });

  test('of different names are noted, since they may differ in meaning', async () => {
    const root = folder({ 'normal.csv': 'v,k\n1,a\n2,b\n', 'anomalous.csv': 'v,k\n3,a\n' });
    const note =
      '2 files of different names are one table (anomalous.csv, normal.csv); name one of them if they differ in meaning';
    expect((await loadDataset(root)).notes).toEqual([note]);
    expect((await streamDataset(root)).notes).toEqual([note]);
    const parts = folder({ 'part-00000-c0ffee.csv': 'v\n1\n2\n', 'part-00001-badcafe.csv': 'v\n3\n' });
    expect((await loadDataset(parts)).notes).toEqual([]);
  });

  test.each([
    ['csv', 'v,k\n1,a\n2,b\n', ['v,k\n', '', '\n']],
    ['jsonl', '{"v":1,"k":"a"}\n{"v":2,"k":"b"}\n', ['', '\n']],
  ])('without rows are passed over: .%s', async (extension, rows, empty) => {
    const files = Object.fromEntries(empty.map((text, i) => [`part-${i}.${extension}`, text]));
    const root = folder({ ...files, [`part-9.${extension}`]: rows });
    const notes = [`${empty.length} files without rows were passed over`];
    expect(await loadDataset(root)).toMatchObject({ length: 2, notes });
    expect(await streamDataset(root)).toMatchObject({ length: 2, notes });
    await refusal('ERR_DATA_FORMAT', () => loadDataset(folder(files)));
  });

  test('of several kinds of cells are categories where one file has words', async () => {
    const path = folder({ 'a.csv': 'k,v\n1,1\n2,2\n', 'b.csv': 'k,v\nx,3\nx,4\n' });
    const data = await loadDataset(path, { columns: { k: 'categorical' } });
    expect(columnsIn(data)).toEqual(['category, 1, 2, x', 'number, 1 to 4, whole']);
  });

  test.each([
    [
      'other columns',
      { 'a.csv': 'k\n1\n', 'b.csv': 'k,more\n1,2\n' },
      /b\.csv: expected the columns of .*a\.csv \(k\) but it has "more"/,
    ],
    ['fewer columns', { 'a.csv': 'k,v\n1,2\n', 'b.csv': 'k\n1\n' }, /b\.csv: .* it lacks "v"/],
    [
      'several formats',
      { 'a.csv': 'k\n1\n', 'b.jsonl': '{"k":1}' },
      /tables of one format but there are \.csv and \.jsonl/,
    ],
    [
      'rows beside images',
      { 'a.parquet': fixture('images'), 'b.parquet': fixture('table-plain') },
      /expected rows or images in all of its files but .*b\.parquet has others/,
    ],
    [
      'tables further in',
      { 'data/a.csv': 'k\n1\n' },
      /expected images .* it holds 1 \.csv: name such a file, or the folder/,
    ],
  ])('are refused where there are %s', async (_, files, message) => {
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(folder(files as never)))).toMatch(message);
  });

  test('beside images are passed over', async () => {
    const path = folder({ 'labels.csv': 'k\n1\n', 'a/1.png': image(1), 'b/1.png': image(2) });
    expect((await loadDataset(path)).classes).toEqual(['a', 'b']);
  });
});
