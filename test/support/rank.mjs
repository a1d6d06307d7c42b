// One of several processes that train the same models, one after the other. Arguments: the cases as JSON, and a folder where rank 0
// leaves the models. Prints what they came to, as JSON.
import { join } from 'node:path';
import * as torchvae from '../../dist/index.js';
import { train } from './rank-cases.mjs';

const [cases, folder] = process.argv.slice(2);
const results = {};
for (const each of JSON.parse(cases)) {
  const { vae, epochs, error, exchange } = await train(torchvae, each, 'auto');
  results[each.name] = { epochs, error, exchange };
  if (process.env.RANK === '0') await vae.save(join(folder, `${each.name}.safetensors`));
  vae.dispose();
}
process.stdout.write(JSON.stringify(results));
