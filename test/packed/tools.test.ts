/** Test runners and bundlers that people use: the installed package works in them, or says what to do. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pack, Stranger } from './stranger.ts';

const stranger = new Stranger();

/** Exact versions, so that a new one fails no build. */
const TOOLS = ['esbuild@0.28.2', 'jest@30.5.2', 'vitest@4.1.12', 'webpack@5.112.2', 'webpack-cli@7.3.1'];

const put = (name: string, text: string) => writeFileSync(join(stranger.project, name), text);

beforeAll(() => {
  put('package.json', '{ "private": true, "type": "module" }\n');
  const { path } = pack(stranger.project);
  const args = ['install', '--no-audit', '--no-fund', '--prefer-offline', path, ...TOOLS];
  const { status, stderr } = stranger.run('npm', args);
  if (status !== 0) throw new Error(stderr);
});

afterAll(() => stranger.remove());

const PROGRAM = `
import { Dataset, loadDataset, VAE } from 'torchvae';
const vae = await VAE.create({ spec: { inputShape: [2], encoder: { hidden: [4] }, latentSize: 2 }, device: 'cpu' });
await vae.fit(Dataset.from(Float32Array.of(0, 0.5, 1, 0.5), { shape: [2] }), { epochs: 2 });
const { mean } = await vae.encode(Float32Array.of(0, 1));
console.log('trained', vae.step, mean.shape.join());
`;

/** A test that trains, reads and aborts, with values of the runner's realm. */
const RUNNER_TEST = `
import { Dataset, VAE } from 'torchvae';

test('trains', async () => {
  const vae = await VAE.create({ spec: { inputShape: [2], encoder: { hidden: [4] }, latentSize: 2 }, device: 'cpu' });
  const data = Dataset.from(Float32Array.of(0, 0.5, 1, 0.5), { shape: [2], labels: Int32Array.of(0, 1) });
  const { train } = await vae.fit(data, { epochs: 2 });
  expect(Number.isFinite(train.loss)).toBe(true);
  expect((await vae.score(Float32Array.of(0, 1))).length).toBe(1);
  const table = await Dataset.fromRecords([{ a: 1, on: new Date(0) }, { a: 2, on: new Date(1e11) }]);
  expect(table.length).toBe(2);
  await expect(vae.fit(data, { epochs: 1e6, signal: AbortSignal.timeout(50) })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  await expect(VAE.create({ preset: 'none' })).rejects.toMatchObject({ name: 'TorchvaeError', code: 'ERR_RANGE' });
  vae.dispose();
});
`;

test('jest, with ES modules', () => {
  put(
    'jest.config.json',
    '{ "testEnvironment": "node", "testMatch": ["**/jest.test.mjs"], "transform": {}, "moduleFileExtensions": ["mjs", "js"] }',
  );
  put('jest.test.mjs', RUNNER_TEST);
  const options = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js'];
  const { status, stderr } = stranger.run('node', options);
  expect(stderr).toMatch(/Tests: +1 passed, 1 total/);
  expect(status, stderr).toBe(0);
});

test.each(['threads', 'vmThreads', 'forks', 'vmForks'])('vitest, in the pool %s', (pool) => {
  put('vitest.test.mjs', `import { expect, test } from 'vitest';${RUNNER_TEST}`);
  const { status, stdout, stderr } = stranger.run('npx', [
    'vitest',
    'run',
    '--pool',
    pool,
    'vitest.test.mjs',
  ]);
  expect(status, stdout + stderr).toBe(0);
});

test('esbuild: marked external it works, bundled it says what to do', () => {
  put('program.mjs', PROGRAM);
  const bundle = (...flags: string[]) =>
    stranger.run('npx', [
      'esbuild',
      'program.mjs',
      '--bundle',
      '--platform=node',
      '--format=esm',
      '--target=node20',
      ...flags,
    ]);
  expect(bundle('--external:torchvae', '--outfile=out/external.mjs').status).toBe(0);
  expect(stranger.run('node', ['out/external.mjs'])).toMatchObject({ status: 0, stdout: 'trained 2 1,2\n' });
  const whole = bundle(
    '--packages=external',
    '--alias:torchvae=./node_modules/torchvae/dist/index.js',
    '--outfile=out/whole.mjs',
  );
  expect(whole.status, whole.stderr).toBe(0);
  const { status, stderr } = stranger.run('node', ['out/whole.mjs']);
  expect(status).toBe(1);
  expect(stderr).toMatch(/ERR_ADDON/);
  expect(stderr).toMatch(/external: torchvae/);
});

test('webpack: marked external it works', () => {
  put('program.mjs', PROGRAM);
  const config = {
    mode: 'production',
    target: 'node20',
    entry: './program.mjs',
    output: { filename: 'webpacked.mjs', module: true },
    externals: { torchvae: 'module torchvae' },
    experiments: { outputModule: true },
  };
  put('webpack.config.mjs', `export default ${JSON.stringify(config)};\n`);
  const packed = stranger.run('npx', ['webpack']);
  expect(packed.status, packed.stdout + packed.stderr).toBe(0);
  expect(stranger.run('node', ['dist/webpacked.mjs'])).toMatchObject({
    status: 0,
    stdout: 'trained 2 1,2\n',
  });
});
