/** The commands that judge a model, and those that use it as a detector and a codec. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { table } from '../lib/cli/evaluate.ts';
import { areTraining } from '../lib/cli/run-data.ts';
import type { Evaluation } from '../lib/index.ts';
import { decodeSafetensors } from '../lib/model/safetensors.ts';
import { VAE } from '../lib/vae.ts';
import { torchvae } from './support/command.ts';

let folder: string;
let run: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-evaluate-cli-'));
  run = join(folder, 'run');
  const small = ['--set', 'encoder={"hidden":[16]}', '--set', 'latentSize=3', '--device', 'cpu'];
  const outcome = await torchvae(['train', '--count', '400', '--epochs', '2', '--out', run, ...small]);
  expect(outcome.code, outcome.stderr).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true }));

test('evaluate prints a table, and leaves JSON in the run directory', async () => {
  const flags = [
    '--likelihood',
    '5',
    '--samples',
    '100',
    '--anomalous',
    'heart',
    '--measure',
    'reconstruction',
  ];
  const outcome = await torchvae(['evaluate', run, ...flags]);
  expect(outcome.code, outcome.stderr).toBe(0);
  for (const name of ['elbo', '-log p\\(x\\)', 'structural similarity', 'recall', 'SAP', 'AUROC']) {
    expect(outcome.stdout).toMatch(new RegExp(`^${name} +-?\\d`, 'm'));
  }
  const saved = JSON.parse(readFileSync(join(run, 'evaluation.json'), 'utf8'));
  expect(saved.likelihood.samples).toBe(5);
  expect(saved.latent.meanVariance).toHaveLength(3);
  expect(saved.detection).toMatchObject({ measure: 'reconstruction', draws: 10 });
  const again = await torchvae(['evaluate', run, ...flags, '--json', '--out', join(folder, 'e.json')]);
  expect(JSON.parse(again.stdout)).toEqual(saved);
  expect(JSON.parse(readFileSync(join(folder, 'e.json'), 'utf8'))).toEqual(saved);
});

test('evaluate compares the rows that a model of a table draws', async () => {
  const lines = Array.from({ length: 90 }, (_, i) => `${i % 7},${(i % 7) + (i % 3)},${'ab'[i % 2]}`);
  writeFileSync(join(folder, 'rows.csv'), ['n,m,k', ...lines, ''].join('\n'));
  const tableRun = join(folder, 'table');
  const data = ['--data', join(folder, 'rows.csv'), '--device', 'cpu', '--epochs', '2'];
  expect((await torchvae(['train', ...data, '--out', tableRun])).code).toBe(0);
  const { stdout, stderr } = await torchvae(['evaluate', tableRun]);
  expect(stderr).toMatch(/^rows\.csv is what the model was trained on: figures of new data are worse/);
  const areRows = (data?: string) => areTraining(tableRun, data === undefined ? {} : { data }, 'test');
  expect(await areRows(join(folder, '.', 'rows.csv'))).toBe(true);
  expect(await areRows(join(run, 'metrics.jsonl'))).toBe(false);
  // A set that has a test split.
  expect(await areTraining(run, {}, 'test')).toBe(false);
  expect(await areTraining(run, {}, 'train')).toBe(true);
  expect(stdout, stderr).toMatch(
    /^correlations, mean error +0\.\d+ {2}over 1 pair of columns; .* by chance$/m,
  );
  for (const [name, of] of [
    ['correlations, largest error', 'n and m'],
    ['shares, largest error', 'k=[ab]'],
    ['deviations, farthest ratio', '[nm]'],
  ])
    expect(stdout).toMatch(
      new RegExp(`^${name} +[\\d.e-]+ {2}${of}: .* in the data, .* drawn; .* by chance$`, 'm'),
    );
});

test('evaluate refuses labels that there are none of', async () => {
  const { code, stderr } = await torchvae(['evaluate', run, '--anomalous', 'moon']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/square, ellipse, heart.*ERR_RANGE/);
});

test('figures of few anomalies come with a warning', () => {
  const lines = (anomalous: number) =>
    table({
      data: { name: 'x.csv', examples: 300, shape: [3], kind: 'real', binarization: 'none' },
      losses: {},
      latent: { activeUnits: 1, meanVariance: [1], examples: 300 },
      detection: { auroc: 0.9, auprc: 0.1, anomalous, normal: 300 - anomalous, measure: 'elbo', draws: 10 },
    } as unknown as Evaluation);
  expect(lines(1)).toMatch(
    /^AUROC +0\.9\d* {2}1 anomaly, 299 normal\n.*\nAUROC and AUPRC of 1 anomaly, 299 normal say little/m,
  );
  expect(lines(30)).not.toContain('say little');
});

test('threshold is kept, and score goes by it', async () => {
  const scores = join(folder, 'scores.csv');
  expect((await torchvae(['score', run, '--out', scores])).stderr).toContain('no threshold is set');
  expect(readFileSync(scores, 'utf8')).toMatch(
    /^example,score,state,label\n0,\d+\.\d+,scored,(square|ellipse|heart)\n/,
  );
  const learned = await torchvae(['threshold', run, '--quantile', '0.9', '--measure', 'reconstruction']);
  expect(learned.stderr).toContain('(reconstruction)');
  const { stderr } = await torchvae(['score', run, '--out', scores]);
  using vae = await VAE.load(join(run, 'checkpoint.safetensors'), { device: 'cpu' });
  const [, ...lines] = readFileSync(scores, 'utf8').trim().split('\n');
  const rows = lines.map((line) => line.split(','));
  const above = rows.filter(([, score]) => Number(score) > vae.threshold!.value);
  expect(above.length / rows.length).toBeCloseTo(0.1, 2);
  expect(rows.filter(([, , anomalous]) => anomalous === 'true')).toEqual(above);
  expect(stderr).toContain(`${above.length} of them anomalies`);
});

test('threshold wants to be told how many false alarms', async () => {
  const { code, stderr } = await torchvae(['threshold', run]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/--false-alarm-rate or --quantile.*ERR_TYPE/);
});

test('compress and decompress', async () => {
  const codes = join(folder, 'codes.tvz');
  const { stderr } = await torchvae(['compress', run, '--step', '0.5', '--out', codes]);
  expect(stderr).toMatch(/bytes each, 1\/\d+ of .* mean squared error 0\.\d+/);
  const file = join(folder, 'x.safetensors');
  expect((await torchvae(['decompress', run, codes, '--out', file])).code).toBe(0);
  const { shape } = decodeSafetensors(readFileSync(file), file).tensors.get('x')!;
  expect(shape.slice(1)).toEqual([1, 28, 28]);
  writeFileSync(codes, readFileSync(codes).subarray(0, 40));
  for (const [command, ...args] of [
    ['compress', run],
    ['decompress', run, codes],
  ])
    expect((await torchvae([command!, ...args, '--out', join(folder, 'x.csv')])).stderr).toMatch(
      /ends with \.(tvz|safetensors) for --out .*x\.csv/,
    );
  const refused = await torchvae(['decompress', run, codes, '--out', join(folder, 'y.safetensors')]);
  expect(refused.stderr).toContain('ERR_DATA_FORMAT');
  expect(existsSync(join(folder, 'y.safetensors'))).toBe(false);
});

test('compress takes the labels that a conditioned model needs from the data, decompress from the file', async () => {
  const conditioned = join(folder, 'conditioned');
  const spec = ['--set', 'encoder={"hidden":[4]}', '--set', 'condition.classes=3', '--device', 'cpu'];
  await torchvae(['train', '--count', '64', '--epochs', '1', '--out', conditioned, ...spec]);
  const outcome = await torchvae(['compress', conditioned, '--out', join(folder, 'labeled.tvz')]);
  expect(outcome.code, outcome.stderr).toBe(0);
  expect(outcome.stderr).toMatch(/mean squared error 0\.\d+/);
  const file = join(folder, 'labeled.safetensors');
  const unpacked = await torchvae(['decompress', conditioned, join(folder, 'labeled.tvz'), '--out', file]);
  expect(unpacked.code, unpacked.stderr).toBe(0);
  expect(decodeSafetensors(readFileSync(file), file).tensors.get('x')!.shape.slice(1)).toEqual([1, 28, 28]);
});
