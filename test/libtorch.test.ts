import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findNvidiaDriver } from '../lib/runtime/driver.ts';
import { findLibtorch } from '../lib/runtime/libtorch.ts';
import {
  cpuWheel,
  cudaWheel,
  type Files,
  fakePython,
  officialZip,
  temporaryFolder,
  writeTree,
} from './fake-libtorch.ts';

// The fakes have Linux's library names, and what is installed here must not be found.
const onLinux = describe.runIf(process.platform === 'linux');

let folder: string;

beforeEach(() => {
  folder = temporaryFolder();
  vi.stubEnv('TORCHVAE_CACHE', join(folder, 'cache'));
  vi.stubEnv('TORCHVAE_PYTHON', join(folder, 'no-python'));
  vi.stubEnv('TORCHVAE_LIBTORCH', '');
  vi.stubEnv('TORCHVAE_LIBTORCH_ANY_VERSION', '');
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

function place(name: string, files: Files): string {
  writeTree(join(folder, name), files);
  return join(folder, name);
}

/** As `torchvae setup` leaves it. */
function install(name: string, files: Files, runtime = 'full'): string {
  return place(`cache/libtorch/${name}`, { ...files, 'torchvae.json': JSON.stringify({ runtime }, null, 2) });
}

function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toMatchObject({ name: 'TorchvaeError', code: 'ERR_LIBTORCH' });
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
}

onLinux('what a folder holds', () => {
  it('describes a CPU wheel', () => {
    const site = place('site-packages', cpuWheel('2.13.0'));
    expect(findLibtorch({ root: join(site, 'torch') })).toEqual({
      root: join(site, 'torch'),
      version: '2.13.0',
      minor: '2.13',
      build: 'cpu',
      hasCuda: false,
      minimal: false,
      source: 'option',
      cpuLibraries: [join(site, 'torch/lib/libc10.so'), join(site, 'torch/lib/libtorch_cpu.so')],
      cudaLibraries: [],
    });
  });

  it('describes a CUDA wheel, named by the folder around it', () => {
    const site = place('site-packages', cudaWheel('2.14.1'));
    expect(findLibtorch({ root: site })).toMatchObject({
      root: join(site, 'torch'),
      version: '2.14.1',
      build: 'cu130',
      hasCuda: true,
      cudaLibraries: [join(site, 'torch/lib/libc10_cuda.so'), join(site, 'torch/lib/libtorch_cuda.so')],
    });
  });

  it('describes the official zip, and a build that states its version in a header only', () => {
    const zip = place('zip', officialZip('2.12.1'));
    expect(findLibtorch({ root: zip })).toMatchObject({
      root: join(zip, 'libtorch'),
      version: '2.12.1',
      build: 'cu130',
    });
    rmSync(join(zip, 'libtorch/build-version'));
    expect(messageOf(() => findLibtorch({ root: zip }))).toContain('does not say which version it is');
    writeTree(join(zip, 'libtorch'), {
      'include/torch/headeronly/version.h': '#define TORCH_VERSION "2.12.3"\n',
    });
    expect(findLibtorch({ root: zip }).version).toBe('2.12.3');
  });

  it('reads the CUDA version of a wheel without a suffix, and calls a CUDA wheel without its CUDA half a CPU build', () => {
    const site = place('site', {
      ...cudaWheel('2.13.0'),
      'torch/version.py': "__version__ = '2.13.0'\ncuda = '12.8'\n",
    });
    expect(findLibtorch({ root: site }).build).toBe('cu128');
    rmSync(join(site, 'torch/lib/libtorch_cuda.so'));
    expect(findLibtorch({ root: site })).toMatchObject({ build: 'cpu', hasCuda: false, cudaLibraries: [] });
  });
});

onLinux('the order of places', () => {
  it('is option, variable, cache, Python', () => {
    const python = fakePython(folder, { importable: join(place('site', cpuWheel('2.11.0')), 'torch') });
    vi.stubEnv('TORCHVAE_PYTHON', python.program);
    expect(findLibtorch()).toMatchObject({ version: '2.11.0', source: 'python' });
    install('2.13.0-cpu', cpuWheel('2.13.0'));
    expect(findLibtorch()).toMatchObject({ version: '2.13.0', source: 'cache' });
    vi.stubEnv('TORCHVAE_LIBTORCH', place('variable', cpuWheel('2.14.0')));
    expect(findLibtorch()).toMatchObject({ version: '2.14.0', source: 'environment' });
    expect(findLibtorch({ root: place('option', cpuWheel('2.15.0')) })).toMatchObject({
      version: '2.15.0',
      source: 'option',
    });
  });

  it('uses or refuses a folder that was named, never passes it over', () => {
    install('2.13.0-cpu', cpuWheel('2.13.0'));
    vi.stubEnv('TORCHVAE_LIBTORCH', join(folder, 'gone'));
    expect(messageOf(() => findLibtorch())).toMatch(/TORCHVAE_LIBTORCH but .*gone does not exist/);
    mkdirSync(join(folder, 'empty'));
    expect(messageOf(() => findLibtorch({ root: join(folder, 'empty') }))).toContain(
      'holds no lib/libtorch_cpu.so',
    );
  });

  it('says everything that was tried and what to do', () => {
    install('2.10.0-cpu', cpuWheel('2.10.0'));
    install('.tmp-unfinished', cpuWheel('2.13.0'));
    const message = messageOf(() => findLibtorch());
    expect(message).toContain('Expected to find libtorch 2.11, 2.12, 2.13, 2.14, 2.15');
    expect(message).toContain('the option libtorch: not given');
    expect(message).toContain('the variable TORCHVAE_LIBTORCH: not set');
    expect(message).toMatch(/the cache .*2\.10\.0-cpu\/torch is version 2\.10\.0\n/);
    expect(message).toMatch(/Python's torch \(.*no-python\): could not be run \(ENOENT\)/);
    expect(message).toContain('npx torchvae setup');
  });

  it('does not take a folder called torch in the working directory for an importable torch', ({ skip }) => {
    vi.stubEnv('TORCHVAE_PYTHON', 'python3');
    const before = process.cwd();
    try {
      process.chdir(place('work', cpuWheel('2.13.0')));
      const message = messageOf(() => findLibtorch({ minors: ['2.99'] }));
      if (message.includes('could not be run')) skip();
      expect(message).not.toContain(join(folder, 'work'));
    } finally {
      process.chdir(before);
    }
  });
});

onLinux('the version gate', () => {
  it('refuses a version that there is no engine for, unless the variable lifts it', () => {
    const root = place('old', cpuWheel('2.10.1'));
    expect(messageOf(() => findLibtorch({ root }))).toMatch(
      /old\/torch is version 2\.10\.1.*TORCHVAE_LIBTORCH_ANY_VERSION=1/s,
    );
    vi.stubEnv('TORCHVAE_LIBTORCH_ANY_VERSION', '1');
    expect(findLibtorch({ root }).version).toBe('2.10.1');
  });

  it('takes the version asked for out of the cache', () => {
    install('2.13.0-cpu', cpuWheel('2.13.0'));
    install('2.14.1-cpu', cpuWheel('2.14.1'));
    expect(findLibtorch({ minors: ['2.14'] }).version).toBe('2.14.1');
    expect(messageOf(() => findLibtorch({ minors: ['2.12'] }))).toContain(
      'Expected to find libtorch 2.12 but found none',
    );
  });
});

onLinux('which of several in the cache', () => {
  it('is the default version, then the newest', () => {
    install('2.12.1-cpu', cpuWheel('2.12.1'));
    install('2.15.0-cpu', cpuWheel('2.15.0'));
    expect(findLibtorch().version).toBe('2.15.0');
    install('2.13.0-cpu', cpuWheel('2.13.0'));
    expect(findLibtorch().version).toBe('2.13.0');
  });

  it('follows the build asked for', () => {
    install('2.13.0-cpu', cpuWheel('2.13.0'));
    expect(messageOf(() => findLibtorch({ build: 'cuda' }))).toContain('has no CUDA half');
    install('2.13.0-cuda', cudaWheel('2.13.0'));
    expect(findLibtorch({ build: 'cuda' }).hasCuda).toBe(true);
    expect(findLibtorch({ build: 'cpu' }).hasCuda).toBe(false);
  });

  it('follows the machine: CUDA where a driver is', () => {
    install('2.13.0-cpu', cpuWheel('2.13.0'));
    install('2.13.0-cuda', cudaWheel('2.13.0'));
    expect(findLibtorch().hasCuda).toBe(findNvidiaDriver() !== undefined);
    vi.stubEnv('LD_LIBRARY_PATH', place('driver', { 'libcuda.so.1': 'driver' }));
    expect(findLibtorch().hasCuda).toBe(true);
  });

  it('is a minimal one last', () => {
    install('2.13.0-cuda-minimal', cudaWheel('2.13.0'), 'minimal');
    expect(findLibtorch()).toMatchObject({ version: '2.13.0', minimal: true });
    install('2.12.0-cuda', cudaWheel('2.12.0'));
    expect(findLibtorch({ build: 'cuda' })).toMatchObject({ version: '2.12.0', minimal: false });
  });
});

onLinux('bad arguments', () => {
  it('are named', () => {
    expect(() => findLibtorch({ root: 3 as never })).toThrow(/Expected a folder for the option libtorch/);
    expect(() => findLibtorch({ build: 'gpu' as never })).toThrow(/one of auto, cpu, cuda for build/);
    expect(() => findLibtorch({ rooot: '/' } as never)).toThrow(/Unknown option rooot/);
    writeFileSync(join(folder, 'file'), '');
    expect(() => findLibtorch({ root: join(folder, 'file') })).toThrow(/holds no lib/);
  });
});
