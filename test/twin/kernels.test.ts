/** The CUDA kernels' source, compiled for the CPU, and the graph executor on it; what of the engine is met in C++ alone. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findLibtorch } from '../../lib/runtime/libtorch.ts';
import { packageFolder } from '../support/command.ts';
import { nvidiaFolders } from '../support/nvidia.ts';

const libtorch = findLibtorch();

describe('kernels, executor and engine in C++', () => {
  const libraries = [join(libtorch.root, 'lib'), ...nvidiaFolders(libtorch)];
  const program = join(packageFolder, 'build/twin-test', `twin_test-${libtorch.minor}`);
  const { stdout, stderr, status } = spawnSync(program, {
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
