// torchvae as a program of the benchmark (see serve.mjs), through its public API: VAE.create and fit, as a user calls
// them, over dist/.
//   node scripts/bench/worker.mjs W1|W2|W3|MODEL [--precision float32|bf16] [--threads N] [--data mnist|sprites]
//     [--device cpu|cuda]
// MODEL is one of family.mjs. MNIST comes from where `mnist()` finds it (TORCHVAE_DATA); sprites need no files.
import { parseArgs } from 'node:util';
import { mnist, presetNames, sprites, VAE } from '../../dist/index.js';
import { FAMILY } from './family.mjs';
import { refuse, serve } from './serve.mjs';

const WORKLOADS = {
  W1: { batchSize: 128, create: { preset: 'mlp-400' } },
  W2: {
    batchSize: 32,
    create: { spec: { encoder: { type: 'mlp', hidden: [128, 64], activation: 'relu' }, latentSize: 8 } },
  },
  W3: { batchSize: 128, create: { preset: 'conv' } },
  ...Object.fromEntries(
    Object.entries(FAMILY).map(([name, [, batchSize, spec]]) => [name, { batchSize, create: { spec } }]),
  ),
};

const { positionals, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    precision: { type: 'string', default: 'float32' },
    threads: { type: 'string' },
    data: { type: 'string', default: 'mnist' },
    device: { type: 'string', default: 'cpu' },
  },
});
const workload = WORKLOADS[positionals[0]];
if (!workload) refuse(`Expected W1, W2, W3 or a model of family.mjs but received ${positionals[0]}`);
const { batchSize, create } = workload;
if (create.preset && !presetNames.includes(create.preset)) refuse(`there is no preset ${create.preset}`);
if (flags.threads) process.env.TORCHVAE_THREADS = flags.threads;

/**
 * Trains through fit() until `seconds` have passed. onProgress comes at the end of every chunk of steps, where an
 * abort loses none; the next call goes on in the same epoch.
 */
async function train(vae, data, seconds) {
  const laps = [];
  const stop = new AbortController();
  const started = performance.now();
  const firstStep = vae.step;
  let [last, step, lossSum] = [started, firstStep, 0];
  const onProgress = (progress) => {
    const now = performance.now();
    laps.push([progress.step - step, now - last]);
    lossSum += epoch.lossSince(progress);
    [last, step] = [now, progress.step];
    if (now - started >= seconds * 1000) stop.abort();
  };
  const epochs = vae.fit(data, { batchSize, epochs: 1e6, signal: stop.signal, onProgress });
  await drain(epochs).catch((error) => {
    if (error.code !== 'ERR_ABORTED') throw error;
  });
  const steps = vae.step - firstStep;
  return { steps, loss: lossSum / steps, laps };
}

async function drain(epochs) {
  for await (const _ of epochs);
}

/** fit() reports the mean of the epoch so far; the benchmark wants the mean of the measured steps. */
const epoch = {
  number: 0,
  sum: 0,
  lossSince({ epoch, stepInEpoch, loss }) {
    if (epoch !== this.number) [this.number, this.sum] = [epoch, 0];
    const before = this.sum;
    this.sum = loss * stepInEpoch;
    return this.sum - before;
  },
};

try {
  const all = flags.data === 'sprites' ? sprites({ count: 2048 }) : await mnist();
  // Whole batches only, as the other programs drop the last partial one.
  const data = all.take(Math.floor(all.length / batchSize) * batchSize);
  const vae = await VAE.create({ ...create, precision: flags.precision, device: flags.device });
  await serve((seconds) => train(vae, data, seconds), { ...vae.versions, parameters: vae.parameterCount });
} catch (error) {
  refuse(error);
}
