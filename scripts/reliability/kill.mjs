/**
 * Kills training runs at random moments and resumes them; writes docs/results/kill.json and the table of
 * docs/reliability.md.
 *   node scripts/reliability/kill.mjs [--kills 200] [--seed 1]     (fewer kills than 200 write nothing)
 * Each process gets SIGKILL after a time drawn from about all that it would have run, whatever it is at: starting,
 * training, writing. After each kill every file must be whole and the checkpoint no older than before; when a run has come to its end
 * in spite of it all, its weights, its best weights and its losses must be those of a run that nobody killed.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { decodeSafetensors } from '../../dist/model/safetensors.js';
import { decodePng } from '../../dist/report/png.js';
import { VAE } from '../../dist/vae.js';
import { markdown, record } from '../studies/record.mjs';
import { Random } from './random.mjs';

const { values: flags } = parseArgs({
  options: { kills: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
});
const wanted = Number(flags.kills);
const random = new Random(Number(flags.seed));
const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'torchvae-kill-'));

const START = [
  ...[
    'train',
    '--data',
    'sprites',
    '--count',
    '320',
    '--batch-size',
    '16',
    '--epochs',
    '40',
    '--patience',
    '50',
  ],
  ...['--set', 'encoder.hidden=[32]', '--set', 'latentSize=4'],
];

/** Runs the command; with `milliseconds`, kills it then. */
function torchvae(args, milliseconds) {
  return new Promise((resolve) => {
    const began = performance.now();
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    const timer =
      milliseconds === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), milliseconds);
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stderr, milliseconds: performance.now() - began });
    });
  });
}

function fail(message) {
  console.error(`FAILED: ${message}; the runs lie in ${folder}`);
  process.exit(1);
}

const positionOf = (path) =>
  JSON.parse(decodeSafetensors(readFileSync(path), path).metadata.training).position;

/** What a killed run has left; fails where a file is not whole. */
function inspect(run) {
  const names = existsSync(run) ? readdirSync(run) : [];
  const left = { names, temporary: names.filter((name) => name.startsWith('.')).length, step: 0, epoch: 0 };
  for (const name of names.filter((other) => !other.startsWith('.'))) {
    const path = join(run, name);
    try {
      if (name.endsWith('.safetensors')) positionOf(path);
      else if (name.endsWith('.png') && !decodePng(readFileSync(path))) throw new Error('it is no picture');
      else if (name === 'config.json') JSON.parse(readFileSync(path, 'utf8'));
    } catch (error) {
      fail(`${path} is not whole: ${error.message}`);
    }
  }
  if (!names.includes('checkpoint.safetensors')) return left;
  const { step, epoch } = positionOf(join(run, 'checkpoint.safetensors'));
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').split('\n').slice(0, -1);
  if (lines.length < epoch)
    fail(`${run} has ${lines.length} lines of metrics for a checkpoint of epoch ${epoch}`);
  return { ...left, step, epoch };
}

/** The lines without their times, and to twelve digits: chunks, and so sums, follow the clock. */
function lossesOf(run) {
  const plain = (key, value) =>
    key === 'seconds' ? undefined : typeof value === 'number' ? Number(value.toPrecision(12)) : value;
  return readFileSync(join(run, 'metrics.jsonl'), 'utf8').replace(/.+/g, (line) =>
    JSON.stringify(JSON.parse(line), plain),
  );
}

function sameRuns(run, calm) {
  const [names, expected] = [run, calm].map((path) => readdirSync(path).sort().join(' '));
  if (names !== expected) fail(`${run} holds ${names}, not ${expected}`);
  for (const name of ['checkpoint.safetensors', 'best.safetensors']) {
    const [bytes, right] = [run, calm].map((path) => readFileSync(join(path, name)));
    if (!bytes.equals(right)) fail(`${join(run, name)} is not that of the run in one go`);
  }
  if (lossesOf(run) !== lossesOf(calm)) fail(`${run}/metrics.jsonl is not that of the run in one go`);
}

const calm = join(folder, 'calm');
const whole = await torchvae([...START, '--out', calm]);
if (whole.code !== 0) fail(whole.stderr);

/** The most that a process lives; follows the load of the machine. */
let patience = whole.milliseconds;
const tally = {
  kills: 0,
  runs: 0,
  beforeCheckpoint: 0,
  afterCheckpoint: 0,
  temporaryLeft: 0,
  endedBefore: 0,
};
for (let run = 0; tally.kills < wanted; run++) {
  const out = join(folder, `run-${run}`);
  let before = { step: 0, epoch: 0 };
  for (let done = false; !done; ) {
    const begun = existsSync(join(out, 'checkpoint.safetensors'));
    const args = begun ? ['train', '--out', out, '--resume'] : [...START, '--out', out];
    const spared = tally.kills >= wanted;
    const { code, signal, stderr } = await torchvae(args, spared ? undefined : random.next() * patience);
    const after = inspect(out);
    if (!spared) patience *= signal === 'SIGKILL' && after.step === before.step ? 1.1 : code === 0 ? 0.8 : 1;
    if (after.step < before.step) fail(`${out} fell back from step ${before.step} to ${after.step}`);
    before = after;
    if (signal === 'SIGKILL') {
      tally.kills++;
      tally[after.step > 0 ? 'afterCheckpoint' : 'beforeCheckpoint']++;
      if (after.temporary > 0) tally.temporaryLeft++;
    } else if (code === 0) {
      done = true;
      if (!spared) tally.endedBefore++;
    } else {
      fail(`${args.join(' ')} ended with ${code}: ${stderr}`);
    }
  }
  sameRuns(out, calm);
  tally.runs++;
  console.log(JSON.stringify(tally));
}
rmSync(folder, { recursive: true, force: true });

if (wanted >= 200) {
  const table = markdown(
    [tally],
    [
      ['kills', ({ kills }) => kills],
      ['runs that ended, all with the same bits', ({ runs }) => runs],
      ['kills before the first checkpoint', ({ beforeCheckpoint }) => beforeCheckpoint],
      ['later kills', ({ afterCheckpoint }) => afterCheckpoint],
      ['kills while a file was written', ({ temporaryLeft }) => temporaryLeft],
    ],
  );
  const vae = await VAE.create({ spec: { inputShape: [4] }, device: 'cpu' });
  const what = 'Training runs that are killed at random moments and resumed';
  record(
    'kill',
    vae,
    { what, command: 'node scripts/reliability/kill.mjs', rows: [tally] },
    'docs/reliability.md',
    table,
  );
}
