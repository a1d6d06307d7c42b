// A few training steps on the GPU and nothing else, for a profiler: warm-up, one captured graph of a step, and its replays.
//   node scripts/gpu/steps.mjs mlp|conv|conv64 BATCH PRECISION
import { VAE } from '../../dist/index.js';
import { dataOf, MODELS } from './workloads.mjs';

const [workload, batch, precision] = process.argv.slice(2);
const batchSize = Number(batch);
const vae = await VAE.create({ ...MODELS[workload], device: 'cuda', precision });
await vae.fit(dataOf(workload, 4 * batchSize), { batchSize, epochs: 1, gradientHealth: 'off' });
console.log(`trained ${vae.step} steps`);
