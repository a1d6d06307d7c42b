import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Tests on the sanitized binaries, which `sanitize.mjs` runs with the sanitizers' libraries before all others. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  plugins: [
    {
      name: 'sanitized',
      enforce: 'pre',
      resolveId: (id) =>
        id.endsWith('/binaries.ts')
          ? fileURLToPath(new URL('sanitized-binaries.ts', import.meta.url))
          : undefined,
    },
  ],
  test: { pool: 'forks', maxWorkers: 1, testTimeout: 600_000, hookTimeout: 600_000 },
});
