// VAE against IWAE-5 on the same network (784-200-200-50, tanh), MNIST binarized anew for every batch: the likelihood of
// test images by importance weighting. Writes docs/results/iwae.json and its table in docs/studies.md. Ten minutes on
// two cores, after: npm run build.
//   node scripts/studies/iwae.mjs [--epochs 8]
import { parseArgs } from 'node:util';
import { mnist } from '../../dist/index.js';
import { markdown, record, round, trained } from './record.mjs';

const { values } = parseArgs({
  options: { epochs: { type: 'string', default: '8' }, seeds: { type: 'string', default: '1' } },
});
const epochs = Number(values.epochs);
const samples = 1000;
const train = (await mnist({ split: 'train' })).binarize({ mode: 'dynamic' });
const test = (await mnist({ split: 'test' })).binarize({ mode: 'fixed', seed: 1 }).take(1000);
const network = { hidden: [200, 200], activation: 'tanh' };
const rows = [];
let vae;
for (const objective of [{ type: 'elbo' }, { type: 'iwae', samples: 5 }, { type: 'dreg', samples: 5 }]) {
  for (const seed of values.seeds.split(',').map(Number)) {
    console.log(objective.type, 'seed', seed);
    const spec = { encoder: network, decoder: network, latentSize: 50, objective };
    const options = { epochs, batchSize: 100, learningRate: 1e-3, validation: test, latentHealth: true };
    const run = await trained({ spec, seed }, train, options);
    ({ vae } = run);
    const each = await vae.negativeLogLikelihood(test, { samples, seed: 3 });
    const nll = each.reduce((sum, value) => sum + value, 0) / each.length;
    rows.push({
      objective: objective.type === 'elbo' ? 'VAE' : `${objective.type.toUpperCase()}-5`,
      seed,
      nll: round(nll),
      elbo: round(run.last.validation.elbo),
      activeUnits: run.last.latentHealth.activeUnits,
      seconds: round(run.seconds),
    });
    console.log(JSON.stringify(rows.at(-1)));
  }
}
record(
  'iwae',
  vae,
  {
    what: `-log p(x) in nats of 1,000 MNIST test images (binarized once, seed 1) by ${samples} importance samples; trained for ${epochs} epochs (batch 100, Adam 1e-3) on images binarized for every batch`,
    command: 'node scripts/studies/iwae.mjs',
    samples,
    epochs,
    rows,
  },
  'docs/studies.md',
  markdown(rows, [
    ['objective', (r) => r.objective],
    ['seed', (r) => r.seed],
    ['-log p(x)', (r) => r.nll.toFixed(2)],
    ['elbo', (r) => r.elbo.toFixed(2)],
    ['active units of 50', (r) => r.activeUnits],
  ]),
);
