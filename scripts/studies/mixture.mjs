// Samples from the prior against samples from a mixture of normals fitted to the codes, for a VAE, one of beta 1/10 and a
// regularized autoencoder, which has no prior to speak of. Writes docs/results/mixture.json and its table in
// docs/studies.md. Three minutes on two cores, after: npm run build. TORCHVAE_BENCH_TORCH names a Python with PyTorch.
//   node scripts/studies/mixture.mjs

import { frechetDistance } from '../../dist/evaluation/index.js';
import { mnist } from '../../dist/index.js';
import { judge } from './judge.mjs';
import { markdown, record, round, trained } from './record.mjs';

const epochs = 10;
const count = 10_000;
const train = await mnist({ split: 'train' });
const test = await mnist({ split: 'test' });
const rows = [];
let vae;
for (const [model, spec] of [
  ['VAE', {}],
  ['VAE, beta 0.1', { objective: { beta: 0.1 } }],
  ['RAE', { posterior: 'deterministic', objective: { type: 'rae', beta: 1e-2, weightPenalty: 1e-4 } }],
]) {
  console.log(model);
  const run = await trained({ preset: 'mlp-400', spec, seed: 1 }, train, {
    epochs,
    batchSize: 128,
    learningRate: 1e-3,
    validation: test,
  });
  ({ vae } = run);
  const fitted = await vae.fitMixture(train, { components: 10, seed: 1 });
  const sets = {
    prior: await vae.sample(count, { seed: 7 }),
    mixture: await vae.decode(fitted.sample(count, { seed: 7 })),
    reconstructions: await vae.reconstruct(test),
  };
  const judged = judge(train, [test.data, ...Object.values(sets).map(({ data }) => data)]);
  for (const [i, [source, samples]] of Object.entries(sets).entries()) {
    rows.push({
      model,
      source,
      pixels: round(await frechetDistance(test, samples)),
      classifier: round(judged[i + 1].frechet),
    });
    console.log(JSON.stringify(rows.at(-1)));
  }
}
record(
  'mixture',
  vae,
  {
    what: `Frechet distance between ${count} samples and MNIST's test images: on the 64 first principal components of the test images' pixels, and in the 128 features of a convolutional classifier (PyTorch, 3 epochs); mlp-400, ${epochs} epochs; mixtures of 10 normals fitted to the training codes`,
    command: 'node scripts/studies/mixture.mjs',
    rows,
  },
  'docs/studies.md',
  markdown(rows, [
    ['model', (r) => r.model],
    ['z from', (r) => r.source],
    ['principal components of pixels', (r) => r.pixels.toFixed(2)],
    ["classifier's features", (r) => r.classifier.toFixed(1)],
  ]),
);
