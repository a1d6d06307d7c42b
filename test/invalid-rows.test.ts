/** An example that holds NaN or an infinity fails alone, from every source of arrays; training refuses it by its place. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Dataset, loadDataset, StreamedDataset, streamDataset, VAE } from '../lib/index.ts';
import { gallery } from '../lib/report/index.ts';
import { refusal } from './refusal.ts';
import { torchvae } from './support/command.ts';
import { npy } from './support/npy.ts';

const SIZE = 3;
const ROWS = 40;
const LATENT = 2;
const [nan, infinite] = [4, 9];

let folder: string;
let vae: VAE;
const at = (name: string) => join(folder, name);

const good = Float32Array.from({ length: ROWS * SIZE }, (_, i) => Math.sin(i * 1.7));
const mixed = good.slice();
mixed[nan * SIZE + 1] = Number.NaN;
mixed[infinite * SIZE] = Infinity;
const kept = Array.from({ length: ROWS }, (_, row) => row).filter((row) => row !== nan && row !== infinite);
const bytes = (values: Float32Array) => npy('<f4', [ROWS, SIZE], new Uint8Array(values.buffer));

const spec = {
  inputShape: [SIZE],
  encoder: { type: 'mlp', hidden: [16] },
  decoder: { type: 'mlp', hidden: [16] },
  latentSize: LATENT,
  likelihood: { type: 'gaussian', scale: 'per-dimension' },
} as const;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-invalid-rows-'));
  writeFileSync(at('good.npy'), bytes(good));
  writeFileSync(at('mixed.npy'), bytes(mixed));
  vae = await VAE.create({ device: 'cpu', seed: 1, spec });
  await vae.fit(await loadDataset(at('good.npy')), { epochs: 2, batchSize: 16 });
  await vae.fitThreshold(good, { quantile: 1 });
  await vae.save(at('model.safetensors'));
});
afterAll(() => {
  vae.dispose();
  rmSync(folder, { recursive: true });
});

/** The same rows, as they come to a model. */
const sources = {
  'a .npy file': () => loadDataset(at('mixed.npy')),
  'a stream of a .npy file': () => streamDataset(at('mixed.npy'), { window: 16 }),
  'a stream of blocks': () =>
    StreamedDataset.from(() => [0, 1].map((half) => Dataset.from(halfOf(mixed, half), { shape: [SIZE] })), {
      window: 16,
    }),
  'rows in memory': async () =>
    Dataset.from(Array.from({ length: ROWS }, (_, row) => [...mixed.subarray(row * SIZE, (row + 1) * SIZE)])),
  'a flat array': async () => mixed,
  'a tensor': async () => ({ data: mixed, shape: [ROWS, SIZE] }),
};
const halfOf = (values: Float32Array, half: number) =>
  values.subarray((half * values.length) / 2, ((half + 1) * values.length) / 2);

describe.each(Object.entries(sources))('%s', (_, open) => {
  test('is scored and encoded but for such rows', async () => {
    const x = await open();
    const { scores, anomalous, states } = await vae.detect(x);
    const alone = await vae.score(good);
    expect(kept.map((row) => scores[row])).toEqual(kept.map((row) => alone[row]));
    const codes = await vae.encode(x);
    const { mean } = await vae.encode(good);
    expect(kept.map((row) => codes.mean.data[row * LATENT])).toEqual(
      kept.map((row) => mean.data[row * LATENT]),
    );
    for (const row of [nan, infinite]) {
      expect(scores[row]).toBe(Number.NaN);
      expect([anomalous[row], states[row], codes.states![row]]).toEqual([true, 'invalid', 'invalid']);
      expect([...codes.mean.data.subarray(row * LATENT, (row + 1) * LATENT)]).toEqual([NaN, NaN]);
    }
  });

  test('has a mean loss over the others, which is said', async () => {
    const x = await open();
    const { leftOut, loss } = await vae.loss(x);
    const counted = Dataset.from(good, { shape: [SIZE] }).subset(kept);
    expect(leftOut).toBe(2);
    const wanted = (await vae.loss(counted)).loss;
    // Windows of a stream draw other noise.
    if (x instanceof StreamedDataset) expect(loss).toBeCloseTo(wanted, 0);
    else expect(loss).toBe(wanted);
  });

  test('is not trained on', async () => {
    const x = await open();
    if (ArrayBuffer.isView(x) || !('describe' in x)) return;
    expect(x.describe()).toMatch(
      /2 of 40 examples hold NaN or an infinity, the first is example 4, number 1/,
    );
    using fresh = await VAE.create({ device: 'cpu', spec });
    expect(await refusal('ERR_RANGE', async () => fresh.fit(x, { epochs: 1 }))).toMatch(
      /finite numbers for train but example 4 of .* has NaN at number 1 \(2 examples hold such values\)/,
    );
  });
});

