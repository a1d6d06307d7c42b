import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Has `lib/` load the engine whose device `cpu` is the twin of the CUDA executor. */
const twin = {
  name: 'torchvae-twin',
  enforce: 'pre' as const,
  resolveId: (id: string) =>
    id.endsWith('/binaries.ts')
      ? fileURLToPath(new URL('test/twin/binaries.ts', import.meta.url))
      : undefined,
};

export default defineConfig({
  test: {
    // Files run in processes of their own, since a process opens one libtorch for good; two at a time, as an engine takes
    // all cores.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: { name: 'cpu', include: ['test/**/*.test.ts'], exclude: ['test/twin/**', 'test/packed/**'] },
      },
      {
        extends: true,
        plugins: [twin],
        test: {
          name: 'twin',
          // Where threads are fibers, a perceptron's step takes long.
          testTimeout: 180_000,
          env: { TORCHVAE_TWIN: '1' },
          include: [
            'test/twin/*.test.ts',
            'test/numerics.test.ts',
            'test/optimizer.test.ts',
            'test/parts.test.ts',
            'test/vae.test.ts',
          ],
        },
      },
    ],
  },
});
