/**
 * Memory over many models and many steps: writes docs/results/leaks.json and the table of docs/reliability.md.
 *   node scripts/reliability/leaks.mjs [--scale 1] [--only NAME]    (--scale 0.01 tries it out, and then writes nothing)
 * Each scenario runs in a separate process. V8's own garbage is collected before each sample, except where that is the
 * point.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Dataset, sprites, VAE } from '../../dist/index.js';
import { markdown, record } from '../studies/record.mjs';

const { values: flags } = parseArgs({
  options: {
    scale: { type: 'string', default: '1' },
    only: { type: 'string' },
    child: { type: 'string' },
  },
});
const scale = Number(flags.scale);
const SAMPLES = 40;

const TINY = { spec: { inputShape: [16], encoder: { hidden: [8] }, latentSize: 2 }, device: 'cpu' };
const WIDE = { spec: { inputShape: [784], encoder: { hidden: [1024] }, latentSize: 2 }, device: 'cpu' };
const tinyData = () =>
  Dataset.from(
    Float32Array.from({ length: 64 * 16 }, (_, i) => i % 2),
    { shape: [16] },
  );

async function fitted(vae, data, options) {
  await vae.fit(data, options);
}

/** Scenarios: how many rounds, what a round is, and whether V8 collects before a sample. */
const SCENARIOS = {
  'create, fit, dispose': {
    rounds: 10_000,
    collects: true,
    prepare: () => ({ data: tinyData() }),
    round: async ({ data }) => {
      const vae = await VAE.create(TINY);
      await fitted(vae, data, { epochs: 1, batchSize: 16 });
      vae.dispose();
    },
  },
  'data set, upload, drop': {
    rounds: 10_000,
    collects: true,
    prepare: async () => ({ vae: await VAE.create(TINY) }),
    round: ({ vae }) => vae.loss(tinyData()),
  },
  'refused calls': {
    rounds: 10_000,
    collects: true,
    prepare: async () => ({ vae: await VAE.create(TINY), wrong: new Float32Array(15) }),
    round: async ({ vae, wrong }) => {
      await vae.encode(wrong).catch(() => {});
      await VAE.create({
        ...TINY,
        spec: { encoder: { type: 'conv', channels: [4] }, inputShape: [7] },
      }).catch(() => {});
    },
  },
  'models of 19 MB dropped without dispose': {
    rounds: 400,
    collects: false,
    prepare: () => ({}),
    round: async () => {
      await VAE.create(WIDE);
      await new Promise(setImmediate);
    },
  },
  'data sets of 17 MB dropped': {
    rounds: 400,
    collects: false,
    prepare: async () => ({ vae: await VAE.create({ ...TINY, spec: { ...TINY.spec, inputShape: [4096] } }) }),
    round: async ({ vae }) => {
      await vae.loss(Dataset.from(new Float32Array(1 << 22), { shape: [4096] }));
      await new Promise(setImmediate);
    },
  },
  'training steps of mlp-400': {
    rounds: 40,
    unit: 500,
    collects: true,
    prepare: async () => ({
      vae: await VAE.create({ preset: 'mlp-400', device: 'cpu' }),
      data: sprites({ count: 64_000 }),
    }),
    round: ({ vae, data }) => fitted(vae, data, { epochs: 1, batchSize: 128 }),
  },
};

async function child(name) {
  const { rounds, collects, prepare, round, unit = 1 } = SCENARIOS[name];
  const total = Math.max(SAMPLES, Math.round(rounds * scale));
  const state = await prepare();
  const samples = [];
  let peak = 0;
  for (let i = 1; i <= total; i++) {
    await round(state);
    peak = Math.max(peak, process.memoryUsage.rss());
    if (i % Math.floor(total / SAMPLES) !== 0) continue;
    if (collects) {
      globalThis.gc();
      // What the collector dropped is freed on the device's thread.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    samples.push({ rounds: i * unit, rss, heapUsed, external });
  }
  console.log(JSON.stringify({ samples, peak }));
}

/** The slope of the least squares' line, in units of y over x. */
function slope(points) {
  const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [mx, my] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const covariance = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  return covariance / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

const MB = 1e6;
const round1 = (value) => Number(value.toFixed(1));

function measure(name) {
  const args = ['--expose-gc', fileURLToPath(import.meta.url), '--child', name, '--scale', flags.scale];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`${name} ended with status ${status}: ${stderr}`);
  const { samples, peak } = JSON.parse(stdout);
  const half = samples.slice(SAMPLES / 2);
  const slopeOf = (field) =>
    round1((1000 * slope(half.map((sample) => [sample.rounds, sample[field]]))) / 1000);
  const last = samples.at(-1);
  return {
    name,
    rounds: last.rounds,
    first: round1(samples[0].rss / MB),
    middle: round1(half[0].rss / MB),
    last: round1(last.rss / MB),
    peak: round1(peak / MB),
    slopeKB: slopeOf('rss'),
    heapSlopeKB: slopeOf('heapUsed'),
    external: [samples[0], half[0], last].map(({ external }) => round1(external / MB)),
    samples: samples.map(({ rounds, rss }) => [rounds, round1(rss / MB)]),
  };
}

if (flags.child) {
  await child(flags.child);
} else {
  const names = Object.keys(SCENARIOS).filter((name) => !flags.only || name.includes(flags.only));
  const rows = [];
  for (const name of names) {
    rows.push(measure(name));
    const { samples, ...summary } = rows.at(-1);
    console.log(JSON.stringify(summary));
  }
  if (scale === 1 && !flags.only) {
    const table = markdown(rows, [
      ['rounds', ({ name, rounds }) => `${rounds.toLocaleString('en')} x ${name}`],
      ['RSS after 1/40, MB', ({ first }) => first],
      ['after half', ({ middle }) => middle],
      ['at the end', ({ last }) => last],
      ['most', ({ peak }) => peak],
      ['slope of the second half, KB a 1000', ({ slopeKB }) => slopeKB],
      ["of V8's heap", ({ heapSlopeKB }) => heapSlopeKB],
    ]);
    const vae = await VAE.create(TINY);
    const what = 'Resident memory over many models, data sets and steps';
    record(
      'leaks',
      vae,
      { what, command: 'node scripts/reliability/leaks.mjs', rows },
      'docs/reliability.md',
      table,
    );
  }
}