test('per example, such rows have no loss, likelihood, divergence or reconstruction', async () => {
  const x = await loadDataset(at('mixed.npy'));
  const { reconstruction, kl } = await vae.lossesPerExample(x);
  const likelihood = await vae.negativeLogLikelihood(x, { samples: 3 });
  const divergences = await vae.divergences(x);
  const made = await vae.reconstruct(x);
  for (const values of [reconstruction, kl, likelihood, divergences.data, made.data]) {
    const width = values.length / ROWS;
    const rows = Array.from(values.keys()).flatMap((i) => (Number.isNaN(values[i]) ? [i / width] : []));
    expect([...new Set(rows.map(Math.floor))]).toEqual([nan, infinite]);
  }
});

test('validation, evaluation, use of z, mixtures and pictures leave such rows out', async () => {
  const x = await loadDataset(at('mixed.npy'));
  using fresh = await VAE.create({ device: 'cpu', seed: 2, spec });
  const options = { epochs: 1, batchSize: 16 };
  const judged = await fresh.fit(Dataset.from(good, { shape: [SIZE] }), { ...options, validation: x });
  expect(judged.validation!.loss).toBeGreaterThan(0);
  const labels = Array.from({ length: ROWS }, (_, i) => (i === nan ? 1 : 0));
  const labeled = Dataset.from(mixed, { shape: [SIZE], labels });
  const { data, detection } = await vae.evaluate(labeled, { anomalous: [1], samples: 0 });
  expect([data.examples, data.leftOut, detection!.auroc]).toEqual([38, 2, expect.any(Number)]);
  expect(detection!.auroc).toBeGreaterThan(0.95);
  expect((await vae.latentHealth(x)).examples).toBe(38);
  expect((await vae.fitMixture(x, { components: 2 })).dimensions).toBe(LATENT);
  expect(JSON.stringify(await gallery(vae, x))).not.toMatch(/NaN/);
});

describe('pixels', () => {
  const pixels = good.map((value) => (value + 1) / 2);
  pixels[nan * SIZE] = Number.NaN;
  const values = npy('<f4', [ROWS, SIZE], new Uint8Array(pixels.buffer));

  test.each(['none', 'threshold', 'fixed', 'dynamic'] as const)(
    'stay of their kind, binarization %s, and the row alone is invalid',
    async (mode) => {
      writeFileSync(at('pixels.npy'), values);
      const data = await loadDataset(at('pixels.npy'));
      expect(data.kind).toBe('unit');
      using bernoulli = await VAE.create({
        device: 'cpu',
        spec: { ...spec, likelihood: { type: 'bernoulli' } },
      });
      await bernoulli.fitThreshold(data.subset(kept), { quantile: 1 });
      const { states } = await bernoulli.detect(mode === 'none' ? data : data.binarize({ mode }));
      expect(states.flatMap((state, row) => (state === 'scored' ? [] : [[row, state]]))).toEqual([
        [nan, 'invalid'],
      ]);
    },
  );
});

test('values outside the support are named, whatever rows hold no number', async () => {
  using bernoulli = await VAE.create({ device: 'cpu', spec: { ...spec, likelihood: { type: 'bernoulli' } } });
  const x = await loadDataset(at('mixed.npy'));
  expect(await refusal('ERR_RANGE', () => bernoulli.encode(x))).toMatch(/data in \[0, 1\] .* kind 'real'/);
});

test('the command line scores, encodes and evaluates the others, and does not train', async () => {
  const run = (...args: string[]) => torchvae([...args, '--device', 'cpu'], { cwd: folder });
  const scored = await run('score', 'model.safetensors', '--data', 'mixed.npy');
  expect(scored.stderr).toMatch(/2 of 40 examples hold NaN .*\n.*2 of them anomalies, 2 invalid/s);
  const lines = readFileSync(at('scores.csv'), 'utf8').trim().split('\n');
  expect(lines[1 + nan]).toBe('4,NaN,true,invalid');
  expect(lines[2 + nan]).toMatch(/^5,-?[\d.]+,false,scored$/);
  expect((await run('encode', 'model.safetensors', '--data', 'mixed.npy')).stderr).toMatch(/2 of them NaN/);
  expect((await run('evaluate', 'model.safetensors', '--data', 'mixed.npy')).stdout).toMatch(
    /2 rows left out/,
  );
  writeFileSync(at('none.npy'), bytes(good.map(() => Number.NaN)));
  for (const command of ['reconstruct', 'traverse', 'compress', 'evaluate']) {
    const { code, stderr } = await run(command, 'model.safetensors', '--data', 'none.npy');
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/none of the 40 of none\.npy can .*is it the right file/),
    ]);
  }
  const trained = await run('train', '--data', 'mixed.npy', '--out', 'run');
  expect(trained.code).toBe(1);
  expect(trained.stderr).toMatch(/example 4 of mixed.npy has NaN at number 1/);
});
