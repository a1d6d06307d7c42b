// A VAE that sees the class of each image, and then draws images of a chosen class.
//   node examples/conditional-digits.mjs
// @ts-check
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { mnist, sprites, VAE } from 'torchvae';
import { encodePng, imageGrid } from 'torchvae/report';

const { values } = parseArgs({
  options: { small: { type: 'boolean' }, out: { type: 'string', default: 'runs/examples' } },
});
await mkdir(values.out, { recursive: true });

const all = process.env.TORCHVAE_DATA ? await mnist() : sprites();
const data = all.take(values.small ? 2000 : all.length);
const classes = data.classes ?? [];
console.log(`${data.describe()}: ${classes.join(', ')}`);

// Encoder and decoder see the label beside the image and the code, so that the code need not tell the class.
const vae = await VAE.create({
  spec: {
    inputShape: data.shape,
    encoder: { hidden: [values.small ? 64 : 400] },
    latentSize: 8,
    condition: { classes: classes.length },
  },
  seed: 1,
});
for await (const { epoch, train } of vae.fit(data, { epochs: values.small ? 4 : 20 })) {
  console.log(`epoch ${epoch}: ELBO ${train.elbo?.toFixed(1)} nats`);
}

// A column for each class.
const rows = 8;
const labels = Int32Array.from({ length: rows * classes.length }, (_, i) => i % classes.length);
const samples = await vae.sample(labels.length, { labels, seed: 3 });
const asked = imageGrid(samples.data, data.shape, { columns: classes.length, scale: 2 });
await writeFile(join(values.out, 'conditional-digits.png'), encodePng(asked));

// One code under all labels: what stays the same is the hand, what changes is the digit.
const one = data.take(1);
const { mean } = await vae.encode(one);
const codes = new Float32Array(classes.length * mean.data.length);
for (let i = 0; i < classes.length; i++) codes.set(mean.data, i * mean.data.length);
const translated = await vae.decode(codes, { labels: Int32Array.from(classes, (_, i) => i) });
const images = new Float32Array(translated.data.length + one.size);
images.set(one.batch([0]));
images.set(translated.data, one.size);
await writeFile(
  join(values.out, 'conditional-styles.png'),
  encodePng(imageGrid(images, data.shape, { columns: classes.length + 1, scale: 3 })),
);
console.log(
  `Wrote each class as it was asked for, and one image in the style of which all are drawn, to ${values.out}`,
);
