/** Values that another realm or another copy of the package made, as test runners and monorepos bring them together. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Dataset, TableSchema, VAE } from '../lib/index.ts';
import { packageFolder } from './support/command.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-realms-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('a data set and a schema of another copy of the package are taken as such', async () => {
  const other = await import(new URL('../dist/index.js', import.meta.url).href);
  expect(other.Dataset).not.toBe(Dataset);
  const data = await other.Dataset.fromRecords([{ a: 1 }, { a: 2 }, { a: 4 }]);
  expect(data instanceof Dataset).toBe(true);
  expect(data.schema instanceof TableSchema).toBe(true);
  using vae = await VAE.create({ spec: { inputShape: [1], likelihood: 'gaussian' }, device: 'cpu' });
  await vae.fit(data, { epochs: 1 });
  expect((await vae.score(data)).length).toBe(3);
  const again = await Dataset.fromRecords([{ a: 2 }], { schema: data.schema });
  expect((await vae.score(again)).length).toBe(1);
  // What only looks like one is not.
  for (const no of [null, undefined, 1, 'x', {}, [], { ...data }]) expect(no instanceof Dataset).toBe(false);
});

test('typed arrays and rows of another realm are read as those of this one', async () => {
  using vae = await VAE.create({ spec: { inputShape: [2] }, device: 'cpu' });
  const [floats, bytes, labels, rows] = runInNewContext(
    '[Float32Array.of(0, 1, 0.5, 0.25), Uint8Array.of(0, 255), Int32Array.of(0, 1), [[0, 1], [1, 0]]]',
  );
  expect(floats instanceof Float32Array).toBe(false);
  expect(await vae.score(floats)).toEqual(await vae.score(Float32Array.of(0, 1, 0.5, 0.25)));
  expect((await vae.score(bytes)).length).toBe(1);
  const data = Dataset.from(floats, { shape: [2], labels });
  expect([...data.labels!]).toEqual([0, 1]);
  expect([...new Dataset({ shape: [2], kind: 'unit', data: floats, labels }).data]).toEqual([
    0, 1, 0.5, 0.25,
  ]);
  expect(Dataset.from(rows).length).toBe(2);
  await vae.fit(data, { epochs: 1 });
});

test('without a package.json above, as in a bundle, the way out is named', () => {
  cpSync(join(packageFolder, 'dist'), join(folder, 'bundle'), { recursive: true });
  symlinkSync(join(packageFolder, 'node_modules'), join(folder, 'node_modules'));
  const script = `const { VAE } = await import(${JSON.stringify(join(folder, 'bundle', 'index.js'))});
    const error = await VAE.create({ device: 'cpu' }).catch((caught) => caught);
    console.log(error.code, error.message);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 20_000,
    cwd: packageFolder,
  });
  expect(stdout, stderr).toMatch(/^ERR_ADDON .*package\.json.*external: torchvae/);
});
