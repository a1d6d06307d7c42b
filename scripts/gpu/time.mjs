// torchvae as a program of scripts/gpu-verify: for each line "run SECONDS" it trains that long and answers
// {"wall_ms", "device_ms", "steps"}: milliseconds a step by the wall's clock, and by the device's events as a mean over
// the last chunks of steps.
//   node scripts/gpu/time.mjs DEVICE mlp|conv|conv64 BATCH PRECISION
import { createInterface } from 'node:readline';
import { Dataset, sprites, VAE } from '../../dist/index.js';

const [device, workload, batch, precision] = process.argv.slice(2);
const batchSize = Number(batch);
let vae;
let data;

const MODELS = {
  mlp: { preset: 'mlp-400' },
  conv: { preset: 'conv' },
  conv64: {
    spec: {
      inputShape: [3, 64, 64],
      encoder: { type: 'conv', channels: [32, 64, 128, 256] },
      latentSize: 128,
      likelihood: 'bernoulli',
    },
  },
};

/** Images of three channels with nothing in them to learn. */
function colors(count) {
  const bytes = Uint8Array.from({ length: count * 3 * 64 * 64 }, (_, i) => (i * 2654435761) >>> 24);
  return Dataset.from(bytes, { shape: [3, 64, 64] });
}

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
    data = workload === 'conv64' ? colors(small ? 64 : 4096) : sprites({ count: small ? 2000 : 60000 });
    vae = await VAE.create({ ...MODELS[workload], device, precision });
    await train(device === 'cpu' ? 0.1 : 1);
    console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000 }));
  } else {
    console.log(JSON.stringify(await train(Number(seconds))));
  }
}
