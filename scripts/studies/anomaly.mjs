// One digit held out of MNIST's training images, and detected among the test images by its -ELBO: AUROC and AUPRC
// for each of the ten. Writes docs/results/anomaly.json and its table in docs/evaluation.md. Some minutes on two cores, after:
// npm run build.
//   node scripts/studies/anomaly.mjs [--epochs 20]
import { parseArgs } from 'node:util';
import { mnist } from '../../dist/index.js';
import { markdown, record, round, trained } from './record.mjs';

const { values } = parseArgs({ options: { epochs: { type: 'string', default: '20' } } });
const epochs = Number(values.epochs);
/** The same set-up in a published comparison: ELBO as the score, z of 2 dimensions. */
const PUBLISHED = [0.96, 0.73, 0.97, 0.94, 0.73, 0.92, 0.95, 0.77, 0.92, 0.66];

const train = await mnist({ split: 'train' });
const test = await mnist({ split: 'test' });
const network = { hidden: [400, 200] };
const rows = [];
let vae;
for (let digit = 0; digit < 10; digit++) {
  const normal = train.subset([...train.labels.keys()].filter((i) => train.labels[i] !== digit));
  const spec = { encoder: network, decoder: network, latentSize: 2 };
  const run = await trained({ spec, seed: digit + 1 }, normal, { epochs, batchSize: 128 }, () => {});
  ({ vae } = run);
  const { detection } = await vae.evaluate(test, { anomalous: [digit], samples: 0, scoring: { draws: 10 } });
  rows.push({
    digit,
    auroc: round(detection.auroc),
    auprc: round(detection.auprc),
    published: PUBLISHED[digit],
    seconds: round(run.seconds),
  });
  console.log(JSON.stringify(rows.at(-1)));
}
const mean = (key) => rows.reduce((sum, row) => sum + row[key], 0) / rows.length;
record(
  'anomaly',
  vae,
  {
    what: `detection of a digit that was held out of training, by -ELBO averaged over 10 draws of z; 784-400-200-2, Bernoulli on gray pixels, batch 128, Adam 1e-3, ${epochs} epochs; all 10,000 test images`,
    command: 'node scripts/studies/anomaly.mjs',
    epochs,
    rows,
    mean: { auroc: round(mean('auroc')), auprc: round(mean('auprc')), published: round(mean('published')) },
  },
  'docs/evaluation.md',
  markdown(rows, [
    ['held-out digit', (r) => r.digit],
    ['AUROC', (r) => r.auroc.toFixed(3)],
    ['published AUROC', (r) => r.published.toFixed(2)],
    ['AUPRC', (r) => r.auprc.toFixed(3)],
  ]),
);
