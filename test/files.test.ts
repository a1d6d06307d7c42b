import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cacheDirectory } from '../lib/cache.ts';
import { ioError, makeDirectory, writeFileAtomic } from '../lib/files.ts';
import { refusal } from './refusal.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-files-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.unstubAllEnvs();
});

test('writes strings, bytes and pieces, over what was there', async () => {
  const path = join(folder, 'model');
  await writeFileAtomic(path, 'ü');
  expect(readFileSync(path, 'utf8')).toBe('ü');
  await writeFileAtomic(path, Uint8Array.of(1, 2));
  expect([...readFileSync(path)]).toEqual([1, 2]);
  await writeFileAtomic(path, [Uint8Array.of(3), new Uint8Array(0), Uint8Array.of(4, 5)]);
  expect([...readFileSync(path)]).toEqual([3, 4, 5]);
  expect(readdirSync(folder)).toEqual(['model']);
});

test('writers at the same time leave the whole content of one of them', async () => {
  const path = join(folder, 'model');
  const contents = Array.from({ length: 8 }, (_, i) => new Uint8Array(300_000).fill(i));
  await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
  const found = readFileSync(path);
  expect(found.length).toBe(300_000);
  expect(new Set(found).size).toBe(1);
  expect(readdirSync(folder)).toEqual(['model']);
});

test('a failure leaves neither a temporary file nor a changed target', async () => {
  const target = join(folder, 'directory');
  mkdirSync(join(target, 'inside'), { recursive: true });
  const message = await refusal('ERR_IO', () => writeFileAtomic(target, 'x'));
  expect(message).toContain(target);
  expect(message).toMatch(/it is a directory; name a file/);
  expect(readdirSync(folder)).toEqual(['directory']);
});

test.skipIf(process.platform === 'win32')('links stay links, and pipes pipes', async () => {
  const [link, pipe] = [join(folder, 'link'), join(folder, 'pipe')];
  writeFileSync(join(folder, 'model'), 'old');
  symlinkSync('model', link);
  await writeFileAtomic(link, 'new');
  expect(readlinkSync(link)).toBe('model');
  expect(readFileSync(join(folder, 'model'), 'utf8')).toBe('new');

  execFileSync('mkfifo', [pipe]);
  const [read] = await Promise.all([
    readFile(pipe, 'utf8'),
    writeFileAtomic(
      pipe,
      ['a', 'b'].map((text) => Buffer.from(text)),
    ),
  ]);
  expect(read).toBe('ab');
  expect(lstatSync(pipe).isFIFO()).toBe(true);
});

test('names the path and what to do', async () => {
  const missing = join(folder, 'missing', 'model');
  expect(await refusal('ERR_IO', () => writeFileAtomic(missing, 'x'))).toMatch(
    new RegExp(`^Could not write ${missing}: .*create the missing directory \\(ENOENT\\)$`),
  );
  writeFileSync(join(folder, 'file'), '');
  const below = join(folder, 'file', 'model');
  expect(await refusal('ERR_IO', () => writeFileAtomic(below, 'x'))).toMatch(/ENOTDIR/);
});

test.skipIf(process.getuid?.() === 0)('says so where permission is missing', async () => {
  chmodSync(folder, 0o500);
  const message = await refusal('ERR_IO', () => writeFileAtomic(join(folder, 'model'), 'x'));
  chmodSync(folder, 0o700);
  expect(message).toMatch(/permission was denied.*EACCES/);
});

test.skipIf(process.platform !== 'linux')('a real full device gives ERR_IO and advice', async () => {
  symlinkSync('/dev/full', join(folder, 'full'));
  let cause: unknown;
  try {
    writeFileSync(join(folder, 'full'), 'x');
  } catch (error) {
    cause = error;
  }
  expect(ioError('write', 'model', cause).message).toMatch(/no space is left.*free some space.*ENOSPC/);
});

test('the cache is where the environment says, or in the home directory', () => {
  vi.stubEnv('TORCHVAE_CACHE', '/a');
  vi.stubEnv('XDG_CACHE_HOME', '/b');
  expect(cacheDirectory()).toBe('/a');
  vi.stubEnv('TORCHVAE_CACHE', undefined);
  expect(cacheDirectory()).toBe(join('/b', 'torchvae'));
  vi.stubEnv('XDG_CACHE_HOME', undefined);
  expect(cacheDirectory()).toBe(join(homedir(), '.cache', 'torchvae'));
});

test('directories are created with those above, and where none can be it ends', async () => {
  await makeDirectory(join(folder, 'a', 'b'));
  await Promise.all(['b', 'c', 'c'].map((name) => makeDirectory(join(folder, 'a', name))));
  expect(readdirSync(join(folder, 'a')).sort()).toEqual(['b', 'c']);
  writeFileSync(join(folder, 'file'), '');
  await expect(makeDirectory(join(folder, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeDirectory(join(folder, 'file', 'x'))).rejects.toMatchObject({ code: 'EEXIST' });
  if (process.platform === 'linux')
    await expect(makeDirectory('/proc/torchvae/runs')).rejects.toMatchObject({ code: 'ENOENT' });
});
