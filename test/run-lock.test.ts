/** A run directory is written by one process at a time. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { takeLock } from '../lib/setup/lock.ts';
import { torchvae } from './support/command.ts';

let folder: string;
let out: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-lock-'));
  out = join(folder, 'run');
  const data = join(folder, 'x.csv');
  writeFileSync(data, ['x,y', ...Array.from({ length: 300 }, (_, i) => `${i % 7},${i % 11}`)].join('\n'));
  expect((await train('--data', data, '--epochs', '2')).code).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true }));

const train = (...flags: string[]) => torchvae(['train', '--out', out, '--device', 'cpu', ...flags]);
const lines = () => readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n').length;
const lock = () => join(out, '.lock');

test('of two processes that write one run, one does, and the other says so', async () => {
  // Whichever comes second, it finds the lock, or a checkpoint that is newer than the one it has read.
  const both = await Promise.all([1, 2].map(() => train('--resume', '--epochs', '150')));
  const [done, refused] = both.sort((a, b) => a.code! - b.code!);
  expect(done!.stderr).toMatch(/epoch 150 /);
  expect(refused!.code).toBe(1);
  expect(refused!.stderr).toMatch(/another process (?:has written|writes) it.*ERR_STATE/s);
  expect(lines()).toBe(150);
  expect(existsSync(lock())).toBe(false);
});

test('a process that is refused touches nothing of the one that writes the run', async () => {
  const unfinished = join(out, '.checkpoint.safetensors.0123456789ab.tmp');
  const release = await takeLock(lock());
  writeFileSync(unfinished, 'half of it');
  const before = lines();
  const refused = await train('--resume', '--epochs', '151');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/another process writes it: wait until that has ended.*ERR_STATE/s);
  expect(readFileSync(unfinished, 'utf8')).toBe('half of it');
  expect(lines()).toBe(before);
  await release();
  // The next to write the run is alone with it.
  expect((await train('--resume', '--epochs', '151')).code).toBe(0);
  expect(existsSync(unfinished)).toBe(false);
});

test('what a killed process left, on this machine, holds nobody up', async () => {
  writeFileSync(lock(), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), token: 'x' }));
  const before = lines();
  expect((await train('--resume', '--epochs', `${before + 1}`)).code).toBe(0);
  expect(lines()).toBe(before + 1);
});

test('a lock that does not wait is refused by a holder that lives, and taken from one that does not', async () => {
  const path = join(folder, 'lock');
  const release = await takeLock(path);
  await expect(takeLock(path, { waits: false })).rejects.toMatchObject({ code: 'ERR_STATE' });
  await release();
  writeFileSync(path, JSON.stringify({ pid: 1, host: 'elsewhere', token: 'x' }));
  await (await takeLock(path, { waits: false, patience: 300, pause: 20 }))();
});
