// The plain TypeScript VAE as a program of scripts/gpu-verify, on one thread of the CPU: W1 at a batch size.
//   node scripts/gpu/plain.mjs BATCH
import { createInterface } from 'node:readline';
import { PlainVae } from '../../build/bench/scripts/bench/plain-vae.js';

const batch = Number(process.argv[2]);
const latentSize = 20;
const vae = new PlainVae({ inputSize: 784, hidden: [400], latentSize });
const x = Float32Array.from({ length: batch * 784 }, () => Math.round(Math.random() * 255) / 255);
const noise = new Float32Array(batch * latentSize);

/** Two draws from N(0, 1) for every pair of uniform ones (Box and Muller 1958). */
function drawNoise() {
  for (let i = 0; i < noise.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
    const angle = 2 * Math.PI * Math.random();
    noise[i] = radius * Math.cos(angle);
    noise[i + 1] = radius * Math.sin(angle);
  }
}

function train(seconds) {
  const started = performance.now();
  let steps = 0;
  do {
    drawNoise();
    vae.step(x, batch, noise);
    steps++;
  } while (performance.now() - started < 1000 * seconds);
  return { wall_ms: (performance.now() - started) / steps, steps };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [word, seconds] = line.split(' ');
  console.log(JSON.stringify(train(word === 'start' ? 0 : Number(seconds))));
}
