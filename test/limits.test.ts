/** No memory, no disk: typed errors, from which the process or the run goes on. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeSafetensors } from '../lib/model/safetensors.ts';
import { type Outcome, runNode, torchvae } from './support/command.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-limits-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const built = (path: string) => JSON.stringify(new URL(`../dist/${path}`, import.meta.url).href);
const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

/** Runs Node in a shell under `limit`, a command of ulimit. */
function limited(limit: string, args: readonly string[]): Promise<Outcome> {
  const shell = `import { spawnSync } from 'node:child_process';
    const command = ['-c', ${JSON.stringify(`ulimit ${limit}; exec "$@"`)}, 'bash', process.execPath, ...process.argv.slice(1)];
    const { status, signal, stdout, stderr } = spawnSync('bash', command, { encoding: 'utf8' });
    process.stdout.write(stdout);
    process.stderr.write(stderr);
    if (signal) process.kill(process.pid, signal);
    process.exitCode = status;`;
  return runNode(['--input-type=module', '-e', shell, '--', ...args]);
}

test('where memory cannot be had, calls are refused, and a smaller model works in the same process', async () => {
  const file = join(folder, 'memory.mjs');
  writeFileSync(
    file,
    `
    import { VAE, Dataset } from ${built('index.js')};
    import { loadEngine } from ${built('runtime/addon.js')};
    import { completeSpec, nativeSpec } from ${built('model/spec.js')};
    const { addon } = loadEngine({ device: 'cpu' });
    const device = addon.device('cpu', 0);
    const make = (input, hidden, reference, latentSize = 2) =>
      addon.createModel(device, nativeSpec(completeSpec({ inputShape: [input], encoder: { hidden: [hidden] }, latentSize })), 1, 'float32', reference);
    const optimizer = { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, momentum: 0, nesterov: false, weightDecay: 0, l1: 0,
      clipNorm: 0, clipValue: 0, accumulate: 1, averageDecay: 0, skipNonFinite: false };
    const rows = 1 << 16;
    const train = (model, data) => addon.train(model, { data, orderSeed: 0, epoch: 0, firstStep: 0, steps: 1, batchSize: rows, shuffle: true,
      sums: { loss: 0, reconstruction: 0, kl: 0, terms: [], examples: 0 }, schedule: Float64Array.of(1e-3, 1, 0, 1), optimizer, observe: false });
    const codes = {};
    const note = async (name, action) => {
      codes[name] = await action().then(() => 'done', (error) => error.code ?? String(error));
    };
    const small = await make(16, 8, false);
    const data = await addon.createDataset(device, new Uint8Array(16 * rows), 16, false);
    await note('fused model', () => make(4096, 1 << 17, false));
    await note('plain model', () => make(4096, 1 << 17, true));
    await note('data set', async () => addon.createDataset(device, new Uint8Array(1.25 * 2 ** 30), 16, false));
    const wide = await make(16, 1 << 14, false);
    await note('fused batch', () => train(wide, data));
    const plain = await make(16, 1 << 14, true);
    await note('plain batch', () => train(plain, data));
    await note('samples', () => addon.samplePrior(small, 2 ** 31 - 1, 0));
    await note('evaluation', () => addon.evaluate(plain, data, rows, 0, Float64Array.of(0, 1, 0, 1)));
    for (const handle of [wide, plain]) addon.dispose(handle);
    await note('small step', () => train(small, data));
    const vae = await VAE.create({ spec: { inputShape: [16], encoder: { hidden: [8] } }, device: 'cpu' });
    await note('small fit', () => vae.fit(Dataset.from(new Float32Array(160), { shape: [16] })));
    console.log(JSON.stringify(codes));
  `,
  );
  const { stdout, stderr, code } = await limited('-v 3500000', [file]);
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    'fused model': 'ERR_OUT_OF_MEMORY',
    'plain model': 'ERR_OUT_OF_MEMORY',
    'data set': 'ERR_OUT_OF_MEMORY',
    'fused batch': 'ERR_OUT_OF_MEMORY',
    'plain batch': 'ERR_OUT_OF_MEMORY',
    samples: 'ERR_OUT_OF_MEMORY',
    evaluation: 'ERR_OUT_OF_MEMORY',
    'small step': 'done',
    'small fit': 'done',
  });
});

const start = [
  'train',
  '--count',
  '200',
  '--batch-size',
  '50',
  '--epochs',
  '2',
  '--set',
  'encoder.hidden=[64]',
];

/** What a run that had no room must have left: nothing that is half written. */
function checkWhole(run: string): void {
  const names = existsSync(run) ? readdirSync(run) : [];
  expect(names.filter((name) => name.startsWith('.'))).toEqual([]);
  for (const name of names) {
    const path = join(run, name);
    if (name.endsWith('.safetensors')) decodeSafetensors(readFileSync(path), path);
    if (name === 'config.json') JSON.parse(readFileSync(path, 'utf8'));
  }
}

function expectRefusal({ code, signal, stderr }: Outcome): void {
  expect({ code, signal }, stderr).toEqual({ code: 1, signal: null });
  expect(stderr).toMatch(/Could not (write|create) .*\[ERR_IO\]/);
  expect(stderr).not.toMatch(/\n\s+at /);
}

test('train: files that may not grow end it with ERR_IO, and it can be run again', async () => {
  const run = join(folder, 'short');
  // In blocks of 1024 bytes: config and metrics fit, a checkpoint does not.
  expectRefusal(await limited('-f 100', [program, ...start, '--out', run]));
  checkWhole(run);
  const again = await torchvae([...start, '--out', run]);
  expect(again.code, again.stderr).toBe(0);
});

/** Whether this user may mount a file system of a given size. */
function mounted(path: string, options: string): boolean {
  mkdirSync(path);
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', path]).status === 0;
}

test('train: a full disk ends it with ERR_IO, and with room it goes on to the same bits', async (context) => {
  const disk = join(folder, 'disk');
  if (!mounted(disk, 'size=1m')) return context.skip();
  try {
    const calm = join(folder, 'calm');
    expect((await torchvae([...start, '--out', calm])).code).toBe(0);
    const run = join(disk, 'run');
    // Room for one checkpoint, not for the next beside it.
    expectRefusal(await torchvae([...start, '--out', run]));
    checkWhole(run);
    spawnSync('mount', ['-o', 'remount,size=64m', disk]);
    const begun = existsSync(join(run, 'checkpoint.safetensors'));
    const rest = await torchvae(begun ? ['train', '--out', run, '--resume'] : [...start, '--out', run]);
    expect(rest.code, rest.stderr).toBe(0);
    for (const name of ['checkpoint.safetensors', 'best.safetensors']) {
      expect(readFileSync(join(run, name)).equals(readFileSync(join(calm, name))), name).toBe(true);
    }
  } finally {
    spawnSync('umount', [disk]);
  }
});

test('train: a file system that is read-only is refused before training', async (context) => {
  const disk = join(folder, 'read-only');
  if (!mounted(disk, 'ro,size=1m')) return context.skip();
  try {
    const outcome = await torchvae([...start, '--out', join(disk, 'run')]);
    expectRefusal(outcome);
    expect(outcome.stderr).toContain('read-only');
    expect(outcome.stderr).not.toContain('epoch 1');
  } finally {
    spawnSync('umount', [disk]);
  }
});
