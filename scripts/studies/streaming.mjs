// What reading the data anew in every epoch costs: MNIST in memory, as a .npy file and as a folder of PNG images, an epoch of each
// in turn. Writes docs/results/streaming.json and its table in docs/data.md. Three minutes on two cores, after: npm run build.
//   node scripts/studies/streaming.mjs
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { mnist, streamDataset, VAE } from '../../dist/index.js';
import { markdown, record, round } from './record.mjs';

const TURNS = 12;
/** In one call of fit(). */
const EPOCHS = 2;
const digits = await mnist();
const folder = mkdtempSync(join(tmpdir(), 'torchvae-streaming-'));

/** The .npy file that numpy.save writes of these bytes. */
function npy(shape, data) {
  const header = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`;
  const padded = `${header.padEnd(64 * Math.ceil((header.length + 11) / 64) - 11)}\n`;
  const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, padded.length & 255, padded.length >> 8]);
  return Buffer.concat([start, Buffer.from(padded), data]);
}

async function writePngs(path) {
  for (let i = 0; i < digits.length; i++) {
    const parent = join(path, String(digits.labels[i]));
    if (i < 100) mkdirSync(parent, { recursive: true });
    const pixels = digits.data.subarray(784 * i, 784 * (i + 1));
    const png = sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
      .toColorspace('b-w')
      .png();
    writeFileSync(join(parent, `${i}.png`), await png.toBuffer());
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Examples a second that reading alone brings, in the order of an epoch. */
async function readingSpeed(stream) {
  const reading = await stream.open({
    seed: 1,
    epoch: 0,
    shuffle: true,
    first: 0,
    signal: new AbortController().signal,
  });
  const began = performance.now();
  for (let seen = 0; seen < stream.length; ) {
    const count = Math.min(stream.window, stream.length - seen);
    await reading.read(count);
    seen += count;
  }
  const seconds = (performance.now() - began) / 1000;
  await reading.close();
  return stream.length / seconds;
}

let vae;
const rows = [];
try {
  writeFileSync(join(folder, 'mnist.npy'), npy([digits.length, 28, 28], digits.data));
  console.log('Writing 60,000 PNG images');
  await writePngs(join(folder, 'images'));
  const streams = {
    '.npy': await streamDataset(join(folder, 'mnist.npy')),
    'folder of PNG': await streamDataset(join(folder, 'images')),
  };
  const runs = [['memory', digits], ...Object.entries(streams)].map(([source, data]) => ({
    source,
    data,
    seconds: [],
    times: [],
  }));
  for (const run of runs) run.vae = await VAE.create({ preset: 'mlp-400', seed: 1 });
  let resident = 0;
  // The first turn warms up; the slow folder has every fourth.
  for (let turn = 0; turn <= TURNS; turn++) {
    for (const { source, data, seconds, times, vae: model } of runs) {
      if (source === 'folder of PNG' && turn % 4 !== 0) continue;
      // From the call to its end: the wait for a stream's first window counts.
      const began = performance.now();
      await model.fit(data, { epochs: EPOCHS, batchSize: 128 });
      const each = (performance.now() - began) / 1000 / EPOCHS;
      if (source === 'memory') resident = each;
      console.log(`${source}: ${each.toFixed(2)} s an epoch`);
      if (turn === 0) continue;
      seconds.push(each);
      times.push(each / resident);
    }
  }
  vae = runs[0].vae;
  for (const { source, seconds, times } of runs) {
    const [low, high] = [Math.min(...seconds), Math.max(...seconds)].map(round);
    rows.push({
      source,
      turns: seconds.length,
      seconds: round(median(seconds)),
      low,
      high,
      times: round(median(times)),
    });
  }
  const decoded = {};
  for (const [source, stream] of Object.entries(streams))
    decoded[source] = Math.round(await readingSpeed(stream));
  for (const row of rows) row.examplesPerSecond = decoded[row.source];
} finally {
  rmSync(folder, { recursive: true });
}
record(
  'streaming',
  vae,
  {
    what: `An epoch of MNIST in memory and streamed in windows of 8192, batch 128: median, lowest and highest of the turns of ${EPOCHS} epochs; mlp-400`,
    command: 'node scripts/studies/streaming.mjs',
    rows,
  },
  'docs/data.md',
  markdown(rows, [
    ['data', (r) => r.source],
    ['seconds an epoch', (r) => `${r.seconds.toFixed(2)} [${r.low.toFixed(2)}, ${r.high.toFixed(2)}]`],
    ['times memory', (r) => r.times.toFixed(2)],
    ['examples a second, read alone', (r) => r.examplesPerSecond?.toLocaleString('en-US') ?? ''],
  ]),
);
