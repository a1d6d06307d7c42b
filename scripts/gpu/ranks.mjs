// Two processes that train one model on a device, against one process. `node ranks.mjs DEVICE` is one of the processes.
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { sprites, VAE } from '../../dist/index.js';
import { losses, relativeError, Verdict } from './verdict.mjs';

const MODELS = {
  perceptron: { spec: { encoder: { hidden: [64] }, latentSize: 8 } },
  convolutions: { spec: { encoder: { type: 'conv', channels: [8, 16] }, latentSize: 4 } },
  iwae: { spec: { encoder: { hidden: [32] }, latentSize: 4, objective: { type: 'iwae', samples: 3 } } },
};

/** The losses of each model's epochs. */
async function trained(device, distributed) {
  const data = sprites({ count: 500 });
  const found = {};
  for (const [name, options] of Object.entries(MODELS)) {
    const vae = await VAE.create({ ...options, seed: 4, device });
    // Of batches of 61 rows one process takes 31.
    found[name] = await losses(vae, data, { epochs: 2, batchSize: 61, distributed });
    vae.dispose();
  }
  return found;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(String(port)));
    });
  });
}

export async function ranks(device) {
  const verdict = new Verdict();
  const wanted = await trained(device, 'off');
  const place = {
    WORLD_SIZE: '2',
    LOCAL_WORLD_SIZE: '2',
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: await freePort(),
  };
  const program = fileURLToPath(import.meta.url);
  const processes = ['0', '1'].map((RANK) => {
    const env = { ...process.env, ...place, RANK, LOCAL_RANK: RANK };
    return promisify(execFile)(process.execPath, [program, device], { env });
  });
  const found = (await Promise.all(processes)).map(({ stdout }) => JSON.parse(stdout));
  for (const name of Object.keys(MODELS)) {
    verdict.add(name, relativeError(found[0][name], wanted[name]), 1e-4);
    verdict.add(`${name}, the other process`, relativeError(found[1][name], found[0][name]), 1e-300);
  }
  return verdict;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(JSON.stringify(await trained(process.argv[2], 'auto')));
}
