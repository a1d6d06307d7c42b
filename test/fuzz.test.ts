/** Short runs of the fuzzes of scripts/reliability, which have found what they can in longer ones. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageFolder, runNode } from './support/command.ts';

const fuzz = (name: string, least: number) =>
  runNode([
    join(packageFolder, 'scripts/reliability', name),
    ...['--seed', '7', '--seconds', '4', '--least', String(least)],
  ]);

test('the addon called with random arguments returns, rejects or throws, and computes as before', async () => {
  const { code, stdout, stderr } = await fuzz('fuzz-addon.mjs', 1000);
  expect(code, stderr).toBe(0);
  const { calls, intact, counts } = JSON.parse(stdout);
  expect(intact).toBe(true);
  expect(calls).toBeGreaterThanOrEqual(1000);
  // It gets past the checks as well as into them.
  for (const outcome of ['resolved', 'returned', 'ERR_TYPE', 'ERR_SHAPE']) {
    expect(counts[outcome], outcome).toBeGreaterThan(5);
  }
});

test('threads that are ended in the midst of work leave the others alone', async () => {
  const program = join(packageFolder, 'scripts/reliability/environments.mjs');
  const { code, stdout, stderr } = await runNode([program, '--terminations', '12']);
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ terminations: 12, checks: 2 });
});

test('run directories with damaged files are read or refused with a code', async () => {
  const { code, stdout, stderr } = await fuzz('fuzz-files.mjs', 5);
  expect(code, stdout + stderr).toBe(0);
  expect(JSON.parse(stdout).tried).toBeGreaterThanOrEqual(5);
});
