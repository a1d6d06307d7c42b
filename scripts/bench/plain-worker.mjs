// The VAE in plain JavaScript (plain-vae.ts) as a program of the benchmark (see serve.mjs); W3 has no such form.
//   TORCHVAE_BENCH_IMAGES=FILE node scripts/bench/plain-worker.mjs W1|W2
import { readFileSync } from 'node:fs';
import { PlainVae } from '../../build/bench/scripts/bench/plain-vae.js';
import { batches, refuse, serve, stepByStep } from './serve.mjs';

const WORKLOADS = {
  W1: { batchSize: 128, hidden: [400], latentSize: 20 },
  W2: { batchSize: 32, hidden: [128, 64], latentSize: 8 },
};

const workload = WORKLOADS[process.argv[2]];
if (!workload) refuse(`Expected W1 or W2 but received ${process.argv[2]}`);
const { batchSize, hidden, latentSize } = workload;
const vae = new PlainVae({ inputSize: 784, hidden, latentSize });
const examples = batches(readFileSync(process.env.TORCHVAE_BENCH_IMAGES), batchSize);
const noise = new Float32Array(batchSize * latentSize);

/** Two draws from N(0, 1) for every pair of uniform ones (Box and Muller 1958); the lengths are even. */
function drawNoise() {
  for (let i = 0; i < noise.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
    const angle = 2 * Math.PI * Math.random();
    noise[i] = radius * Math.cos(angle);
    noise[i + 1] = radius * Math.sin(angle);
  }
}

await serve(
  stepByStep(() => {
    drawNoise();
    return vae.step(examples.next().value, batchSize, noise).loss;
  }),
  { node: process.version },
);
