/** A stranger installs the package: the tarball, without scripts, without a compiler; trains; takes it away again. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cpuWheel, writeTree } from '../fake-libtorch.ts';
import { packageFolder } from '../support/command.ts';
import { pack, Stranger } from './stranger.ts';

const stranger = new Stranger();
let tarball: ReturnType<typeof pack>;

beforeAll(() => {
  if (!existsSync(join(packageFolder, 'prebuilds/linux-x64/torchvae.glibc.node')))
    throw new Error('Expected prebuilds/linux-x64; run `npm run prebuilds` first');
  tarball = pack(stranger.project);
});

afterAll(() => stranger.remove());

const installed = (path = '') => join(stranger.project, 'node_modules/torchvae', path);

/** Trains a small model, and prints `trained` and what is installed. */
const PROGRAM = `
  const vae = await VAE.create({ spec: { inputShape: [3], encoder: { hidden: [4] }, latentSize: 2 }, device: 'cpu' });
  for await (const { epoch, train } of vae.fit(Dataset.from([[0, 0.5, 1], [1, 0.5, 0]]), { epochs: 2 }))
    if (!Number.isFinite(train.loss)) throw new Error('epoch ' + epoch);
  console.log('trained', vae.step);`;

describe('a stranger', () => {
  test('has neither a compiler nor CMake', () => {
    for (const program of [
      'cc',
      'c++',
      'gcc',
      'g++',
      'clang',
      'clang++',
      'cmake',
      'make',
      'ninja',
      'node-gyp',
    ])
      expect(stranger.run('sh', ['-c', `command -v ${program}`]).status, program).not.toBe(0);
    expect(stranger.run('node', ['--version']).stdout.trim()).toBe(process.version);
  });

  test('installs the tarball', () => {
    writeFileSync(join(stranger.project, 'package.json'), '{ "private": true }\n');
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
    const { status, stderr } = stranger.run('npm', [...args, tarball.path]);
    expect(stderr).not.toMatch(/npm (error|warn deprecated|warn EBADENGINE)/);
    expect(status).toBe(0);
    expect(readdirSync(installed('prebuilds/linux-x64'))).toContain('torchvae.glibc.node');
    expect(existsSync(installed('build'))).toBe(false);
  });

  test('sets libtorch up, and hears that training can run', () => {
    const setup = stranger.run('npx', ['torchvae', 'setup', '--build', 'cpu']);
    expect(setup.stdout, setup.stderr).toMatch(/^libtorch 2\.13\.0 \(cpu\) (was already|is now) in /);
    const doctor = stranger.run('npx', ['torchvae', 'doctor']);
    expect(doctor.stdout).toContain('Training can run.');
    expect(doctor.stdout).toContain(installed('prebuilds/linux-x64/torchvae.glibc.node'));
    expect(doctor.status).toBe(0);
  });

  test('trains from a module', () => {
    writeFileSync(join(stranger.project, 'a.mjs'), `import { Dataset, VAE } from 'torchvae';${PROGRAM}`);
    expect(stranger.run('node', ['a.mjs'])).toMatchObject({ status: 0, stdout: 'trained 2\n' });
  });

  test('trains from CommonJS', () => {
    const program = `const { Dataset, VAE } = require('torchvae');\n(async () => {${PROGRAM}\n})();`;
    writeFileSync(join(stranger.project, 'b.cjs'), program);
    expect(stranger.run('node', ['b.cjs'])).toMatchObject({ status: 0, stdout: 'trained 2\n' });
  });

  test('trains from TypeScript, which is checked and compiled', () => {
    writeFileSync(join(stranger.project, 'c.mts'), `import { Dataset, VAE } from 'torchvae';${PROGRAM}`);
    const tsc = join(packageFolder, 'node_modules/typescript/bin/tsc');
    const types = ['--typeRoots', join(packageFolder, 'node_modules/@types'), '--types', 'node'];
    const flags = ['--strict', '--exactOptionalPropertyTypes', '--module', 'nodenext', '--target', 'es2023'];
    const lib = ['--lib', 'es2023,esnext.disposable'];
    expect(stranger.run('node', [tsc, ...flags, ...lib, ...types, 'c.mts'])).toMatchObject({
      status: 0,
      stdout: '',
    });
    expect(stranger.run('node', ['c.mjs'])).toMatchObject({ status: 0, stdout: 'trained 2\n' });
  });

  test('trains from the command line', () => {
    const args = ['torchvae', 'train', '--count', '200', '--epochs', '1', '--device', 'cpu', '--out', 'run'];
    const { status, stderr } = stranger.run('npx', args);
    expect(status, stderr).toBe(0);
    expect(readdirSync(join(stranger.project, 'run'))).toContain('checkpoint.safetensors');
  });

  test('hears which libtorch has an engine, where it names another', () => {
    writeTree(join(stranger.temporary, 'libtorch'), cpuWheel('2.10.1'));
    const TORCHVAE_LIBTORCH = join(stranger.temporary, 'libtorch');
    const { status, stderr } = stranger.run('node', ['a.mjs'], { TORCHVAE_LIBTORCH });
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /Expected libtorch [\d., ]*2\.13[\d., ]* for TORCHVAE_LIBTORCH but .* is version 2\.10\.1/,
    );
    expect(stderr).toContain("code: 'ERR_LIBTORCH'");
  });

  test('hears what to install for a build from source', () => {
    const { status, stderr } = stranger.run('npx', ['torchvae', 'build']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/needs CMake 3\.21 or newer, a C\+\+20 compiler .*, Ninja or Make/);
    expect(stderr).toContain('apt-get install g++ cmake ninja-build');
  });

  test('takes it away without a trace', () => {
    expect(stranger.run('npm', ['uninstall', '--no-audit', '--no-fund', 'torchvae']).status).toBe(0);
    expect(existsSync(installed())).toBe(false);
    // npm keeps its own list, and the folder of commands though it is empty.
    const left = stranger.names(join(stranger.project, 'node_modules'));
    expect(left.filter((name) => !['.bin', '.package-lock.json'].includes(name))).toEqual([]);
    expect(readFileSync(join(stranger.project, 'package.json'), 'utf8')).not.toContain('torchvae');
    expect(stranger.names(stranger.home)).toEqual([]);
    // What the test itself has put there.
    expect(stranger.names(stranger.temporary).filter((name) => !name.startsWith('libtorch'))).toEqual([]);
  });
});
