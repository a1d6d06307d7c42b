// torchvae as a program of scripts/gpu-verify: for each line "run SECONDS" it trains that long and answers
// {"wall_ms", "steps"}: milliseconds a step by the wall's clock, the device's work done.
//   node scripts/gpu/time.mjs DEVICE mlp|conv BATCH PRECISION
import { createInterface } from 'node:readline';
import { sprites, VAE } from '../../dist/index.js';

const [device, workload, batch, precision] = process.argv.slice(2);
const batchSize = Number(batch);
let vae;
let data;

/** Trains until `seconds` have passed, and to the end of the stretch of steps under way. */
async function train(seconds) {
  const stop = new AbortController();
  const before = vae.step;
  const started = performance.now();
  const onProgress = () => {
    if (performance.now() - started >= 1000 * seconds) stop.abort();
  };
  try {
    for await (const _ of vae.fit(data, { batchSize, epochs: 1e6, signal: stop.signal, onProgress }));
  } catch (error) {
    if (error.code !== 'ERR_ABORTED') throw error;
  }
  const steps = vae.step - before;
  return { wall_ms: (performance.now() - started) / steps, steps };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [word, seconds] = line.split(' ');
  if (word === 'start') {
    const began = performance.now();
    data = sprites({ count: device === 'cpu' ? 2000 : 60000 });
    vae = await VAE.create({ preset: workload === 'conv' ? 'conv' : 'mlp-400', device, precision });
    await train(device === 'cpu' ? 0.1 : 1);
    console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000 }));
  } else {
    console.log(JSON.stringify(await train(Number(seconds))));
  }
}
