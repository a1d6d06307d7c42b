/** Binding and engine of two versions, and binaries that are missing or damaged: refused in words, each in a process. */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { packageVersion } from '../lib/package.ts';
import { adviseOn } from '../lib/runtime/addon.ts';
import { isRecentGlibc } from '../lib/runtime/libc.ts';
import { findLibtorch } from '../lib/runtime/libtorch.ts';
import { temporaryFolder, versionPy, writeTree } from './fake-libtorch.ts';
import { packageFolder, runNode } from './support/command.ts';

let folder: string;
const binaries = () => join(folder, 'prebuilds', `${process.platform}-${process.arch}`);
const libtorch = findLibtorch({ build: 'cpu', minors: builtMinors() });
const addon = () => join(binaries(), 'torchvae.glibc.node');
const engine = () => join(binaries(), `libtorchvae-${libtorch.minor}.so`);

/** The versions that the last build left an engine for. */
function builtMinors(): string[] {
  const names = readdirSync(join(packageFolder, 'build/Release'));
  return names.flatMap((name) => /^libtorchvae-(\d+\.\d+)\.so$/.exec(name)?.[1] ?? []);
}

/** A copy of the package as it is installed. */
beforeAll(() => {
  folder = temporaryFolder();
  mkdirSync(binaries(), { recursive: true });
  cpSync(join(packageFolder, 'dist'), join(folder, 'dist'), { recursive: true });
  symlinkSync(join(packageFolder, 'node_modules'), join(folder, 'node_modules'));
});

