// How the time to a given loss depends on batch size, on how the learning rate grows with it, and on precision, for deep-bottleneck (squared
// error, uniform noise on a batch-normalized code) on MNIST. Writes docs/results/efficiency.json and its table in docs/studies.md; on
// another device, with --out, a file alone. Ten minutes on two cores, after: npm run build.
//   node scripts/studies/efficiency.mjs [--device cpu] [--target 26] [--epochs 8] [--out FILE]
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { mnist, preset, VAE } from '../../dist/index.js';
import { environment, markdown, record, round } from './record.mjs';

const { values } = parseArgs({
  options: {
    device: { type: 'string', default: 'cpu' },
    target: { type: 'string', default: '26' },
    epochs: { type: 'string', default: '8' },
    out: { type: 'string' },
  },
});
const { device } = values;
const target = Number(values.target);
const epochs = Number(values.epochs);
const train = await mnist({ split: 'train' });
const validation = await mnist({ split: 'test' });
const { batchSize: usual, learningRate: rate } = preset('deep-bottleneck').training;

/** How the learning rate grows with the batch: not at all, or as the noise of the gradient or its square falls. */
const SCALING = {
  constant: () => rate,
  'square root': (batchSize) => rate * Math.sqrt(batchSize / usual),
  linear: (batchSize) => (rate * batchSize) / usual,
};
const PRECISIONS = device === 'cpu' ? ['float32', 'float64', 'bf16'] : ['float32', 'tf32', 'bf16'];
const RUNS = [
  ...[usual, 128, 512, 2048].flatMap((batchSize) =>
    Object.keys(SCALING)
      .filter((scaling) => batchSize !== usual || scaling === 'constant')
      .map((scaling) => ({ batchSize, scaling, precision: 'float32' })),
  ),
  ...PRECISIONS.slice(1).map((precision) => ({ batchSize: 128, scaling: 'square root', precision })),
];

let vae;
const rows = [];
for (const { batchSize, scaling, precision } of RUNS) {
  const learningRate = SCALING[scaling](batchSize);
  const row = { batchSize, scaling, precision, learningRate: round(learningRate) };
  try {
    vae = await VAE.create({ preset: 'deep-bottleneck', seed: 1, device, precision });
    let seconds = 0;
    for await (const result of vae.fit(train, {
      epochs,
      batchSize,
      learningRate,
      validation,
      gradientHealth: 'off',
    })) {
      seconds += result.seconds;
      const reconstruction = round(result.validation.reconstruction);
      Object.assign(row, {
        epochs: result.epoch,
        steps: result.step,
        seconds: round(seconds),
        reconstruction,
      });
      row.reached = result.validation.reconstruction <= target;
      if (row.reached) break;
    }
  } catch (error) {
    if (!['ERR_DEVICE', 'ERR_SPEC', 'ERR_NONFINITE'].includes(error.code)) throw error;
    row.refused = error.message;
  }
  rows.push(row);
  console.log(JSON.stringify(row));
}
const what = `time until the mean test reconstruction of deep-bottleneck on MNIST is at most ${target}, ${epochs} epochs at most`;
const command = `node scripts/studies/efficiency.mjs${device === 'cpu' ? '' : ` --device ${device}`}`;
if (values.out)
  writeFileSync(values.out, `${JSON.stringify({ what, command, ...environment(vae), rows }, null, 2)}\n`);
else {
  record(
    'efficiency',
    vae,
    { what, command, target, rows },
    'docs/studies.md',
    markdown(rows, [
      ['batch, learning rate, precision', (r) => `${r.batchSize}, ${r.scaling}, ${r.precision}`],
      ['rate', (r) => r.learningRate.toFixed(4)],
      ['epochs', (r) => (r.refused ? 'refused' : r.reached ? r.epochs : 'not reached')],
      ['updates', (r) => r.steps],
      ['seconds', (r) => r.seconds?.toFixed(1)],
      ['test reconstruction', (r) => r.reconstruction?.toFixed(2)],
    ]),
  );
}
