// Finds strange rows of a table: a VAE learns what usual rows are like, and a row that it can explain only badly is an anomaly.
//   node examples/table-anomalies.mjs
// @ts-check
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Dataset, TableSchema, VAE } from 'torchvae';
import { encodePng } from 'torchvae/report';

const { values } = parseArgs({
  options: { small: { type: 'boolean' }, out: { type: 'string', default: 'runs/examples' } },
});
await mkdir(values.out, { recursive: true });

// Payments in three shops: what is usual differs from shop to shop, and amount, items and weight depend on each other.
const SHOPS = { books: 18, tools: 60, jewels: 900 };
/** @param {number} i @param {boolean} [isStrange] */
function payment(i, isStrange = false) {
  const shop = /** @type {keyof typeof SHOPS} */ (Object.keys(SHOPS)[i % 3]);
  const items = 1 + Math.floor(4 * Math.random() ** 2);
  const usual = SHOPS[shop] * items * (0.8 + 0.4 * Math.random());
  return {
    shop,
    items,
    hour: Math.min(20, Math.max(8, 13 + 3 * (Math.random() + Math.random() + Math.random() - 1.5))),
    // Each number of a strange payment is one that comes often; only together they do not.
    logAmount: Math.log(isStrange ? SHOPS[shop === 'jewels' ? 'books' : 'jewels'] * items : usual),
  };
}
const rows = values.small ? 2000 : 20_000;
const train = await Dataset.fromRecords(Array.from({ length: rows }, (_, i) => payment(i)));
const { schema } = train;
if (!(schema instanceof TableSchema)) throw new Error('records have a schema');
console.log(train.describe());

const vae = await VAE.create({
  spec: {
    inputShape: train.shape,
    encoder: { hidden: [64, 32], activation: 'tanh' },
    latentSize: 3,
    likelihood: { type: 'gaussian', sigma: 0.2 },
  },
  seed: 1,
});
for await (const { epoch, train: losses } of vae.fit(train, {
  epochs: values.small ? 15 : 30,
  learningRate: 2e-3,
})) {
  if (epoch % 5 === 0) console.log(`epoch ${epoch}: ELBO ${losses.elbo?.toFixed(2)} nats`);
}

/** @param {object[]} records */
const encoded = (records) => Dataset.fromRecords(records, { schema });

// Usual payments that it was not trained on say what score, in nats, is too high: at most one in a hundred like them will be.
const normal = await encoded(Array.from({ length: 1000 }, (_, i) => payment(i)));
const { value: threshold } = await vae.fitThreshold(normal, { falseAlarmRate: 0.01 });
const { scores: usual } = await vae.detect(await encoded(Array.from({ length: 1000 }, (_, i) => payment(i))));
const { scores: strange } = await vae.detect(
  await encoded(Array.from({ length: 100 }, (_, i) => payment(i, true))),
);
/** @param {Float32Array} scores */
const share = (scores) => scores.filter((score) => score > threshold).length / scores.length;
console.log(
  `Above the threshold of ${threshold.toFixed(1)} nats: ${(100 * share(strange)).toFixed(0)}% of the strange`,
);
console.log(`payments, and ${(100 * share(usual)).toFixed(0)}% of the usual ones`);

// How many payments have which score: usual ones above, strange ones below, the threshold between black and gray.
const [width, height] = [240, 60];
const low = Math.min(...usual);
const high = threshold + 3 * (threshold - low);
const picture = {
  width,
  height: 2 * height,
  channels: /** @type {1} */ (1),
  data: new Uint8Array(2 * height * width),
};
[usual, strange].forEach((scores, part) => {
  const counts = new Array(width).fill(0);
  for (const score of scores) {
    counts[Math.min(width - 1, Math.max(0, Math.floor((width * (score - low)) / (high - low))))]++;
  }
  const most = Math.max(...counts);
  counts.forEach((count, x) => {
    const isAbove = x / width > (threshold - low) / (high - low);
    for (let y = 0; y < height; y++) {
      const isBar = height - y <= Math.ceil((height * count) / most);
      picture.data[(part * height + y) * width + x] = isBar ? 255 : isAbove ? 80 : 0;
    }
  });
});
await writeFile(join(values.out, 'table-anomalies.png'), encodePng(picture));
console.log(`The picture is in ${values.out}`);
