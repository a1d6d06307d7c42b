// Trains the preset mlp-400 on MNIST as the example that ships with PyTorch does (Adam 1e-3, batch 128, 10 epochs), with
// two seeds, and writes docs/results/mlp-400-mnist.json and the table of docs/results.md. Half a minute on two cores, after: npm run
// build. With --out FILE it writes that file alone.
//   node scripts/reproduce-l1.mjs [--seeds 1,2] [--epochs 10] [--out FILE]
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { mnist, preset, VAE } from '../dist/index.js';
import { environment, round } from './studies/record.mjs';

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1,2' },
    epochs: { type: 'string', default: '10' },
    out: { type: 'string' },
  },
});

const brief = ({ reconstruction, kl, loss }) => ({
  reconstruction: round(reconstruction),
  kl: round(kl),
  loss: round(loss),
});

const train = await mnist({ split: 'train' });
const test = await mnist({ split: 'test' });
const settings = { ...preset('mlp-400').training, epochs: Number(flags.epochs) };
const runs = [];
let last;
for (const seed of flags.seeds.split(',').map(Number)) {
  const vae = await VAE.create({ preset: 'mlp-400', seed });
  last = vae;
  const epochs = [];
  for await (const result of vae.fit(train, { ...settings, validation: test })) {
    const line = {
      epoch: result.epoch,
      seconds: round(result.seconds),
      train: brief(result.train),
      test: brief(result.validation),
    };
    console.log(
      `seed ${seed}  epoch ${line.epoch}  ${line.seconds} s  train ${line.train.loss}  test ${line.test.loss}`,
    );
    epochs.push(line);
  }
  vae.dispose();
  runs.push({ seed, epochs });
}

const report = {
  what: 'mlp-400 on MNIST, gray pixels as Bernoulli means; nats, summed over dimensions, averaged over examples; one z an example',
  command: 'node scripts/reproduce-l1.mjs',
  ...environment(last),
  settings,
  reference: {
    source: 'PyTorch 2.13 running its own VAE example on the CPU, two seeds',
    train: [106.38, 106.2],
    test: [105.9, 105.64],
  },
  runs,
};
const out = flags.out ?? fileURLToPath(new URL('../docs/results/mlp-400-mnist.json', import.meta.url));
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`);
console.log(`Wrote ${out}`);
if (flags.out === undefined) writeTable(report);

/** Puts the results between the marks in docs/results.md. */
function writeTable({ runs: all, reference, machine, versions: used, date }) {
  const path = fileURLToPath(new URL('../docs/results.md', import.meta.url));
  const rows = all.map(({ seed, epochs }) => {
    const { train: fitted, test: held } = epochs.at(-1);
    return `| torchvae, seed ${seed} | ${fitted.loss.toFixed(2)} | ${held.loss.toFixed(2)} |`;
  });
  const others = reference.train.map(
    (loss, i) => `| PyTorch | ${loss.toFixed(2)} | ${reference.test[i].toFixed(2)} |`,
  );
  const table = [
    '| | train | test |',
    '|---|---|---|',
    ...rows,
    ...others,
    '',
    `torchvae ${used.torchvae} on libtorch ${used.libtorch}, ${machine.cores} cores of an ${machine.processor}, ${date}. PyTorch 2.13 runs its own`,
    'VAE example, with two seeds.',
  ].join('\n');
  const marked = /(<!-- results: .* -->\n)[\s\S]*(<!-- \/results -->)/;
  writeFileSync(path, readFileSync(path, 'utf8').replace(marked, `$1${table}\n$2`));
}
