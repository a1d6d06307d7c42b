/** NVRTC's word on the CUDA kernels: every program compiles for every capability, and no kernel spills. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { findLibtorch } from '../../lib/runtime/libtorch.ts';
import { packageFolder } from '../support/command.ts';
import { nvidiaFolders } from '../support/nvidia.ts';

const run = promisify(execFile);
const program = join(packageFolder, 'build/twin-test/nvrtc_check');

/** TORCHVAE_NVRTC, or the libnvrtc among libtorch's own packages. */
function findNvrtc(): string | undefined {
  if (process.env.TORCHVAE_NVRTC) return process.env.TORCHVAE_NVRTC;
  return nvidiaFolders(findLibtorch())
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .find((path) => /libnvrtc\.so\.\d+$/.test(path));
}

const nvrtc = findNvrtc();
const title = nvrtc === undefined ? 'NVRTC (no libnvrtc: set TORCHVAE_NVRTC to one)' : 'NVRTC';

// A process for each capability: NVRTC compiles one program at a time in each.
describe.concurrent(title, () => {
  test.skipIf(nvrtc === undefined).each(['80', '90', '100'])(
    'compiles every program for sm_%s, and no kernel spills',
    { timeout: 1_500_000 },
    async (capability) => {
      const { stdout } = await run(program, [nvrtc!, capability], {
        env: { ...process.env, LD_LIBRARY_PATH: dirname(nvrtc!) },
        maxBuffer: 2 ** 24,
      });
      const lines = stdout.trimEnd().split('\n');
      const programs = lines.filter((line) => /^sm_\d+ .* \d+ bytes, [\d.]+ s$/.test(line));
      // Each line of a kernel was understood.
      const kernels = lines.filter((line) =>
        /^ {2}\w+: \d+ registers, .* 0 \+ 0 bytes of spills, \d+ bytes of shared memory$/.test(line),
      );
      expect(programs.length).toBeGreaterThan(20);
      expect(`${programs.length} programs, ${kernels.length} kernels`).toBe(lines.at(-1));
    },
  );
});
