/** The CUDA kernels' source, compiled for the CPU, and the graph executor on it; and NVRTC's word on the same source. */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findLibtorch } from '../../lib/runtime/libtorch.ts';
import { packageFolder } from '../support/command.ts';

const libtorch = findLibtorch();
const program = (name: string) => join(packageFolder, 'build/twin-test', name);

describe('kernels and executor on the CPU', () => {
  const libraries = [libtorch.root, ...globSync(join(libtorch.root, '../nvidia/*'))].map((path) =>
    join(path, 'lib'),
  );
  const { stdout, stderr, status } = spawnSync(program('twin_test'), {
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
  const known = globSync([
    ...(process.env.TORCHVAE_NVRTC ? [process.env.TORCHVAE_NVRTC] : []),
    join(libtorch.root, '../nvidia/*/lib/libnvrtc.so.1?'),
  ]);
  return known.find((path) => existsSync(path));
}

describe('NVRTC', () => {
  const nvrtc = findNvrtc();

  test.skipIf(nvrtc === undefined)(
    `compiles every kernel${nvrtc === undefined ? ' (no libnvrtc: set TORCHVAE_NVRTC to one)' : ''}`,
    () => {
      const { stdout, stderr, status } = spawnSync(program('nvrtc_check'), [nvrtc!, '80', '90', '100'], {
        encoding: 'utf8',
        env: { ...process.env, LD_LIBRARY_PATH: dirname(nvrtc!) },
      });
      expect(stdout.match(/^sm_(80|90|100)_(f32|bf16|f64) \d+ bytes$/gm), stderr).toHaveLength(9);
      expect(stderr.match(/[1-9]\d* bytes spill/g), 'registers spilt').toBeNull();
      expect(status, stderr).toBe(0);
    },
  );
});
