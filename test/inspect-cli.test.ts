/** The command line tells before it acts: grouped help, dry runs, what a checkpoint holds, and errors that name flags. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodePng } from '../lib/report/index.ts';
import { torchvae } from './support/command.ts';
import { npy } from './support/npy.ts';

let folder: string;
const at = (name: string) => join(folder, name);
const people = ['age,city,kind'];
for (let i = 0; i < 60; i++) people.push(`${20 + (i % 40)},${i % 3 ? 'Oslo' : 'Rome'},${i % 2 ? 'a' : 'b'}`);
const table = ['--data', 'people.csv', '--label-column', 'kind', '--set', 'likelihood.type=gaussian'];
const small = ['--set', 'encoder.hidden=[8]', '--set', 'decoder.hidden=[8]', '--set', 'latentSize=2'];

async function succeed(...args: string[]): Promise<string> {
  const outcome = await torchvae(args, { cwd: folder });
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return outcome.stdout;
}

async function refused(...args: string[]): Promise<string> {
  const { code, stderr } = await torchvae(args, { cwd: folder });
  expect(code, stderr).toBe(1);
  return stderr;
}

/** The value that stands beside a name in the printed facts. */
const fact = (text: string, name: string) => new RegExp(`^  ${name} +(.*)$`, 'm').exec(text)?.[1];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-inspect-'));
  writeFileSync(at('people.csv'), people.join('\n'));
  writeFileSync(at('holes.csv'), 'a,b\n1,2\n,3');
  const numbers = Array.from({ length: 60 }, (_, i) => `${i * i},${i % 7}`);
  writeFileSync(at('words.csv'), ['n,m', ...numbers, 'not known,3'].join('\n'));
  writeFileSync(at('names.csv'), ['the id,n,m', ...numbers.map((line, i) => `row ${i},${line}`)].join('\n'));
  const array = npy('<f4', [4, 2], Buffer.from(new Float32Array(8).buffer));
  writeFileSync(at('two.npz'), zipSync({ 'a.npy': array, 'b.npy': array }));
  writeFileSync(at('long.txt'), 'ab\nabcdef\n');
  for (const name of ['images', 'sizes']) mkdirSync(at(name));
  writeFileSync(at('images/1.png'), 'no image');
  const gray = (size: number) =>
    encodePng({ width: size, height: size, channels: 1, data: new Uint8Array(size * size) });
  for (const size of [8, 9]) writeFileSync(at(`sizes/${size}.png`), gray(size));
  const huge = Buffer.from(new Float32Array(80).fill(1e30).buffer);
  writeFileSync(at('huge.npy'), npy('<f4', [20, 4], huge));
  await succeed(
    'train',
    ...table,
    ...small,
    '--epochs',
    '2',
    '--batch-size',
    '20',
    '--seed',
    '5',
    '--out',
    'run',
  );
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the options of train come in groups', async () => {
  const help = await succeed('train', '--help');
  const headings = [...help.matchAll(/^([A-Z]\w+):$/gm)].map(([, name]) => name);
  expect(headings).toEqual(['Model', 'Data', 'Training', 'Run', 'Options', 'Examples']);
  const group = (name: string) => help.slice(help.indexOf(`\n${name}:`)).split('\n\n')[0];
  expect(group('Model')).toContain('--set');
  expect(group('Data')).toMatch(/--label-column[\s\S]*--stream[\s\S]*--test-data/);
  expect(group('Training')).toContain('--learning-rate');
  expect(group('Run')).toContain('--dry-run');
  expect(group('Options')).not.toContain('--epochs');
});

describe('train --dry-run', () => {
  test('prints model, columns, steps and memory, and leaves nothing behind', async () => {
    const args = [...table, ...small, '--epochs', '4', '--batch-size', '16', '--holdout', '0.2'];
    const text = await succeed('train', ...args, '--out', 'dry', '--dry-run');
    expect(existsSync(at('dry'))).toBe(false);
    expect(existsSync(at('runs'))).toBe(false);
    expect(fact(text, 'encoder')).toContain('mlp; hidden 8');
    expect(fact(text, 'age')).toBe('number, 20 to 59, whole');
    expect(fact(text, 'city')).toBe('category, Oslo, Rome');
    expect(fact(text, 'kind')).toBe('label, a, b');
    // 48 of 60 rows are trained on.
    expect(fact(text, 'steps per epoch')).toBe('3');
    expect(fact(text, 'steps in all')).toBe('12');
    // x has 3 values: 3-8-(2, 2)-8-3.
    expect(fact(text, 'weights')).toBe('119');
    expect(fact(text, 'in all')).toMatch(/^about 0\.0 MB/);
  });

  test('counts the memory of weights, gradients, moments, averages and data', async () => {
    const text = await succeed('train', '--dry-run', '--count', '5000', '--set', 'averageWeights=0.9');
    // Weights, gradient, two moments and the average of 652,824 parameters; bytes of 5,000 and of as many test images, twice.
    expect(fact(text, 'weights, gradient, optimizer')).toBe(`${((5 * 4 * 652_824) / 1e6).toFixed(1)} MB`);
    expect(fact(text, 'data, in Node and on the device')).toBe(`${((2 * 10_000 * 784) / 1e6).toFixed(1)} MB`);
    const sgd = await succeed('train', '--dry-run', '--count', '100', '--set', 'optimizer.type=sgd');
    expect(fact(sgd, 'weights, gradient, optimizer')).toBe(`${((2 * 4 * 652_824) / 1e6).toFixed(1)} MB`);
  });

  test('refuses what training would refuse', async () => {
    expect(await refused('train', ...table, '--dry-run', '--set', 'latentSize=0')).toContain('latentSize');
  });
});