/** What a test may damage. */
beforeEach(() => {
  copyFileSync(join(packageFolder, 'package.json'), join(folder, 'package.json'));
  const built = join(packageFolder, 'build/Release');
  for (const name of readdirSync(binaries())) rmSync(join(binaries(), name));
  copyFileSync(join(built, 'torchvae.node'), addon());
  copyFileSync(join(built, `libtorchvae-${libtorch.minor}.so`), engine());
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What opening the engine comes to: `opened`, or the error's code and message. */
async function open(): Promise<string> {
  writeFileSync(
    join(folder, 'open.mjs'),
    `import { loadEngine } from './dist/runtime/addon.js';
    try { loadEngine({ device: 'cpu', libtorch: process.argv[2] }); console.log('opened'); }
    catch ({ code, message }) { console.log(code + ': ' + message); }
    process.exit(0);`,
  );
  const { code, stdout, stderr } = await runNode(['open.mjs', libtorch.root], { cwd: folder });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trim();
}

/** Replaces bytes of a file by as many others; they must be there. */
function doctor(path: string, from: Buffer, to: Buffer): void {
  const bytes = readFileSync(path);
  let at = bytes.indexOf(from);
  expect(at, `${path} holds ${from}`).toBeGreaterThan(-1);
  for (; at >= 0; at = bytes.indexOf(from, at + 1)) to.copy(bytes, at);
  writeFileSync(path, bytes);
}

const text = (version: string) => Buffer.from(`\0${version}\0`);

describe.runIf(process.platform === 'linux')('parts of a package', () => {
  test('of one version open', async () => {
    expect(await open()).toBe('opened');
  });

  test('an addon of another version than the package is refused', async () => {
    doctor(addon(), text(packageVersion()), text('0.0.9'));
    const expected = `Expected version ${packageVersion()} of ${addon()} but it is of version 0.0.9; reinstall`;
    expect(await open()).toContain(`ERR_ADDON: ${expected}`);
  });

  test('an engine of another version than the addon is refused', async () => {
    doctor(addon(), text(packageVersion()), text('0.0.9'));
    doctor(join(folder, 'package.json'), Buffer.from(`"${packageVersion()}"`), Buffer.from('"0.0.9"'));
    const expected = `Expected version 0.0.9 of ${engine()} but it is of version ${packageVersion()}; reinstall`;
    expect(await open()).toContain(`ERR_ADDON: ${expected}`);
  });

  test.runIf(process.arch === 'x64')(
    'an engine of another interface is refused before it is used',
    async () => {
      const header = readFileSync(join(packageFolder, 'native/interface/engine.h'), 'utf8');
      const number = Number(/kEngineInterface = (\d+);/.exec(header)?.[1]);
      const symbols = spawnSync('readelf', ['--dyn-syms', '--wide', engine()], { encoding: 'utf8' }).stdout;
      const start = Number.parseInt(/([0-9a-f]+)\s+\d+ FUNC .* torchvae_engine$/m.exec(symbols)![1]!, 16);
      const bytes = readFileSync(engine());
      // Its first instruction compares the argument with the number: cmp edi, imm8. Code lies in the file where it is loaded.
      expect([...bytes.subarray(start, start + 3)]).toEqual([0x83, 0xff, number]);
      bytes[start + 2] = number - 1;
      writeFileSync(engine(), bytes);
      expect(await open()).toMatch(
        new RegExp(`^ERR_ADDON: Expected interface ${number} in \\S+ but it is of another torchvae version`),
      );
    },
  );

  test('an engine that is no library is refused', async () => {
    writeFileSync(engine(), 'an engine');
    expect(await open()).toMatch(/^ERR_ADDON: Cannot open \S+\.so: .* Reinstall torchvae/s);
  });

  test('no engine, and no addon, are missed in words', async () => {
    rmSync(engine());
    expect(await open()).toMatch(
      /^ERR_ADDON: Expected an engine named libtorchvae-VERSION\.so in .*; reinstall/,
    );
    rmSync(addon());
    const answer = await open();
    expect(answer).toMatch(/^ERR_ADDON: The addon for linux-\w+ could not be loaded\. Tried:\n/);
    expect(answer).toContain(`${addon()}: does not exist`);
    expect(answer).toContain('npx torchvae build');
  });

  test("the CPU is there where libtorch's CUDA half cannot be opened", async () => {
    const broken = join(folder, 'broken');
    const [whole, lib] = [join(libtorch.root, 'lib'), join(broken, 'torch/lib')];
    mkdirSync(lib, { recursive: true });
    for (const name of readdirSync(whole)) symlinkSync(join(whole, name), join(lib, name));
    // Libraries of NVIDIA's that wheels look for there.
    symlinkSync(join(libtorch.root, '../nvidia'), join(broken, 'nvidia'));
    writeTree(broken, {
      'torch/version.py': versionPy(libtorch.version, '13.0'),
      'torch/lib/libc10_cuda.so': 'c10_cuda',
      'torch/lib/libtorch_cuda.so': 'torch_cuda',
      'driver/libcuda.so.1': 'driver',
    });
    writeFileSync(join(binaries(), `libtorchvae_cuda-${libtorch.minor}.so`), 'part');
    const device = async (name: string, env: NodeJS.ProcessEnv = {}) => {
      writeFileSync(
        join(folder, 'device.mjs'),
        `import { Device } from './dist/runtime/device.js';
        try { console.log(Device.open(process.argv[2], process.argv[3]).name); }
        catch ({ code, message }) { console.log(code + ': ' + message); }
        process.exit(0);`,
      );
      const LD_LIBRARY_PATH = join(broken, 'driver');
      const options = { cwd: folder, env: { ...process.env, LD_LIBRARY_PATH, ...env } };
      return (await runNode(['device.mjs', name, broken], options)).stdout.trim();
    };
    expect(await device('cpu')).toBe('cpu');
    expect(await device('auto')).toMatch(/^ERR_LIBTORCH: Cannot open \S+libc10_cuda\.so: /);
    expect(await device('auto', { CUDA_VISIBLE_DEVICES: '' })).toBe('cpu');
    expect(await device('cuda', { CUDA_VISIBLE_DEVICES: '-1' })).toMatch(
      /CUDA_VISIBLE_DEVICES hides all GPUs/,
    );
  });

  test('what was built is preferred to what came, and stands beside it', async () => {
    const built = join(folder, 'build/Release');
    mkdirSync(built, { recursive: true });
    copyFileSync(addon(), join(built, 'torchvae.node'));
    copyFileSync(engine(), join(built, 'libtorchvae-2.99.so'));
    expect(await open()).toBe('opened');
    writeFileSync(join(built, `libtorchvae-${libtorch.minor}.so`), 'an engine');
    expect(await open()).toMatch(/Cannot open \S+build\/Release\S+\.so: /);
    rmSync(built, { recursive: true });
  });

  test('an engine for another libtorch than is named is no engine', async () => {
    copyFileSync(engine(), join(binaries(), 'libtorchvae-2.99.so'));
    rmSync(engine());
    const answer = await open();
    expect(answer).toContain(`npx torchvae build --libtorch ${libtorch.root}`);
    expect(answer).toMatch(
      /^ERR_LIBTORCH: Expected libtorch 2\.99 for the option libtorch but .* is version/,
    );
  });
});

describe('a system on which the addon does not load', () => {
  const advice = (platform: string, arch: string, glibc?: string) => adviseOn({ platform, arch, glibc });

  test('hears why, and what to do', () => {
    expect(advice('linux', 'x64')).toMatch(
      /need glibc 2\.28 or newer.*another C library \(musl.*node:22-slim/,
    );
    expect(advice('linux', 'x64', '2.17')).toMatch(
      /need glibc 2\.28 or newer, but this system has glibc 2\.17/,
    );
    expect(advice('linux', 'x64', '2.36')).toMatch(/A binary for this system comes with torchvae; reinstall/);
    expect(advice('darwin', 'arm64')).toMatch(/Prebuilt binaries exist for linux-x64.*npx torchvae build/);
    expect(advice('linux', 'arm64', '2.36')).toContain('npx torchvae build');
  });

  test('glibc is compared by numbers', () => {
    expect(['2.28', '2.100', '3.0', '2.9', '2.27', undefined].map(isRecentGlibc)).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});
