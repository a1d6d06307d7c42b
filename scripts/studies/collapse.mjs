// A model whose posterior collapses, and what cures it. Writes docs/results/collapse.json and its table in
// docs/studies.md. Five minutes on two cores, after: npm run build.
//   node scripts/studies/collapse.mjs
import { mnist } from '../../dist/index.js';
import { markdown, record, round, trained } from './record.mjs';

const epochs = 10;
const train = await mnist({ split: 'train' });
const test = await mnist({ split: 'test' });
const hidden = new Array(5).fill(100);
const network = { hidden, activation: 'sigmoid' };
const stepsPerEpoch = Math.ceil(train.length / 128);
const rows = [];
let vae;
for (const [name, objective] of [
  ['beta 1 from the first step', {}],
  ['linear warm-up over 5 epochs', { warmup: { shape: 'linear', steps: 5 * stepsPerEpoch } }],
  ['cyclical warm-up', { warmup: { shape: 'cyclical', steps: 8 * stepsPerEpoch, cycles: 2 } }],
  ['free bits, 0.5 nats a dimension', { freeBits: 0.5 }],
  [
    'free bits, 0.5, and linear warm-up',
    { freeBits: 0.5, warmup: { shape: 'linear', steps: 5 * stepsPerEpoch } },
  ],
]) {
  console.log(name);
  const spec = { encoder: network, decoder: network, latentSize: 10, objective };
  const run = await trained({ spec, seed: 1 }, train, {
    epochs,
    batchSize: 128,
    learningRate: 1e-3,
    validation: test,
    latentHealth: true,
  });
  ({ vae } = run);
  const health = await vae.latentHealth(test.take(2000));
  rows.push({
    name,
    activeUnits: health.activeUnits,
    mutualInformation: round(health.mutualInformation),
    reconstruction: round(run.last.validation.reconstruction),
    kl: round(run.last.validation.kl),
    elbo: round(run.last.validation.elbo),
    alarm: health.alarm?.degree ?? '',
  });
  console.log(JSON.stringify(rows.at(-1)));
}
record(
  'collapse',
  vae,
  {
    what: `784-100 (five times, sigmoid)-10, mirrored; Bernoulli, MNIST, batch 128, Adam 1e-3, ${epochs} epochs; test images, active units and mutual information over 2,000 of them`,
    command: 'node scripts/studies/collapse.mjs',
    epochs,
    rows,
  },
  'docs/studies.md',
  markdown(rows, [
    ['', (r) => r.name],
    ['active units of 10', (r) => r.activeUnits],
    ['I(x; z), nats', (r) => r.mutualInformation.toFixed(2)],
    ['alarm', (r) => r.alarm],
    ['test reconstruction', (r) => r.reconstruction.toFixed(2)],
    ['kl', (r) => r.kl.toFixed(2)],
    ['elbo', (r) => r.elbo.toFixed(2)],
  ]),
);
