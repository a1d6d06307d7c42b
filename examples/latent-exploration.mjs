// Looks at what a model has made of its code: how much of it is in use, what lies between two images, and a map of a code of
// two numbers.
//   node examples/latent-exploration.mjs
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

/** @param {number} latentSize */
async function trained(latentSize) {
  const hidden = [values.small ? 64 : 400];
  const vae = await VAE.create({
    spec: { inputShape: data.shape, encoder: { hidden }, latentSize },
    seed: 1,
  });
  for await (const { epoch, train } of vae.fit(data, { epochs: values.small ? 8 : 15 })) {
    console.log(`${latentSize} numbers, epoch ${epoch}: ELBO ${train.elbo?.toFixed(1)} nats`);
  }
  return vae;
}

const vae = await trained(16);
const health = await vae.latentHealth(data.take(Math.min(1000, data.length)));
const nats = Array.from(health.klPerDimension, (kl) => kl.toFixed(1)).join(' ');
console.log(`${health.activeUnits} of 16 dimensions are in use; nats that each carries: ${nats}`);

// From one image to another in a straight line between their codes, for four pairs.
const steps = 8;
const { mean } = await vae.encode(data.take(8));
const path = new Float32Array(4 * steps * 16);
for (let pair = 0; pair < 4; pair++) {
  for (let step = 0; step < steps; step++) {
    const t = step / (steps - 1);
    for (let d = 0; d < 16; d++) {
      const [from, to] = [mean.data[32 * pair + d] ?? 0, mean.data[32 * pair + 16 + d] ?? 0];
      path[(pair * steps + step) * 16 + d] = (1 - t) * from + t * to;
    }
  }
}
const between = await vae.decode(path);
await writeFile(
  join(values.out, 'latent-between.png'),
  encodePng(imageGrid(between.data, data.shape, { columns: steps, scale: 2 })),
);

// The code of a model with two numbers can be seen whole: a map from -2 to 2 standard deviations of the prior.
const flat = await trained(2);
const side = 15;
const at = (/** @type {number} */ i) => -2 + (4 * i) / (side - 1);
const map = Float32Array.from({ length: 2 * side * side }, (_, i) => {
  const cell = Math.floor(i / 2);
  return i % 2 === 0 ? at(cell % side) : -at(Math.floor(cell / side));
});
const atlas = await flat.decode(map);
await writeFile(
  join(values.out, 'latent-map.png'),
  encodePng(imageGrid(atlas.data, data.shape, { columns: side, padding: 0 })),
);

// Where the classes lie on that map.
const codes = (await flat.encode(data)).mean.data;
data.classes?.forEach((name, label) => {
  let [x, y, count] = [0, 0, 0];
  data.labels?.forEach((other, i) => {
    if (other !== label) return;
    x += codes[2 * i] ?? 0;
    y += codes[2 * i + 1] ?? 0;
    count++;
  });
  console.log(`${name}: around (${(x / count).toFixed(2)}, ${(y / count).toFixed(2)})`);
});
console.log(`The pictures are in ${values.out}`);
