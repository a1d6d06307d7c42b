/** Files that hold something else than their names say: an error that says what it is, and what to do. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadDataset, streamDataset } from '../lib/index.ts';
import { refusal } from './refusal.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-strays-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const pointer =
  'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daa\nsize 12345\n';
const page = '<!DOCTYPE html>\n<html><head><title>404</title></head>\n<body>Not found, sorry</body></html>\n';

test.each(['x.csv', 'x.npy', 'x.npz', 'x.parquet', 'x.txt', 'x.jsonl', 'x.data', 'x'])(
  'pointers of Git LFS and pages of HTML named %s',
  async (name) => {
    for (const load of [loadDataset, streamDataset]) {
      expect(await refusal('ERR_DATA_FORMAT', () => load(file(name, pointer)))).toMatch(/git lfs pull/);
      expect(await refusal('ERR_DATA_FORMAT', () => load(file(name, page)))).toMatch(
        /page of HTML; download/,
      );
    }
  },
);

test('pointers and pages within folders', async () => {
  for (const name of ['tables/part-0.csv', 'groups/train-0.parquet', 'images/a/0.png']) {
    const path = dirname(file(name, pointer));
    const root = name.startsWith('images') ? dirname(path) : path;
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(root))).toMatch(/git lfs pull/);
  }
});

const tar = new Uint8Array(2048);
tar.set(Buffer.from('a.csv'));
tar.set(Buffer.from('ustar'), 257);
const table = 'a,b\n1,2\n3,4\n'.repeat(50);

test.each([
  [
    'sheet.csv',
    zipSync({ 'xl/workbook.xml': Buffer.from(table) }),
    /zip archive .* save a sheet of Excel as CSV/,
  ],
  [
    'old.csv',
    Buffer.concat([Buffer.of(0xd0, 0xcf, 0x11, 0xe0), Buffer.alloc(600)]),
    /older Office .* as CSV/,
  ],
  ['twice.csv.gz', gzipSync(gzipSync(table)), /compressed by gzip twice; unpack it once/],
  ['rows.csv', Buffer.concat([Buffer.from('PAR1'), Buffer.alloc(99)]), /it is Parquet; name it \.parquet/],
  ['lines.jsonl', tar, /a tar archive; unpack it/],
  ['x.tar', tar, /a tar archive; unpack it/],
  ['x.feather', Buffer.from('FEA1----'), /Arrow or Feather; write it as \.parquet/],
  ['x.arrow', Buffer.of(0xff, 0xff, 0xff, 0xff, 0x78, 0, 0, 0), /Arrow or Feather/],
  ['x.arff', '% sensors\n@relation x\n', /ARFF; write it as CSV/],
  ['x.xml', '<?xml version="1.0"?><a/>', /XML; write it as/],
])('%s', async (name, content, message) => {
  expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(file(name, content)))).toMatch(message);
});

test('words that begin as an archive does are text', async () => {
  expect((await loadDataset(file('names.csv', 'PAR1,PAR2\n1.5,2\n2.5,4\n'))).shape).toEqual([2]);
  expect((await loadDataset(file('prose.txt', 'PK to <html>\nis no page\n'))).length).toBe(2);
});

test('an array of JSON that goes over several lines is refused with the way out', async () => {
  expect(
    await refusal('ERR_DATA_FORMAT', () => loadDataset(file('array.jsonl', '[{"a":1},\n{"a":2}]'))),
  ).toMatch(/write one object a line \(jq/);
});
