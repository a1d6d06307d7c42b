// Your own rows: from a file, divided for training and validation, to a model and back to rows; then as a stream, for data larger
// than memory.
//   node examples/own-data.mjs
// @ts-check
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Dataset, loadSplit, StreamedDataset, TableSchema, VAE } from 'torchvae';
import { encodePng, imageGrid } from 'torchvae/report';

const { values } = parseArgs({
  options: { small: { type: 'boolean' }, out: { type: 'string', default: 'runs/examples' } },
});
await mkdir(values.out, { recursive: true });
const rows = values.small ? 2000 : 20_000;

/** A house: price and rooms follow its size, and the town. @param {number} i */
function house(i) {
  const town = ['Bergen', 'Bologna', 'Bruges'][i % 3] ?? '';
  const area = 40 + ((i * 7919) % 1000) / 6;
  const garden = (i * 104_729) % 10 < 4 ? 'yes' : 'no';
  const price = 2 * area * (1 + (i % 3) / 2) + (garden === 'yes' ? 40 : 0);
  return { town, area, rooms: Math.round(area / 25), garden, price };
}

// A file, as a spreadsheet writes it. loadSplit learns means and categories from the training part alone.
const file = join(values.out, 'houses.csv');
const lines = Array.from({ length: rows }, (_, i) => Object.values(house(i)).join(','));
await writeFile(file, [Object.keys(house(0)).join(','), ...lines].join('\n'));
const { train, validation } = await loadSplit(file, { validation: 0.2 });
console.log(train.describe());

/** @type {import('torchvae').ModelSpecInput} */
const spec = {
  inputShape: train.shape,
  encoder: { hidden: [64], activation: 'tanh' },
  latentSize: 2,
  likelihood: { type: 'gaussian', sigma: 0.2 },
};
const vae = await VAE.create({ spec, seed: 1 });
for await (const { epoch, validation: held } of vae.fit(train, {
  epochs: values.small ? 10 : 20,
  validation,
})) {
  if (epoch % 5 === 0) console.log(`epoch ${epoch}: ELBO ${held?.elbo?.toFixed(2)} nats, held out`);
}

// The checkpoint keeps how rows became numbers, and turns numbers into rows again.
const path = join(values.out, 'houses.safetensors');
await vae.save(path);
const served = await VAE.load(path);
if (!(served.schema instanceof TableSchema)) throw new Error('the checkpoint keeps the schema');
console.log('Houses that nobody has built:');
console.table(served.schema.decode((await served.sample(3, { seed: 2 })).data));
const mine = await Dataset.fromRecords([house(12_345)], { schema: served.schema });
const [again] = served.schema.decode((await served.reconstruct(mine)).data);
console.log('One house, and what its code of two numbers kept of it:');
console.table([house(12_345), again]);

// The same from a source that gives rows one by one, such as a database: it is read anew in every epoch, a window ahead of the
// training, and never held whole.
async function* query() {
  for (let i = 0; i < rows; i++) yield house(i);
}
const stream = await StreamedDataset.from(query, { name: 'houses', window: 1024 });
console.log(stream.describe());
const streamed = await VAE.create({ spec, seed: 1 });
for await (const { epoch, train: losses } of streamed.fit(stream, { epochs: 3 })) {
  console.log(`epoch ${epoch}: ELBO ${losses.elbo?.toFixed(2)} nats`);
}

// Where houses lie in the code, by town: red, green and blue.
const side = 120;
const map = new Float32Array(3 * side * side);
const codes = (await vae.encode(validation)).mean.data;
const town =
  validation.schema instanceof TableSchema
    ? validation.schema
        .decode(validation.batch(Array.from({ length: validation.length }, (_, i) => i)))
        .map((row) => row.town)
    : [];
town.forEach((name, i) => {
  const [x, y] = [codes[2 * i] ?? 0, codes[2 * i + 1] ?? 0].map((z) => Math.round(side / 2 + (z * side) / 6));
  const isInside = x !== undefined && y !== undefined && x >= 0 && y >= 0 && x < side && y < side;
  if (isInside) map[['Bergen', 'Bologna', 'Bruges'].indexOf(String(name)) * side * side + y * side + x] = 1;
});
await writeFile(
  join(values.out, 'own-data-codes.png'),
  encodePng(imageGrid(map, [3, side, side], { scale: 3 })),
);
console.log(`The picture, the file and the model are in ${values.out}`);
