/**
 * The CUDA kernels' source, compiled for the CPU, and the graph executor on it; what of the engine is met in C++ alone; and
 * NVRTC's word on the kernels.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findLibtorch } from '../../lib/runtime/libtorch.ts';
import { packageFolder } from '../support/command.ts';

const libtorch = findLibtorch();
/** The library folders of NVIDIA's packages beside libtorch. */
function nvidiaFolders(): string[] {
  const folder = join(libtorch.root, '../nvidia');
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name, 'lib')) : [];
}

const program = (name: string) => join(packageFolder, 'build/twin-test', name);

describe('kernels, executor and engine in C++', () => {
  const libraries = [join(libtorch.root, 'lib'), ...nvidiaFolders()];
  const { stdout, stderr, status } = spawnSync(program(`twin_test-${libtorch.minor}`), {
    encoding: 'utf8',
    env: { ...process.env, LD_LIBRARY_PATH: libraries.join(':') },
  });

  test('the program ran to its end', () => {
    expect(stderr).toBe('');
    expect(stdout.split('\n').filter((line) => line.startsWith('ok ')).length).toBeGreaterThan(10);
    expect(status).toBe(0);
  });

  test.each(stdout.split('\n').filter(Boolean))('%s', (line) => {
    expect(line).toMatch(/^ok /);
  });
});

/** TORCHVAE_NVRTC, or the libnvrtc among libtorch's own packages. */
function findNvrtc(): string | undefined {
  if (process.env.TORCHVAE_NVRTC) return process.env.TORCHVAE_NVRTC;
  return nvidiaFolders()
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .find((path) => /libnvrtc\.so\.\d+$/.test(path));
}

describe('NVRTC', () => {
  const nvrtc = findNvrtc();

  test.skipIf(nvrtc === undefined)(
    `compiles every program, and no kernel spills${nvrtc === undefined ? ' (no libnvrtc: set TORCHVAE_NVRTC to one)' : ''}`,
    { timeout: 1_500_000 },
    () => {
      const { stdout, stderr, status } = spawnSync(program('nvrtc_check'), [nvrtc!, '80', '90', '100'], {
        encoding: 'utf8',
        env: { ...process.env, LD_LIBRARY_PATH: dirname(nvrtc!) },
      });
      expect(status, stderr).toBe(0);
      const programs = stdout.match(/^sm_(80|90|100) .* \d+ bytes, [\d.]+ s$/gm);
      // Each line of a kernel was understood.
      const kernels = stdout.match(
        /^ {2}\w+: \d+ registers, .* 0 \+ 0 bytes of spills, \d+ bytes of shared memory$/gm,
      );
      expect(`${programs?.length} programs, ${kernels?.length} kernels`).toBe(
        stdout.trimEnd().split('\n').at(-1),
      );
    },
  );
});