describe('inspect', () => {
  test('prints what a run holds', async () => {
    await succeed('threshold', 'run', '--split', 'train', '--false-alarm-rate', '0.1');
    const text = await succeed('inspect', 'run');
    expect(fact(text, 'epochs done')).toBe('2');
    expect(fact(text, 'steps done')).toBe('6');
    expect(fact(text, 'likelihood')).toContain('gaussian; sigma 1');
    expect(fact(text, 'weights')).toBe('119');
    expect(fact(text, 'city')).toBe('category, Oslo, Rome');
    expect(fact(text, 'batch size')).toBe('20');
    expect(fact(text, 'false-alarm rate')).toBe('0.1');
    expect(fact(text, 'set from')).toBe('60 examples');
    expect(fact(text, 'Node.js')).toBe(process.version);
  });

  test('prints what a checkpoint alone says, without libtorch', async () => {
    const env = { TORCHVAE_LIBTORCH: at('nowhere') };
    const args = ['inspect', join('run', 'best.safetensors')];
    const { code, stdout, stderr } = await torchvae(args, { cwd: folder, env });
    expect(code, stderr).toBe(0);
    expect(fact(stdout, 'weights')).toBe('119');
    expect(fact(stdout, 'optimizer')).toBe('adam');
    expect(fact(stdout, 'seed')).toBe('5');
    expect(stdout).not.toContain('Environment');
  });

  test('refuses a file that is not a checkpoint', async () => {
    expect(await refused('inspect', 'people.csv')).toContain('ERR_CHECKPOINT');
    expect(await refused('inspect', 'nowhere')).toContain('does not exist');
  });
});

test('plot without a kind lists the kinds', async () => {
  const text = await succeed('plot', 'run');
  const kinds = [...text.matchAll(/^ {2}([a-z-]+) {2,}/gm)].map(([, kind]) => kind!);
  expect(kinds).toEqual([
    'loss',
    'reconstruction',
    'kl',
    'elbo',
    'learning-rate',
    'gradients',
    'latent',
    'dimensions',
  ]);
  for (const kind of kinds.filter((name) => name !== 'latent')) {
    await succeed('plot', 'run', kind, '--out', `${kind}.svg`);
    expect(existsSync(at(`${kind}.svg`)), kind).toBe(true);
  }
});

test('a command that asks for a run says of a data file how to look at it', async () => {
  const file = at('people.csv');
  for (const command of ['inspect', 'score', 'sample']) {
    expect(await refused(command, file)).toContain(
      `Expected a run directory or a checkpoint file but ${file} is another file; if it holds data, look at it with: torchvae train --data ${file} --dry-run`,
    );
  }
});

describe('errors name the flags of the command', () => {
  test.each<[string, string[], RegExp]>([
    ['a rate or a quantile', ['threshold', 'run'], /either --false-alarm-rate or --quantile for/],
    ['a missing value', ['train', '--data', 'holes.csv', '--out', 'x'], /or give --on-missing impute \[/],
    [
      'a text that stands for a missing value, and a column',
      ['train', '--data', 'words.csv', '--out', 'x'],
      /\(--missing '' --missing NA --missing 'not known', .*\(--column n=categorical\)/,
    ],
    ['a column of names', ['train', '--data', 'names.csv', '--out', 'x'], /\(--column 'the id=ignore'\)/],
    ['an array', ['train', '--data', 'two.npz', '--out', 'x'], /\(--member a\)/],
    ['a long line', ['train', '--data', 'long.txt', '--length', '3', '--out', 'x'], /give --on-long cut to/],
    ['a damaged image', ['train', '--data', 'images', '--out', 'x'], /or give --on-bad-image skip to/],
    ['a size of images', ['train', '--data', 'sizes', '--out', 'x'], /give --size to resize all/],
    ['a part', ['train', '--set', 'likelihood.sigma=2', '--out', 'x'], /--set likelihood\.sigma belongs to/],
    [
      'a misspelled setting',
      ['train', '--set', 'objective.betta=2', '--out', 'x'],
      /betta in --set objective \(elbo\).*did you mean beta\?/,
    ],
    ['a setting of training', ['train', '--set', 'clip.norm=0', '--out', 'x'], /for --set clip\.norm but/],
    [
      'an optimizer',
      ['train', '--set', 'optimizer.type=lion', '--out', 'x'],
      /for --set optimizer\.type but/,
    ],
    ['a step', ['compress', 'run', '--step', '0'], /for --step but received 0/],
    ['a label that counts as an anomaly', ['evaluate', 'run', '--anomalous', 'z'], /for --anomalous but/],
    ['a size', ['train', '--size', '30', '--out', 'x'], /for --size but received 30/],
    ['a device', ['sample', 'run', '--device', 'tpu'], /for --device but/],
    [
      'a remedy',
      ['train', '--data', 'huge.npy', '--set', 'likelihood.type=gaussian', '--out', 'x'],
      /\(--set clip\.norm=1\)/,
    ],
  ])('%s', async (_, args, message) => {
    const text = await refused(...args);
    expect(text).toMatch(message);
    expect(text).not.toMatch(/falseAlarmRate|onMissing|onLong|onBadImage|columns: |options\.|spec\./);
  });

  test('and so do warnings', async () => {
    const flags = [
      '--data',
      'sprites',
      '--count',
      '64',
      '--epochs',
      '2',
      '--learning-rate',
      '0.3',
      '--out',
      'fast',
    ];
    const { stderr } = await torchvae(['train', ...flags, '--device', 'cpu'], { cwd: folder });
    expect(stderr).toMatch(/exploding .*\(--set clip\.norm=1\).*\(--set encoder\.norm=layer\)/);
  });
});
