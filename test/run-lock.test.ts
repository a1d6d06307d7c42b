/** A run directory is written by one process at a time. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { torchvae } from './support/command.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-lock-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('of two processes that write one run, one does, and the other says so', async () => {
  const [data, out] = [join(folder, 'x.csv'), join(folder, 'run')];
  writeFileSync(data, ['x,y', ...Array.from({ length: 300 }, (_, i) => `${i % 7},${i % 11}`)].join('\n'));
  const train = (...flags: string[]) => torchvae(['train', '--out', out, '--device', 'cpu', ...flags]);
  const lines = () => readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n').length;
  expect((await train('--data', data, '--epochs', '2')).code).toBe(0);
  const both = await Promise.all([1, 2].map(() => train('--resume', '--epochs', '200')));
  const [done, refused] = both.sort((a, b) => a.code! - b.code!);
  expect(done!.stderr).toMatch(/epoch 200 /);
  expect(refused!.code).toBe(1);
  expect(refused!.stderr).toMatch(/another process (?:has written|writes) it.*ERR_STATE/s);
  expect(lines()).toBe(200);
  expect(existsSync(join(out, '.lock'))).toBe(false);
  // What a killed process left, on this machine, holds nobody up.
  const dead = { pid: 2 ** 22 + 1, host: hostname(), token: 'x' };
  writeFileSync(join(out, '.lock'), JSON.stringify(dead));
  expect((await train('--resume', '--epochs', '201')).code).toBe(0);
  expect(lines()).toBe(201);
});
