// All that `evaluate` says of mlp-400 on MNIST's 10,000 test images, with 5,000 importance samples each. Writes
// docs/results/evaluation.json and its table in docs/evaluation.md. Five to ten minutes on two cores, after: npm run build.
//   node scripts/studies/evaluation.mjs [--epochs 10] [--samples 5000]
import { parseArgs } from 'node:util';
import { compress, decompress, mnist, preset } from '../../dist/index.js';
import { markdown, record, round, trained } from './record.mjs';

const { values } = parseArgs({
  options: { epochs: { type: 'string', default: '10' }, samples: { type: 'string', default: '5000' } },
});
const epochs = Number(values.epochs);
const likelihoodSamples = Number(values.samples);
const train = await mnist({ split: 'train' });
const test = await mnist({ split: 'test' });
const { vae } = await trained({ preset: 'mlp-400', seed: 1 }, train, {
  ...preset('mlp-400').training,
  epochs,
});

const started = performance.now();
const found = await vae.evaluate(test, { likelihoodSamples, reference: train });
const seconds = (performance.now() - started) / 1000;
const { losses, likelihood, reconstruction, latent, samples } = found;
const bytes = await compress(vae, test, { step: 0.25 });
const { data } = await decompress(vae, bytes);
const error = data.reduce((sum, value, i) => sum + (value - test.data[i] / 255) ** 2, 0) / data.length;
const rows = [
  ['-ELBO, one draw of z', -losses.elbo, 'nats'],
  [`-log p(x), ${likelihoodSamples} importance samples`, likelihood.negativeLogLikelihood, 'nats'],
  ['its standard error over the images', likelihood.standardError, 'nats'],
  ['bits per dimension of -log p(x)', likelihood.bitsPerDimension, 'bits'],
  ['mean squared error of reconstructions', reconstruction.meanSquaredError, ''],
  ['peak signal to noise', reconstruction.peakSignalToNoise, 'dB'],
  ['structural similarity', reconstruction.structuralSimilarity, ''],
  ['active units of 20', latent.activeUnits, ''],
  [`mutual information over ${latent.examples} images`, latent.mutualInformation, 'nats'],
  ['Frechet distance, 64 principal components', samples.frechetDistance, ''],
  ['precision', samples.precision, ''],
  ['recall', samples.recall, ''],
  ['density', samples.density, ''],
  ['coverage', samples.coverage, ''],
  ['compressed, codes in steps of 0.25', bytes.length / test.length, 'bytes an image'],
  ['mean squared error of that', error, ''],
].map(([measure, value, unit]) => ({ measure, value: round(value), unit }));
record(
  'evaluation',
  vae,
  {
    what: `mlp-400 after ${epochs} epochs on MNIST, gray pixels as Bernoulli means, seed 1; of the 10,000 test images, samples against as many training images`,
    command: 'node scripts/studies/evaluation.mjs',
    epochs,
    seconds: round(seconds),
    rows,
  },
  'docs/evaluation.md',
  markdown(rows, [
    ['measure', (r) => r.measure],
    ['value', (r) => (Number.isInteger(r.value) ? String(r.value) : r.value.toPrecision(4))],
    ['unit', (r) => r.unit],
  ]),
);
