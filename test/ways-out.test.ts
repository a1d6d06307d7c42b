/** Data that do not fit are refused with a way out that can be followed, and what may be a mistake is noted. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Dataset, loadDataset, loadImageFolder, streamDataset, VAE } from '../lib/index.ts';
import { encodePng } from '../lib/report/png.ts';
import { refusal } from './refusal.ts';
import { torchvae } from './support/command.ts';
import { npy } from './support/npy.ts';

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-ways-out-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(at(name), content);
  return at(name);
}

const table = `t,k\n${Array.from({ length: 40 }, (_, i) => `${(20 + Math.sin(i)).toFixed(2)},${i % 3 ? 'a' : 'b'}`).join('\n')}\n`;
const array = npy('<f4', [4, 2], new Uint8Array(new Float32Array(8).buffer));

describe('files', () => {
  test.each<[string, Uint8Array | string, RegExp]>([
    ['a.npy.gz', gzipSync(array), /expected a \.npy file as it is but .* gzip; unpack it/],
    ['a.csv.zip', zipSync({ 'a.csv': Buffer.from(table) }), /a zip archive .*unpack it/],
    ['a.xlsx', zipSync({ 'xl/workbook.xml': Buffer.from('') }), /save a sheet of Excel as CSV/],
    ['a.csv.bz2', Buffer.from('BZh91AY&SY'), /bzip2; unpack it/],
    ['a.csv.xz', Buffer.from('fd377a585a00', 'hex'), /xz; unpack it/],
    ['a.csv.zst', Buffer.from('28b52ffd00', 'hex'), /Zstandard; unpack it/],
    ['a.json', '[{"t": 1}]', /a JSON array; write JSON lines/],
    ['a.h5', Buffer.from('894844460d0a1a0a', 'hex'), /HDF5.*as \.npy/],
    ['a.pkl', Buffer.from('80049500', 'hex'), /pickle of Python; write it as/],
    ['a.feather', 'ARROW1\0\0', /Arrow or Feather; write it as \.parquet/],
    ['a.db', 'SQLite format 3\0', /SQLite; hand its rows over/],
    [
      'people',
      'a,b\n1,2\n',
      /text of none; name it \.csv if it is a table, \.txt if each line is an example/,
    ],
  ])('%s is named for what it is', async (name, content, message) => {
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(file(name, content)))).toMatch(message);
  });

  test('are unpacked by what they hold, whatever their names', async () => {
    expect((await loadDataset(file('packed.csv', gzipSync(table)))).length).toBe(40);
    expect((await loadDataset(file('plain.csv.gz', table))).length).toBe(40);
  });

  test('that are not there, and data that are not awaited, are told so', async () => {
    const missing = () => loadImageFolder(join(folder, 'missing'));
    expect(await refusal('ERR_IO', missing)).toMatch(/it does not exist; check the spelling \(ENOENT\)$/);
    const records = Dataset.fromRecords([{ a: 1 }, { a: 2 }]);
    const vae = await VAE.create({ spec: { inputShape: [1] } });
    expect(await refusal('ERR_TYPE', () => vae.score(records as never))).toMatch(
      /a promise, which is to be awaited$/,
    );
    vae.dispose();
  });

  test('JSON arrays in JSON lines, and standard input, are refused with what to do', async () => {
    const lines = file('array.jsonl', '[{"t": 1}]\n');
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(lines))).toMatch(/one object a line/);
    const tall = file('tall.jsonl', '{\n  "t": 1\n}\n');
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(tall))).toMatch(
      /object on one line \(jq -c \.\)/,
    );
    expect(await refusal('ERR_RANGE', () => loadDataset('-'))).toMatch(/write it to a file/);
  });
});

describe('rows', () => {
  test('lists of several lengths are no vectors, also where missing values are filled in', async () => {
    const path = file('uneven.jsonl', '{"s": [1, 2, 3]}\n{"s": [1, 2]}\n{"s": [3, 4, 5]}\n');
    for (const options of [{}, { onMissing: 'impute' }] as const) {
      const message = await refusal('ERR_DATA_FORMAT', () => loadDataset(path, options));
      expect(message).toMatch(/row 2, column "s": expected 3 values, as before, but received 2; .*'ignore'/);
    }
    const { schema } = await Dataset.fromRecords([{ s: [1, 2] }, { s: [2, 5] }]);
    const longer = file('longer.jsonl', '{"s": [1, 2, 3]}\n');
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(longer, { schema }))).toMatch(
      /expected 2 values/,
    );
  });

  test('a column that the training data had is missed by its name', async () => {
    const { schema } = await loadDataset(file('known.csv', table));
    const lacking = file('lacking.csv', 'k\na\n');
    expect(await refusal('ERR_RANGE', () => loadDataset(lacking, { schema }))).toMatch(
      /lacking\.csv: expected the columns of the training data but "t" is not among k/,
    );
  });

  test('a column of one value is noted, since its scale is not known', async () => {
    const { notes } = await loadDataset(file('constant.csv', 'a,b\n1,x\n2,x\n4,x\n'));
    expect(notes).toEqual(['column b has one value alone, which says nothing of other rows']);
  });

  test('arrays are no rows of a schema', async () => {
    const { schema } = await loadDataset(file('known.csv', table));
    expect(await refusal('ERR_TYPE', () => loadDataset(file('a.npy', array), { schema }))).toMatch(
      /a\.npy: expected a table, as the schema of the training data says, but it holds other data/,
    );
  });

  test('more classes than the condition of a model, or none, are told by what to do', async () => {
    const records = Array.from({ length: 9 }, (_, i) => ({ t: i, y: 'abc'[i % 3] }));
    const data = await Dataset.fromRecords(records, { labelColumn: 'y' });
    using vae = await VAE.create({
      device: 'cpu',
      spec: { inputShape: [1], likelihood: 'gaussian', condition: { classes: 2 } },
    });
    expect(await refusal('ERR_RANGE', async () => void (await vae.fit(data)))).toMatch(
      /at most 2 classes for train, .*example 2 is of class "c", and the data have 3; set condition\.classes/,
    );
    const unlabeled = await Dataset.fromRecords(records.map(({ t }) => ({ t })));
    expect(await refusal('ERR_SHAPE', async () => void (await vae.fit(unlabeled)))).toMatch(/labelColumn/);
  });
});

test('the command line gives no advice on options that it set, for data of another kind, and keeps its data', async () => {
  file('known.csv', table);
  const small = ['--set', 'encoder={"hidden":[8]}', '--epochs', '1', '--device', 'cpu'];
  const trained = await torchvae(['train', '--data', 'known.csv', '--out', 'run', ...small], { cwd: folder });
  expect(trained.code, trained.stderr).toBe(0);
  for (const command of ['score', 'encode']) {
    const { stderr } = await torchvae([command, 'run', '--data', 'known.csv', '--out', './known.csv'], {
      cwd: folder,
    });
    expect(stderr).toMatch(/another file than that of --data for --out .*the data would be lost/);
  }
  file('lines.txt', 'abab\nbaba\n');
  file('a.npy', array);
  for (const name of ['lines.txt', 'a.npy']) {
    for (const command of ['score', 'encode', 'evaluate']) {
      const { code, stderr } = await torchvae([command, 'run', '--data', name], { cwd: folder });
      expect([code, stderr]).toEqual([1, expect.stringMatching(/expected a table, as the schema/)]);
    }
  }
});

test('images for a model are made as those that it was trained on', async () => {
  const png = (name: string, channels: 1 | 3, size: number) =>
    file(
      name,
      encodePng({
        width: size,
        height: size,
        channels,
        data: new Uint8Array(channels * size * size).fill(99),
      }),
    );
  for (const folderName of ['gray', 'color']) mkdirSync(at(folderName));
  for (let i = 0; i < 6; i++) {
    png(`gray/${i}.png`, 1, 12);
    png(`color/${i}.png`, 3, 12 + i);
  }
  const run = (...args: string[]) => torchvae(args, { cwd: folder });
  const small = ['--set', 'encoder={"hidden":[8]}', '--epochs', '1', '--device', 'cpu', '--out', 'seen'];
  const trained = await run('train', '--data', 'gray', ...small);
  expect(trained.code, trained.stderr).toBe(0);
  for (const command of ['score', 'encode']) {
    const { code, stderr } = await run(command, 'seen', '--data', 'color');
    expect([code, stderr]).toEqual([0, expect.stringMatching(/of 6 examples/)]);
  }
  const one = await run('score', 'seen', '--data', 'gray/0.png');
  expect(one.stderr).toMatch(/it is an image; name the folder that it lies in/);
});

test('numbers that may be pixels are noted, and one number an example is told how it becomes rows', async () => {
  const levels = npy(
    '<i8',
    [2, 2, 2],
    new Uint8Array(BigInt64Array.of(0n, 7n, 99n, 255n, 1n, 2n, 3n, 4n).buffer),
  );
  for (const load of [loadDataset, streamDataset])
    expect((await load(file('levels.npy', levels))).notes).toEqual([
      'numbers up to 255 are kept as they are; if they are pixels, divide them by 255, or write them as uint8',
    ]);
  const single = npy('<f4', [4], new Uint8Array(new Float32Array(4).buffer));
  expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(file('single.npy', single)))).toMatch(
    /reshape\(-1, 1\)/,
  );
});
