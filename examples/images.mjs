// Trains a VAE on images, shows what it has learned, saves it, and goes on from there.
//   node examples/images.mjs
// @ts-check
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { mnist, sprites, VAE } from 'torchvae';
import { encodePng, imageGrid, reconstructionGrid } from 'torchvae/report';

const { values } = parseArgs({
  options: { small: { type: 'boolean' }, out: { type: 'string', default: 'runs/examples' } },
});
await mkdir(values.out, { recursive: true });

const all = process.env.TORCHVAE_DATA ? await mnist() : sprites();
const { train, validation } = all.take(values.small ? 2000 : all.length).split({ validation: 0.1 });
console.log(train.describe());

// A spec instead of a preset: a perceptron of one hidden layer on each side, and a code of 16 numbers.
const vae = await VAE.create({
  spec: { inputShape: train.shape, encoder: { hidden: [values.small ? 64 : 400] }, latentSize: 16 },
  seed: 1,
});
for await (const { epoch, train: losses, validation: held } of vae.fit(train, {
  epochs: values.small ? 3 : 10,
  validation,
})) {
  console.log(`epoch ${epoch}: ELBO ${losses.elbo?.toFixed(1)} nats, held out ${held?.elbo?.toFixed(1)}`);
}

// Held-out images above, below each what is left of it after the code of 16 numbers.
const shown = validation.take(16);
const originals = shown.batch(Array.from({ length: 16 }, (_, i) => i));
const reconstructions = await vae.reconstruct(shown);
const pairs = reconstructionGrid(originals, reconstructions.data, train.shape, { columns: 8, scale: 2 });
await writeFile(join(values.out, 'images-reconstructions.png'), encodePng(pairs));

// Codes drawn from the prior, decoded: images that nobody has drawn.
const samples = await vae.sample(64, { seed: 7 });
const grid = imageGrid(samples.data, train.shape, { columns: 8, scale: 2 });
await writeFile(join(values.out, 'images-samples.png'), encodePng(grid));

const path = join(values.out, 'images.safetensors');
await vae.save(path);
vae.dispose();
const resumed = await VAE.load(path);
for await (const { epoch, train: losses } of resumed.fit(train, { epochs: 1 })) {
  console.log(`epoch ${epoch}, after loading: ELBO ${losses.elbo?.toFixed(1)} nats`);
}
console.log(`Pictures and the model are in ${values.out}`);
