/** Several processes that train one model by the CUDA kernels, compiled for the CPU: each row has the noise that it has in one process. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { testRanks } from '../support/rank-comparison.ts';
import { packageOfTwin } from './package.ts';
import { OF_LOOP } from './rank-cases.ts';

const copy = packageOfTwin();
afterAll(() => rmSync(copy, { recursive: true }));

testRanks(2, OF_LOOP, {
  program: join(copy, 'test/support/rank.mjs'),
  exchange: 'Gloo by way of the host, since ranks 0, 1 have no NCCL of version 2.14 or newer',
});
