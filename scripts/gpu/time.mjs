// torchvae as a program of scripts/gpu-verify: for each line "run SECONDS" it trains that long and answers
// {"wall_ms", "device_ms", "steps"}: milliseconds a step by the wall's clock, and by the device's events as a mean over
// the last chunks of steps.
//   node scripts/gpu/time.mjs DEVICE mlp|conv|conv64 BATCH PRECISION
import { createInterface } from 'node:readline';
import { VAE } from '../../dist/index.js';
import { dataOf, MODELS } from './workloads.mjs';

const [device, workload, batch, precision] = process.argv.slice(2);
const batchSize = Number(batch);
let vae;
let data;

/** Trains until `seconds` have passed, and to the end of the chunk of steps under way. */
async function train(seconds) {
  const stop = new AbortController();
  const before = vae.step;
  const started = performance.now();
  let stepsPerSecond = 0;
  const onProgress = (progress) => {
    ({ stepsPerSecond } = progress);
    if (performance.now() - started >= 1000 * seconds) stop.abort();
  };
  try {
    await vae.fit(data, { batchSize, epochs: 1e6, signal: stop.signal, onProgress });
  } catch (error) {
    if (error.code !== 'ERR_ABORTED') throw error;
  }
  const steps = vae.step - before;
  return { wall_ms: (performance.now() - started) / steps, device_ms: 1000 / stepsPerSecond, steps };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [word, seconds] = line.split(' ');
  if (word === 'start') {
    const began = performance.now();
    const small = device === 'cpu';
    data = dataOf(workload, workload === 'conv64' ? (small ? 64 : 4096) : small ? 2000 : 60000);
    vae = await VAE.create({ ...MODELS[workload], device, precision });
    await train(device === 'cpu' ? 0.1 : 1);
    console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000 }));
  } else {
    console.log(JSON.stringify(await train(Number(seconds))));
  }
}
