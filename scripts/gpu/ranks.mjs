// Two processes that train one model on a device, against one process: by way of the host where they share a GPU, by NCCL where there are
// two, in captured graphs and in the loop. On a GPU also NCCL in one process. `node ranks.mjs DEVICE` is one of the processes.
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { sprites, VAE } from '../../dist/index.js';
import { completeSpec, nativeSpec } from '../../dist/model/spec.js';
import { loadEngine } from '../../dist/runtime/addon.js';
import { Device } from '../../dist/runtime/device.js';
import { losses, relativeError, Verdict } from './verdict.mjs';

const MODELS = {
  perceptron: { spec: { encoder: { hidden: [64] }, latentSize: 8 } },
  'wide perceptron': { spec: { encoder: { hidden: [400] }, latentSize: 20 } },
  convolutions: { spec: { encoder: { type: 'conv', channels: [8, 16] }, latentSize: 4 } },
  iwae: { spec: { encoder: { hidden: [32] }, latentSize: 4, objective: { type: 'iwae', samples: 3 } } },
};

/** The losses of each model's epochs. */
async function trained(device, distributed) {
  // In some graphs of many steps.
  const data = sprites({ count: 2000 });
  const found = {};
  for (const [name, options] of Object.entries(MODELS)) {
    const vae = await VAE.create({ ...options, seed: 4, device });
    // Of batches of 61 rows one process takes 31.
    const onProgress = ({ exchange = '' }) => {
      found.exchange = exchange;
    };
    found[name] = await losses(vae, data, { epochs: 2, batchSize: 61, distributed, onProgress });
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

/** What a process that is alone with NCCL says: a communicator of one, by which the weights go from it to itself. */
async function aloneByNccl(verdict, device) {
  const { addon, handle } = Device.open(device);
  const spec = nativeSpec(completeSpec(MODELS.perceptron.spec));
  const model = await addon.createModel(handle, spec, 4, 'float32', false);
  const port = Number(await freePort());
  const place = { rank: 0, size: 1, host: '127.0.0.1', port, isServed: false, prefix: 'alone' };
  const handles = await addon.join(model, { ...place, seconds: 60, by: 'nccl' });
  const weights = async () => (await addon.readState(model)).tensors[0];
  const before = await weights();
  const exchange = await addon.synchronize(model, handles);
  verdict.add('one process by NCCL', relativeError(await weights(), before), 1e-300);
  addon.dispose(model);
  return exchange;
}

/** GPUs that two processes would take; 0 where they run on the CPU. */
const gpus = (device) => (device === 'cpu' ? 0 : loadEngine({ device: 'cuda' }).info.cuda.devices.length);

/** What two processes come to that exchange as the variables say. */
async function inTwo(device, variables) {
  const place = {
    WORLD_SIZE: '2',
    LOCAL_WORLD_SIZE: '2',
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: await freePort(),
    ...variables,
  };
  const program = fileURLToPath(import.meta.url);
  const processes = ['0', '1'].map((RANK) => {
    const env = { ...process.env, ...place, RANK, LOCAL_RANK: RANK };
    return promisify(execFile)(process.execPath, [program, device], { env });
  });
  return (await Promise.all(processes)).map(({ stdout }) => JSON.parse(stdout));
}

export async function ranks(device) {
  const verdict = new Verdict();
  const count = gpus(device);
  const isByNccl = device === 'cuda' && count > 1;
  const wanted = await trained(device, 'off');
  const ways = isByNccl
    ? {
        'NCCL in graphs': { TORCHVAE_RANKS_BY: 'nccl' },
        'NCCL in the loop': { TORCHVAE_RANKS_BY: 'nccl', TORCHVAE_RANKS_STEPS: 'loop' },
      }
    : { Gloo: {} };
  verdict.exchange = {};
  for (const [way, variables] of Object.entries(ways)) {
    const found = await inTwo(device, variables);
    for (const name of Object.keys(MODELS)) {
      verdict.add(`${name} by ${way}`, relativeError(found[0][name], wanted[name]), 1e-4);
      verdict.add(
        `${name} by ${way}, the other process`,
        relativeError(found[1][name], found[0][name]),
        1e-300,
      );
    }
    verdict.exchange[way] = found[0].exchange;
    const isAsAsked = found[0].exchange.startsWith(isByNccl ? 'NCCL' : 'Gloo');
    verdict.add(`two processes by ${way}`, isAsAsked ? 0 : 1, 1e-300);
  }
  if (count > 0) verdict.alone = await aloneByNccl(verdict, device);
  return verdict;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(JSON.stringify(await trained(process.argv[2], 'auto')));
}
