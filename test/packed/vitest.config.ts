import { defineConfig } from 'vitest/config';

// Apart from the other tests, since `npm run prebuilds` has to come first.
export default defineConfig({
  test: { include: ['test/packed/*.test.ts'], testTimeout: 180_000, hookTimeout: 300_000 },
});
