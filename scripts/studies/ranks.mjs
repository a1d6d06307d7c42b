// What it costs that several processes train one model, on this machine: the time of an update by R processes of one thread each, beside
// that of one such process with the same rows, for models of several sizes. The difference is the sum of the gradients, and the waiting.
//   node scripts/studies/ranks.mjs [--ranks 2]
// Writes docs/results/ranks.json and the table in docs/scale.md.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { sprites, VAE } from '../../dist/index.js';
import { markdown, record, round } from './record.mjs';

const { values } = parseArgs({ options: { ranks: { type: 'string', default: '2' } } });
const size = Number(values.ranks);

/** Rows of each process, and the widths of both networks' hidden layers. */
const ROWS = 64;
const MODELS = { '784-32-2': [[32], 2], '784-400-20': [[400], 20], '784-2048-512-32': [[2048, 512], 32] };
const STEPS = 30;
const ROUNDS = 15;

/** Milliseconds of an update of each model: the least of rounds, in which the models take turns, as whatever else runs only adds to it. */
async function times(processes) {
  const data = sprites({ count: STEPS * ROWS * processes });
  const options = { epochs: 1, batchSize: ROWS * processes, gradientHealth: 'off', distributed: 'auto' };
  const vaes = [];
  for (const [hidden, latentSize] of Object.values(MODELS)) {
    const vae = await VAE.create({ spec: { encoder: { hidden }, latentSize }, device: 'cpu' });
    await vae.fit(data, options);
    vaes.push({ vae, each: [] });
  }
  for (let i = 0; i < ROUNDS; i++) {
    for (const { vae, each } of vaes) {
      const { seconds } = await vae.fit(data, options);
      each.push((1000 * seconds) / STEPS);
    }
  }
  return vaes.map(({ each }) => Math.min(...each));
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** What `times` gives in rank 0 of so many processes. */
async function timesOf(processes) {
  const place = {
    WORLD_SIZE: processes,
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: await freePort(),
    TORCHVAE_THREADS: 1,
  };
  const texts = Array.from({ length: processes }, (_, rank) => {
    const env = { ...process.env, ...place, RANK: rank, TORCHVAE_STUDY_RANK: '1' };
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more) => {
      text += more;
    });
    return new Promise((resolve, reject) => {
      child.on('close', (code) =>
        code === 0 ? resolve(text) : reject(new Error(`rank ${rank} ended with ${code}`)),
      );
    });
  });
  return JSON.parse((await Promise.all(texts))[0]);
}

if (process.env.TORCHVAE_STUDY_RANK) {
  process.stdout.write(JSON.stringify(await times(Number(process.env.WORLD_SIZE))));
} else {
  const alone = await timesOf(1);
  const together = await timesOf(size);
  const rows = [];
  for (const [i, [name, [hidden, latentSize]]] of Object.entries(MODELS).entries()) {
    const vae = await VAE.create({ spec: { encoder: { hidden }, latentSize }, device: 'cpu' });
    const megabytes = (4 * vae.parameterCount) / 1e6;
    rows.push({
      model: name,
      megabytes: round(megabytes),
      aloneMs: round(alone[i]),
      togetherMs: round(together[i]),
      sumMs: round(together[i] - alone[i]),
    });
    vae.dispose();
  }
  const columns = [
    ['model', ({ model }) => `\`${model}\``],
    ['gradient, MB', ({ megabytes }) => megabytes.toFixed(2)],
    [`one process, batch ${ROWS}, ms`, ({ aloneMs }) => aloneMs.toFixed(2)],
    [`${size} processes, batch ${size * ROWS}, ms`, ({ togetherMs }) => togetherMs.toFixed(2)],
    ['the sum, ms', ({ sumMs }) => sumMs.toFixed(2)],
    [
      'rows a second, of one process',
      ({ aloneMs, togetherMs }) => `${((size * aloneMs) / togetherMs).toFixed(2)} x`,
    ],
  ];
  const vae = await VAE.create({ spec: { encoder: { hidden: [8] }, latentSize: 2 }, device: 'cpu' });
  const what = `Updates by ${size} processes of one thread on one machine, by Gloo, and by one such process`;
  record(
    'ranks',
    vae,
    { what, command: 'node scripts/studies/ranks.mjs', rows },
    'docs/scale.md',
    markdown(rows, columns),
  );
}
