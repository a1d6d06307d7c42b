// The mutual information gap on sprites, whose factors are known: VAE, beta-VAE, beta-TC and FactorVAE on the same network.
// Writes docs/results/disentangle.json and its table in docs/studies.md. An hour on two cores, after: npm run build.
//   node scripts/studies/disentangle.mjs [--epochs 10] [--seeds 1,2,3,4,5,6] [--only elbo,factor]
// Runs of other objectives and seeds stay in the results as they are, where they had as many epochs.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { mutualInformationGap } from '../../dist/evaluation/index.js';
import { sprites } from '../../dist/index.js';
import { markdown, record, round, trained } from './record.mjs';

const { values } = parseArgs({
  options: {
    epochs: { type: 'string', default: '10' },
    seeds: { type: 'string', default: '1,2,3,4,5,6' },
    only: { type: 'string', default: 'elbo,beta-tc,factor' },
  },
});
const epochs = Number(values.epochs);
// Of full size: in smaller images a pixel tells less of a shape's place, and the plain bound is already as strict with z as a
// beta of several is here.
const data = sprites({ size: 64, count: 50_000, seed: 1 });
const test = sprites({ size: 64, count: 10_000, seed: 2 ** 40 });
const network = { hidden: [400, 400] };
const objectives = [
  ['VAE', { type: 'elbo' }],
  ['beta-VAE, beta 4', { type: 'elbo', beta: 4 }],
  ['beta-TC-VAE, beta 6', { type: 'beta-tc', beta: 6 }],
  ['FactorVAE, gamma 35', { type: 'factor', gamma: 35, hidden: [400, 400, 400], learningRate: 3e-4 }],
];
const last = JSON.parse(
  readFileSync(new URL('../../docs/results/disentangle.json', import.meta.url), 'utf8'),
);
const kept = last.epochs === epochs ? last.rows : [];
const rows = [];
let vae;
for (const [name, objective] of objectives) {
  if (!values.only.split(',').includes(objective.type)) continue;
  for (const seed of values.seeds.split(',').map(Number)) {
    console.log(name, 'seed', seed);
    const spec = { inputShape: data.shape, encoder: network, decoder: network, latentSize: 10, objective };
    const run = await trained({ spec, seed }, data, {
      epochs,
      batchSize: 64,
      learningRate: 1e-4,
      validation: test,
    });
    ({ vae } = run);
    const { mean } = await vae.encode(test);
    const gap = await mutualInformationGap(mean, test);
    rows.push({
      objective: name,
      seed,
      mig: round(gap.score),
      factors: Object.fromEntries(Object.entries(gap.factors).map(([key, value]) => [key, round(value)])),
      reconstruction: round(run.last.validation.reconstruction),
      kl: round(run.last.validation.kl),
      seconds: round(run.seconds),
    });
    console.log(JSON.stringify(rows.at(-1)));
  }
}
const isKept = (row) => !rows.some(({ objective, seed }) => objective === row.objective && seed === row.seed);
rows.push(...kept.filter(isKept));
const place = ({ objective, seed }) => objectives.findIndex(([name]) => name === objective) * 1e6 + seed;
rows.sort((a, b) => place(a) - place(b));
record(
  'disentangle',
  vae,
  {
    what: `mutual information gap (20 bins) of the means of 10,000 test sprites; 4096-400-400-10, Bernoulli, batch 64, Adam 1e-4, ${epochs} epochs on 50,000`,
    command: 'node scripts/studies/disentangle.mjs',
    epochs,
    rows,
  },
  'docs/studies.md',
  markdown(rows, [
    ['objective', (r) => r.objective],
    ['seed', (r) => r.seed],
    ['MIG', (r) => r.mig.toFixed(3)],
    ...Object.keys(rows[0].factors).map((factor) => [factor, (r) => r.factors[factor].toFixed(3)]),
    ['test reconstruction', (r) => r.reconstruction.toFixed(2)],
    ['kl', (r) => r.kl.toFixed(2)],
  ]),
);
