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

/** Files that change or measure their process, or start many others: each has one to itself. */
const alone = [
  'array-files',
  'bench',
  'cli',
  '*-cli',
  'documents',
  'doctor',
  'event-loop',
  'files',
  'handles',
  'idx',
  'image-folder',
  'libtorch',
  'limits',
  'mnist',
  'presets',
  'ranks',
  'ranks-trouble',
  'report',
  'setup',
  'tables',
  'versions',
].map((name) => `test/${name}.test.ts`);

export default defineConfig({
  test: {
    // Two processes at a time, as an engine takes all cores.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'cpu',
          include: ['test/**/*.test.ts'],
          exclude: ['test/twin/**', 'test/packed/**', ...alone],
          // One process for many files: to load the library and open libtorch takes two seconds.
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'alone', include: alone, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        plugins: [twin],
        test: {
          name: 'twin',
          sequence: { groupOrder: 2 },
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
