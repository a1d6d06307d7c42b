import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findLibtorch } from '../lib/runtime/libtorch.ts';
import { fetchToFile } from '../lib/setup/fetch.ts';
import { takeLock } from '../lib/setup/lock.ts';
import type { SetupProgress } from '../lib/setup/progress.ts';
import { type SetupOptions, setupLibtorch } from '../lib/setup/setup.ts';
import {
  cpuWheel,
  cudaWheel,
  type FakePythonOptions,
  type Files,
  fakePython,
  officialZip,
  temporaryFolder,
  writeTree,
  zip,
} from './fake-libtorch.ts';

// The fakes have Linux's library names.
const onLinux = describe.runIf(process.platform === 'linux');

let folder: string;
let cache: string;

beforeEach(() => {
  folder = temporaryFolder();
  cache = join(folder, 'cache/libtorch');
  vi.stubEnv('TORCHVAE_CACHE', join(folder, 'cache'));
  vi.stubEnv('TORCHVAE_PYTHON', join(folder, 'no-python'));
  vi.stubEnv('TORCHVAE_LIBTORCH', '');
  vi.stubEnv('TORCHVAE_LIBTORCH_ANY_VERSION', '');
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

function usePython(options: FakePythonOptions) {
  const python = fakePython(folder, options);
  vi.stubEnv('TORCHVAE_PYTHON', python.program);
  return python;
}

/** All files below an installation, without licenses and the like. */
function filesOf(name: string): string[] {
  return readdirSync(join(cache, name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('.dist-info'))
    .map((entry) => join(entry.parentPath, entry.name).slice(join(cache, name).length + 1))
    .sort();
}

function archive(files: Files, name = 'archive.zip'): string {
  writeFileSync(join(folder, name), zip(files));
  return join(folder, name);
}

async function failure(options: SetupOptions): Promise<{ code: string; message: string }> {
  const error = await setupLibtorch(options).then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toMatchObject({ name: 'TorchvaeError' });
  return error;
}

/** Nothing but finished installations may remain, whatever happened. */
function expectClean(...names: string[]): void {
  expect(existsSync(cache) ? readdirSync(cache).sort() : []).toEqual(names);
}

const CPU_TREE = [
  'torch/include/ATen/ATen.h',
  'torch/include/torch/csrc/api/include/torch/all.h',
  'torch/lib/libc10.so',
  'torch/lib/libgomp.so.1',
  'torch/lib/libtorch.so',
  'torch/lib/libtorch_cpu.so',
  'torch/lib/libtorch_global_deps.so',
  'torch/version.py',
  'torchvae.json',
];

onLinux('what is installed', () => {
  it('from a CPU wheel: libraries and headers, nothing of Python', async () => {
    const python = usePython({ torch: { '2.13.0': cpuWheel('2.13.0') } });
    const { libtorch, installed } = await setupLibtorch({ build: 'cpu' });
    expect(installed).toBe(true);
    expect(libtorch).toMatchObject({
      root: join(cache, '2.13.0-cpu/torch'),
      version: '2.13.0',
      build: 'cpu',
    });
    expect(filesOf('2.13.0-cpu')).toEqual(CPU_TREE);
    expect(existsSync(join(cache, '2.13.0-cpu/torch-2.13.0.dist-info/licenses/LICENSE'))).toBe(true);
    expect(python.requests()).toEqual(['torch==2.13.0']);
    expect(findLibtorch()).toEqual(libtorch);
    expectClean('2.13.0-cpu');
  });

  it('from a CUDA wheel with the CPU wanted: no CUDA half, but cudart and cupti where the RPATHs point', async () => {
    const python = usePython({ torch: { '2.14.1': cudaWheel('2.14.1') } });
    const { libtorch } = await setupLibtorch({ version: '2.14.1', build: 'cpu' });
    expect(libtorch).toMatchObject({ version: '2.14.1', build: 'cpu', hasCuda: false });
    const nvidia = ['nvidia/cu13/lib/libcudart.so.13', 'nvidia/cu13/lib/libcupti.so.13'];
    expect(filesOf('2.14.1-cpu')).toEqual([...nvidia, ...CPU_TREE]);
    expect(python.requests()).toEqual([
      'torch==2.14.1',
      'cuda-toolkit==13.0.3',
      'nvidia-cuda-runtime==13.0.96.* nvidia-cuda-cupti==13.0.85.*',
    ]);
  });

  it('with CUDA: every NVIDIA package that METADATA names, as pinned, and the headers of the compiler', async () => {
    const python = usePython({ torch: { '2.13.0': cudaWheel('2.13.0') } });
    const { libtorch } = await setupLibtorch({ build: 'cuda' });
    expect(libtorch).toMatchObject({ build: 'cu130', hasCuda: true, minimal: false });
    expect(python.requests()[2]!.split(' ').sort()).toEqual([
      // Named twice, by a range and by a pin.
      'nvidia-cublas<=13.1.1.3,>=13.1.0.3,==13.1.1.3.*',
      'nvidia-cuda-cccl==13.0.85.*',
      'nvidia-cuda-crt==13.0.88.*',
      'nvidia-cuda-cupti==13.0.85.*',
      'nvidia-cuda-nvrtc==13.0.88.*',
      'nvidia-cuda-runtime==13.0.96.*',
      'nvidia-cudnn-cu13==9.20.0.48',
      'nvidia-cusolver==12.0.4.66.*',
      'nvidia-cusparse==12.6.3.3.*',
      'nvidia-nvjitlink<14,>=13.0.88',
    ]);
    const files = filesOf('2.13.0-cuda');
    for (const name of ['libcublas.so.13', 'libcudnn.so.9', 'libnvJitLink.so.13', 'libcudart.so.13']) {
      expect(files).toContain(`nvidia/cu13/lib/${name}`);
    }
    expect(files).toContain('nvidia/cu13/include/nv/target');
    expect(files).toContain('torch/lib/libtorch_cuda_linalg.so');
    expect(files.filter((file) => /python|__init__|\.a$|cccl/.test(file))).toEqual([]);
  });

  it('minimal: the CUDA half and all headers, of the run-time libraries only what torch_cpu links', async () => {
    usePython({ torch: { '2.13.0': cudaWheel('2.13.0') } });
    const { libtorch } = await setupLibtorch({ build: 'cuda', runtime: 'minimal' });
    expect(libtorch).toMatchObject({ hasCuda: true, minimal: true });
    const nvidia = filesOf('2.13.0-cuda-minimal').filter((file) => file.startsWith('nvidia/'));
    expect(nvidia).toEqual(
      [
        'include/crt/host_config.h',
        'include/cublas_v2.h',
        'include/cuda_runtime.h',
        'include/cusolverDn.h',
        'include/cusparse.h',
        'include/nv/target',
        'include/nvrtc.h',
        'lib/libcudart.so.13',
        'lib/libcupti.so.13',
      ].map((file) => `nvidia/cu13/${file}`),
    );
  });

  it('from the official zip: the same layout, without pip, leaving out what only CUDA needs', async () => {
    const from = archive(officialZip('2.12.1'));
    await setupLibtorch({ from, build: 'cpu' });
    const files = filesOf('2.12.1-cpu');
    expect(files).toContain('torch/lib/libtorch_cpu.so');
    expect(files).toContain('torch/lib/libcudart-6774fb40.so.13');
    expect(files).toContain('torch/build-version');
    expect(files.filter((file) => /cublas|torch_cuda|\.a$/.test(file))).toEqual([]);
    await setupLibtorch({ from, build: 'cuda' });
    expect(filesOf('2.12.1-cuda')).toContain('torch/lib/libcublas-1a2b3c4d.so.13');
  });

  it('for auto, CUDA where a driver is, but what there is if that is a CPU build', async () => {
    writeTree(folder, { 'driver/libcuda.so.1': 'driver' });
    vi.stubEnv('LD_LIBRARY_PATH', join(folder, 'driver'));
    usePython({ torch: { '2.13.0': cudaWheel('2.13.0'), '2.14.0': cpuWheel('2.14.0') } });
    expect((await setupLibtorch()).libtorch).toMatchObject({ hasCuda: true });
    const notes: SetupProgress[] = [];
    const onProgress = (progress: SetupProgress) => notes.push(progress);
    const { libtorch } = await setupLibtorch({ version: '2.14.0', onProgress });
    expect(libtorch.hasCuda).toBe(false);
    expect(notes.filter(({ phase }) => phase === 'note')).toHaveLength(1);
  });
});

onLinux('repeating', () => {
  it('does nothing where it is done, and everything again when forced or when files are gone', async () => {
    const python = usePython({ torch: { '2.13.0': cpuWheel('2.13.0') } });
    await setupLibtorch({ build: 'cpu' });
    expect(await setupLibtorch({ build: 'cpu' })).toMatchObject({ installed: false });
    expect(python.requests()).toHaveLength(1);
    const library = join(cache, '2.13.0-cpu/torch/lib/libc10.so');
    writeFileSync(library, 'changed');
    expect(await setupLibtorch({ build: 'cpu', force: true })).toMatchObject({ installed: true });
    expect(readFileSync(library, 'utf8')).toBe('c10');
    rmSync(library);
    expect(await setupLibtorch({ build: 'cpu' })).toMatchObject({ installed: true });
    expect(readFileSync(library, 'utf8')).toBe('c10');
    expectClean('2.13.0-cpu');
  });

  it('at the same time: the second waits for the first and then has nothing to do', async () => {
    const python = usePython({ torch: { '2.13.0': cpuWheel('2.13.0') }, delay: 400 });
    const waits: string[] = [];
    const onProgress = ({ phase, message }: SetupProgress) => {
      if (phase === 'wait') waits.push(message);
    };
    const both = [setupLibtorch({ build: 'cpu', onProgress }), setupLibtorch({ build: 'cpu', onProgress })];
    const results = await Promise.all(both);
    expect(results.map(({ installed }) => installed).sort()).toEqual([false, true]);
    expect(python.requests()).toHaveLength(1);
    expect(waits).toEqual([expect.stringContaining(`process ${process.pid}`)]);
    expectClean('2.13.0-cpu');
  });

  it('after a process that died: its lock is broken and its files are removed', async () => {
    usePython({ torch: { '2.13.0': cpuWheel('2.13.0') }, delay: 5_000 });
    const child = setupInChild();
    await until(() => leftovers().some((name) => name.startsWith('.tmp-')));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    expect(leftovers()).toContain('.lock');
    expect(() => findLibtorch()).toThrow(/found none/);

    usePython({ torch: { '2.13.0': cpuWheel('2.13.0') } });
    const started = performance.now();
    await setupLibtorch({ build: 'cpu' });
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(filesOf('2.13.0-cpu')).toEqual(CPU_TREE);
    expectClean('2.13.0-cpu');
  });

  it('after a lock that nobody touches: it is broken, whoever it names', async () => {
    writeTree(folder, { lock: JSON.stringify({ pid: process.pid, host: 'another machine' }) });
    const release = await takeLock(join(folder, 'lock'), { patience: 300 });
    const waiting = takeLock(join(folder, 'lock'), { patience: 1_600 });
    // Longer than the patience: the holder is alive and says so.
    expect(await Promise.race([waiting.then(() => 'taken'), sleep(2_500, 'held')])).toBe('held');
    await release();
    await (await waiting)();
    expect(existsSync(join(folder, 'lock'))).toBe(false);
  });

  it('after a lock that several find dead at once: one of them takes it', async () => {
    const path = join(folder, 'lock');
    const { pid } = spawnSync(process.execPath, ['--version']);
    for (let round = 0; round < 12; round++) {
      writeTree(folder, { lock: JSON.stringify({ pid, host: hostname(), token: `dead-${round}` }) });
      const abort = new AbortController();
      const releases: (() => Promise<void>)[] = [];
      const takers = Array.from({ length: 8 }, () =>
        takeLock(path, { signal: abort.signal }).then(
          (release) => releases.push(release),
          ({ code }) => expect(code).toBe('ERR_ABORTED'),
        ),
      );
      await until(() => releases.length > 0);
      await sleep(50);
      abort.abort();
      await Promise.all(takers);
      expect(releases.length).toBe(1);
      await releases[0]!();
      expect(readdirSync(folder).filter((name) => name.startsWith('lock'))).toEqual([]);
    }
  });

  it('after one that died while it broke a lock: the guard it left is removed', async () => {
    const path = join(folder, 'lock');
    const { pid } = spawnSync(process.execPath, ['--version']);
    const dead = JSON.stringify({ pid, host: hostname(), token: 'dead' });
    writeTree(folder, { lock: dead, 'lock.break': dead });
    const release = await takeLock(path);
    expect(existsSync(`${path}.break`)).toBe(false);
    await release();
  });

  it('whose lock was broken meanwhile: the lock of another stays', async () => {
    const path = join(folder, 'lock');
    const release = await takeLock(path);
    rmSync(path);
    const other = await takeLock(path);
    await release();
    expect(existsSync(path)).toBe(true);
    await other();
    expect(existsSync(path)).toBe(false);
  });

  it('aborted: nothing is left behind', async () => {
    usePython({ torch: { '2.13.0': cpuWheel('2.13.0') }, delay: 60_000 });
    const abort = new AbortController();
    const run = failure({ build: 'cpu', signal: abort.signal });
    await until(() => leftovers().some((name) => name.startsWith('.tmp-')));
    abort.abort();
    expect((await run).code).toBe('ERR_ABORTED');
    expectClean();
  });
});

function leftovers(): string[] {
  return existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('.')) : [];
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !condition(); i++) await sleep(50);
  expect(condition()).toBe(true);
}

/** A setup in a separate process, of the built package: Node 20 runs no TypeScript. */
function setupInChild(): ChildProcess {
  const module = pathToFileURL(join(import.meta.dirname, '../dist/setup/setup.js')).href;
  const program = `import(${JSON.stringify(module)}).then((setup) => setup.setupLibtorch({ build: 'cpu' }))`;
  return spawn(process.execPath, ['-e', program], { stdio: 'ignore' });
}

onLinux('a bad archive', () => {
  it('that reaches outside its folder is refused before anything is written', async () => {
    for (const name of ['../evil', 'torch/../../evil', '/tmp/evil', 'C:/evil']) {
      const { code, message } = await failure({
        from: archive({ ...cpuWheel('2.13.0'), [name]: 'evil' }),
        build: 'cpu',
      });
      expect(code).toBe('ERR_DOWNLOAD');
      expect(message).toMatch(/(absolute|invalid relative) path/);
    }
    expect(existsSync(join(folder, 'cache/evil')) || existsSync(join(cache, 'evil'))).toBe(false);
    expectClean();
  });

  it('that is truncated is refused', async () => {
    const whole = zip(cpuWheel('2.13.0'));
    for (const length of [0, 30, whole.length / 2, whole.length - 1]) {
      writeFileSync(join(folder, 'short.zip'), whole.subarray(0, length));
      const { code, message } = await failure({ from: join(folder, 'short.zip'), build: 'cpu' });
      expect(code).toBe('ERR_DOWNLOAD');
      expect(message).toContain('Expected short.zip to be a whole zip archive');
    }
    expectClean();
  });

  it('with one wrong byte in a library is refused', async () => {
    const bytes = Buffer.from(zip({ ...cpuWheel('2.13.0'), 'torch/lib/libextra.so': 'x' }, 0));
    // Stored as it is, so that the CRC alone can tell.
    const content = bytes.indexOf('libextra.so') + 'libextra.so'.length;
    bytes[content] = bytes[content]! ^ 0xff;
    writeFileSync(join(folder, 'flipped.zip'), bytes);
    const { code, message } = await failure({ from: join(folder, 'flipped.zip'), build: 'cpu' });
    expect(code).toBe('ERR_DOWNLOAD');
    expect(message).toContain('libextra.so: its CRC does not match');
    expectClean();
  });

  it('that is not libtorch, or not there, is refused', async () => {
    const other = await failure({ from: archive({ 'readme.txt': 'hello' }) });
    expect(other).toMatchObject({
      code: 'ERR_LIBTORCH',
      message: expect.stringContaining('official libtorch zip'),
    });
    const gone = await failure({ from: join(folder, 'gone.whl') });
    expect(gone).toMatchObject({ code: 'ERR_IO', message: expect.stringContaining('gone.whl') });
    expectClean();
  });

  it('with another hash than given is refused; with that hash it is installed', async () => {
    const from = archive(cpuWheel('2.13.0'));
    const sha256 = createHash('sha256').update(readFileSync(from)).digest('hex');
    const wrong = await failure({
      from,
      build: 'cpu',
      sha256: sha256.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
    });
    expect(wrong).toMatchObject({ code: 'ERR_DOWNLOAD', message: expect.stringContaining(sha256) });
    expectClean();
    expect((await setupLibtorch({ from, build: 'cpu', sha256: sha256.toUpperCase() })).installed).toBe(true);
  });
});

onLinux('the wrong libtorch', () => {
  it('of a version without an engine is refused, unless the variable lifts the gate', async () => {
    const python = usePython({ torch: { '2.10.0': cpuWheel('2.10.0') } });
    const asked = await failure({ version: '2.10.0', build: 'cpu' });
    expect(asked).toMatchObject({
      code: 'ERR_LIBTORCH',
      message: expect.stringContaining('2.11, 2.12, 2.13'),
    });
    expect(python.requests()).toEqual([]);
    expect((await failure({ from: archive(cpuWheel('2.10.0')), build: 'cpu' })).code).toBe('ERR_LIBTORCH');
    vi.stubEnv('TORCHVAE_LIBTORCH_ANY_VERSION', '1');
    expect((await setupLibtorch({ version: '2.10.0', build: 'cpu' })).libtorch.version).toBe('2.10.0');
  });

  it('of another version than asked, or without CUDA where that was asked, is refused', async () => {
    const from = archive(cpuWheel('2.13.0'));
    expect((await failure({ from, version: '2.14.0' })).message).toBe(
      'Expected libtorch 2.14.0 but the archive holds 2.13.0.',
    );
    const cuda = await failure({ from, build: 'cuda' });
    expect(cuda).toMatchObject({ code: 'ERR_LIBTORCH', message: expect.stringContaining('a CPU build') });
    expectClean();
  });
});

onLinux('pip', () => {
  it('is asked for a wheel of another Python where this one has none', async () => {
    usePython({ torch: { '2.13.0': cpuWheel('2.13.0') }, needsOther: true });
    expect((await setupLibtorch({ build: 'cpu' })).installed).toBe(true);
  });

  it('that fails is quoted, and an alternative is named', async () => {
    usePython({});
    const { code, message } = await failure({ build: 'cpu' });
    expect(code).toBe('ERR_DOWNLOAD');
    expect(message).toContain('No matching distribution found for torch==2.13.0');
    expect(message).toContain('--from FILE');
    expectClean();
  });

  it('that is missing is named', async () => {
    const { code, message } = await failure({ build: 'cpu' });
    expect(code).toBe('ERR_DOWNLOAD');
    expect(message).toMatch(/no-python.*ENOENT.*TORCHVAE_PYTHON.*--from FILE/s);
    expectClean();
  });
});

onLinux('an address', () => {
  async function serve(listener: RequestListener, test: (url: string) => Promise<void>): Promise<void> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await test(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  it('is downloaded, through redirects', async () => {
    const bytes = zip(officialZip('2.13.0'));
    await serve(
      (request, response) => {
        if (request.url === '/file.zip') response.end(bytes);
        else response.writeHead(302, { location: '/file.zip' }).end();
      },
      async (url) => {
        const { libtorch } = await setupLibtorch({ from: `${url}/latest`, build: 'cpu' });
        expect(libtorch.version).toBe('2.13.0');
      },
    );
    expectClean('2.13.0-cpu');
  });

  it('that cannot be written where it should go is reported', async () => {
    await serve(
      (_, response) => void setTimeout(() => response.end('late'), 100),
      async (url) => {
        const path = join(folder, 'no such folder', 'file');
        await expect(fetchToFile(url, path)).rejects.toMatchObject({
          code: 'ERR_IO',
          message: expect.stringContaining(path),
        });
      },
    );
  });

  it('that breaks off, answers with an error or redirects for ever is reported', async () => {
    await serve(
      (request, response) => {
        if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end();
        else if (request.url === '/404') response.writeHead(404).end();
        else response.writeHead(200, { 'content-length': '1000' }).write('half', () => response.destroy());
      },
      async (url) => {
        expect((await failure({ from: `${url}/loop` })).message).toContain('redirected more than 5 times');
        expect((await failure({ from: `${url}/404` })).message).toContain('the server answered 404');
        expect((await failure({ from: `${url}/half` })).code).toBe('ERR_DOWNLOAD');
      },
    );
    expectClean();
  });

  it('that is not secure is not asked, nor redirected to', async () => {
    expect((await failure({ from: 'http://192.0.2.1/torch.zip' })).message).toContain(
      'expected an https address',
    );
    await serve(
      (_, response) => response.writeHead(302, { location: 'http://192.0.2.1/torch.zip' }).end(),
      async (url) => {
        expect((await failure({ from: url })).message).toContain('but received http://192.0.2.1/torch.zip');
      },
    );
  });
});

onLinux('the disk', () => {
  it('that is too small is refused before the download and before the unpacking', async () => {
    const python = usePython({ torch: { '2.13.0': cpuWheel('2.13.0') } });
    const download = await failure({ build: 'cpu', freeBytes: async () => 0.5e9 });
    expect(download.code).toBe('ERR_IO');
    expect(download.message).toMatch(
      /Expected 1\.10 GB of free space in .* only 500\.0 MB is free.*TORCHVAE_CACHE/,
    );
    expect(python.requests()).toEqual([]);
    const unpack = await failure({
      from: archive(cpuWheel('2.13.0')),
      build: 'cpu',
      freeBytes: async () => 10,
    });
    expect(unpack).toMatchObject({ code: 'ERR_IO', message: expect.stringContaining('to unpack') });
    expectClean();
  });

  it('that cannot be written is named', async () => {
    mkdirSync(join(folder, 'cache'));
    writeFileSync(cache, 'a file in the way');
    expect(await failure({ build: 'cpu' })).toMatchObject({
      code: 'ERR_IO',
      message: expect.stringContaining(cache),
    });
  });
});

describe('bad arguments', () => {
  it('are named', async () => {
    expect((await failure({ version: '2.13' })).message).toContain(
      'Expected a version such as 2.13.0 for version',
    );
    expect((await failure({ build: 'gpu' as never })).message).toContain('one of auto, cpu, cuda');
    expect((await failure({ build: 'cpu', runtime: 'minimal' })).message).toContain('for build');
    expect((await failure({ sha256: '0'.repeat(64) })).message).toContain('Expected from beside sha256');
    expect((await failure({ from: 'x', sha256: 'abc' })).message).toContain('64 hexadecimal digits');
    expect((await failure({ froom: 'x' } as never)).message).toContain('Unknown option froom');
  });
});
