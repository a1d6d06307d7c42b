// TensorFlow.js with its WebAssembly backend as a program of the benchmark: tfjs.mjs W1|W2. Its packages are those of the
// folder TORCHVAE_BENCH_TFJS. W3 is left out: the backend has no gradient of a convolution's kernel.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, sep } from 'node:path';
import { batches, refuse, serve, stepByStep } from '../serve.mjs';

const WORKLOADS = {
  W1: { batchSize: 128, hidden: [400], latentSize: 20 },
  W2: { batchSize: 32, hidden: [128, 64], latentSize: 8 },
};

const workload = WORKLOADS[process.argv[2]];
if (!workload) refuse(`Expected W1 or W2 but received ${process.argv[2]}`);
const { batchSize, hidden, latentSize } = workload;
const folder = process.env.TORCHVAE_BENCH_TFJS;
const require = createRequire(join(folder, 'package.json'));
const tf = require('@tensorflow/tfjs');
const { setWasmPaths } = require('@tensorflow/tfjs-backend-wasm');
setWasmPaths(join(folder, 'node_modules/@tensorflow/tfjs-backend-wasm/dist') + sep);
await tf.setBackend('wasm');
await tf.ready();
if (!tf.getKernel('Log1p', 'wasm')) {
  const kernelFunc = ({ inputs }) => tf.log(tf.add(inputs.x, 1));
  tf.registerKernel({ kernelName: 'Log1p', backendName: 'wasm', kernelFunc });
}

function layer(inputs, outputs) {
  const bound = 1 / Math.sqrt(inputs);
  const draw = (shape) => tf.variable(tf.randomUniform(shape, -bound, bound));
  const [weight, bias] = [draw([inputs, outputs]), draw([outputs])];
  return (x) => tf.add(tf.matMul(x, weight), bias);
}

function chain(widths) {
  return widths.slice(1).map((width, i) => layer(widths[i], width));
}

const encoder = chain([784, ...hidden]);
const mean = layer(hidden.at(-1), latentSize);
const logVariance = layer(hidden.at(-1), latentSize);
const decoder = chain([latentSize, ...hidden.toReversed(), 784]);
const last = decoder.pop();

/** Summed over the batch: relu(y) - x y + log(1 + exp(-|y|)) over the logits y, and the KL divergence. */
function lossOf(x) {
  const h = encoder.reduce((h, dense) => tf.relu(dense(h)), x);
  const [mu, lv] = [mean(h), logVariance(h)];
  const z = tf.add(mu, tf.mul(tf.randomNormal(mu.shape), tf.exp(tf.mul(lv, 0.5))));
  const y = last(decoder.reduce((h, dense) => tf.relu(dense(h)), z));
  const reconstruction = tf.add(tf.sub(tf.relu(y), tf.mul(y, x)), tf.log1p(tf.exp(tf.neg(tf.abs(y)))));
  const kl = tf.mul(0.5, tf.sub(tf.add(tf.square(mu), tf.exp(lv)), tf.add(lv, 1)));
  return tf.add(tf.sum(reconstruction), tf.sum(kl));
}

const optimizer = tf.train.adam(1e-3);
const examples = batches(readFileSync(process.env.TORCHVAE_BENCH_IMAGES), batchSize);
const step = () => {
  const x = tf.tensor2d(examples.next().value, [batchSize, 784]);
  const loss = optimizer.minimize(() => lossOf(x), true);
  const value = loss.dataSync()[0] / batchSize;
  tf.dispose([x, loss]);
  return value;
};
await serve(stepByStep(step), { tfjs: tf.version.tfjs }).catch(refuse);
