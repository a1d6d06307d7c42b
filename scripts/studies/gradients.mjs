// The study that mlp-128 is for: sigmoid against relu, deep against shallow, clipping on and off, the Gaussian against the
// Bernoulli-mixed posterior. Writes docs/results/gradients.json and its table in docs/studies.md. Five minutes on two
// cores, after: npm run build.
//   node scripts/studies/gradients.mjs [--epochs 10]
import { parseArgs } from 'node:util';
import { mnist, preset, VAE } from '../../dist/index.js';
import { markdown, record, round } from './record.mjs';

const { values } = parseArgs({ options: { epochs: { type: 'string', default: '10' } } });
const epochs = Number(values.epochs);
const { train } = (await mnist({ split: 'train' })).split({ validation: 0.1, seed: 1 });
const test = await mnist({ split: 'test' });
const { batchSize } = preset('mlp-128').training;
const deep = new Array(6).fill(128);

const network = (activation, hidden) => ({
  encoder: { hidden, activation },
  decoder: { hidden, activation },
});
const STUDIES = [
  ['relu', network('relu', [128]), {}],
  ['sigmoid', network('sigmoid', [128]), {}],
  ['relu, six layers', network('relu', deep), {}],
  ['sigmoid, six layers', network('sigmoid', deep), {}],
  [
    'sigmoid, six layers, layer norm',
    {
      encoder: { hidden: deep, activation: 'sigmoid', norm: 'layer' },
      decoder: { hidden: deep, activation: 'sigmoid', norm: 'layer' },
    },
    {},
  ],
  ['relu, rate 0.03', network('relu', [128]), { learningRate: 0.03 }],
  ['relu, rate 0.03, clipped to norm 1', network('relu', [128]), { learningRate: 0.03, clip: { norm: 1 } }],
  ['relu, SGD, rate 0.01', network('relu', [128]), { learningRate: 0.01, optimizer: { type: 'sgd' } }],
  [
    'relu, SGD, rate 0.01, clipped to norm 1',
    network('relu', [128]),
    { learningRate: 0.01, optimizer: { type: 'sgd' }, clip: { norm: 1 } },
  ],
  ['relu, Bernoulli-mixed posterior', { ...network('relu', [128]), posterior: 'bernoulli-mixed' }, {}],
  ['relu, L1 1e-3, L2 1e-3', network('relu', [128]), { penalty: { l1: 1e-3, l2: 1e-3 } }],
];

/** The smallest layer's gradient over the largest's, by root mean square. */
function shareOf({ layers }, sizes) {
  const each = layers
    .filter(({ name }) => name.endsWith('.weight'))
    .map(({ name, gradient }) => gradient / Math.sqrt(sizes.get(name)));
  return Math.min(...each) / Math.max(...each);
}

const rows = [];
let vae;
for (const [name, spec, training] of STUDIES) {
  vae = await VAE.create({ preset: 'mlp-128', spec, seed: 1 });
  const sizes = new Map([...(await vae.parameters())].map(([key, { data }]) => [key, data.length]));
  const row = { name };
  try {
    for await (const result of vae.fit(train, { epochs, batchSize, validation: test, ...training })) {
      const { epoch, gradientHealth: health, validation } = result;
      if (epoch === 1)
        Object.assign(row, {
          firstShare: shareOf(health, sizes),
          firstVerdict: health.verdict,
          firstNorm: round(health.norm),
        });
      Object.assign(row, {
        lastShare: shareOf(health, sizes),
        lastVerdict: health.verdict,
        lastNorm: round(health.norm),
        reconstruction: round(validation.reconstruction),
        kl: round(validation.kl),
      });
    }
  } catch (error) {
    if (error.code !== 'ERR_NONFINITE') throw error;
    row.stopped = error.message;
  }
  rows.push(row);
  console.log(JSON.stringify(row));
}
const share = (value) => (value === undefined ? '' : value.toExponential(1));
record(
  'gradients',
  vae,
  {
    what: `mlp-128 (784-128-32, squared error) on MNIST with parts exchanged, ${epochs} epochs, batch ${batchSize}, Adam 1e-3 unless said; a tenth of the training images held out, losses of the test images`,
    command: 'node scripts/studies/gradients.mjs',
    epochs,
    rows,
  },
  'docs/studies.md',
  markdown(rows, [
    ['', (r) => r.name],
    ['share, first epoch', (r) => share(r.firstShare)],
    ['verdict', (r) => r.firstVerdict],
    ['share, last epoch', (r) => share(r.lastShare)],
    ['verdict', (r) => (r.stopped ? 'not finite: stopped' : r.lastVerdict)],
    ['norm', (r) => r.lastNorm?.toFixed(1)],
    ['test reconstruction', (r) => r.reconstruction?.toFixed(2)],
    ['kl', (r) => r.kl?.toFixed(2)],
  ]),
);
