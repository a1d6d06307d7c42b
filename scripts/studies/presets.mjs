// Trains every preset on MNIST for its stated epochs and writes docs/results/presets.json and the table in docs/results.md. About
// five minutes on two cores, after: npm run build.
//   node scripts/studies/presets.mjs [NAME ...]
import { mnist, preset, presetNames } from '../../dist/index.js';
import { markdown, record, round, trained } from './record.mjs';

const train = await mnist({ split: 'train' });
const test = await mnist({ split: 'test' });
const wanted = process.argv.slice(2);
const rows = [];
let vae;
for (const name of presetNames.filter((known) => wanted.length === 0 || wanted.includes(known))) {
  console.log(name);
  const {
    training: { epochs, batchSize, learningRate },
    validation: holdout,
  } = preset(name);
  const data = holdout ? train.split({ validation: holdout, seed: 1 }).train : train;
  const options = { epochs, batchSize, learningRate, validation: test };
  const run = await trained({ preset: name, seed: 1 }, data, options, epochs > 20 ? () => {} : undefined);
  ({ vae } = run);
  const health = await vae.latentHealth(test.take(2000));
  const terms = ({ reconstruction, kl, elbo }) => ({
    reconstruction: round(reconstruction),
    kl: round(kl),
    elbo: round(elbo),
  });
  rows.push({
    preset: name,
    parameters: vae.parameterCount,
    epochs,
    batchSize,
    likelihood: vae.spec.likelihood.type,
    train: terms(run.last.train),
    test: terms(run.last.validation),
    activeUnits: health.activeUnits,
    latentSize: vae.spec.latentSize,
    mutualInformation: round(health.mutualInformation),
    seconds: round(run.seconds),
  });
  console.log(JSON.stringify(rows.at(-1)));
}
const two = (value) => value.toFixed(2);
const table = markdown(rows, [
  ['preset', (r) => `\`${r.preset}\``],
  ['epochs', (r) => r.epochs],
  ['train reconstruction', (r) => two(r.train.reconstruction)],
  ['kl', (r) => two(r.train.kl)],
  ['elbo', (r) => two(r.train.elbo)],
  ['test reconstruction', (r) => two(r.test.reconstruction)],
  ['kl', (r) => two(r.test.kl)],
  ['elbo', (r) => two(r.test.elbo)],
  ['active units', (r) => `${r.activeUnits}/${r.latentSize}`],
  ['seconds', (r) => r.seconds.toFixed(1)],
]);
record(
  'presets',
  vae,
  {
    what: 'the presets on MNIST, gray pixels; nats (squared error: the sum of squares), summed over dimensions, averaged over examples, one z an example; train losses are averages over the last epoch; active units of 2,000 test images',
    command: 'node scripts/studies/presets.mjs',
    rows,
  },
  'docs/results.md',
  table,
);
