/** Pictures of what is not an image, pictures that stand for all classes, and what a report is called. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { spreadOverLabels } from '../lib/data/spread.ts';
import { Dataset, VAE } from '../lib/index.ts';
import { smallMultiples } from '../lib/report/charts/small-multiples.ts';
import { gallery } from '../lib/report/index.ts';
import { modelTitle } from '../lib/report/model-title.ts';
import { torchvae } from './support/command.ts';
import { npy } from './support/npy.ts';

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-curves-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function succeed(...args: string[]) {
  const outcome = await torchvae(args, { cwd: folder });
  expect(outcome.code, outcome.stderr).toBe(0);
  return outcome;
}

/** The points of a path of SVG. */
const points = (d: string) =>
  [...d.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
const paths = (svg: string) =>
  [...svg.matchAll(/<path d="([^"]*)"([^>]*)>/g)].map(([, d, rest]) => ({ d: d!, rest: rest! }));

test('small multiples share their axes and leave gaps where there is no number', () => {
  const color = '#123456';
  const svg = smallMultiples({
    title: 'A & B',
    columns: 2,
    legend: [
      { name: 'one', color },
      { name: 'other', color, isDashed: true },
    ],
    panels: [
      { title: 'a', curves: [{ values: [0, 1, 2], color }] },
      { title: 'b', curves: [{ values: [4, Number.NaN, 0, 1], color, isDashed: true }] },
      { title: 'c', curves: [{ values: [], color }] },
    ],
  });
  expect(svg).toContain('A &amp; B');
  const [a, b, ...more] = paths(svg);
  expect(more).toEqual([]);
  const [first, second] = [points(a!.d), points(b!.d)];
  // 0 lies at the bottom of both, 4 at the top, 2 halfway.
  expect(first[0]![1]).toBe(second[1]![1]);
  expect(first[2]![1]).toBeCloseTo((second[0]![1]! + second[1]![1]!) / 2, 0);
  expect(b!.d.match(/M/g)).toHaveLength(2);
  expect(b!.rest).toContain('stroke-dasharray');
  expect(a!.rest).not.toContain('stroke-dasharray');
  expect(svg).toContain('>4</text>');
});

describe('series and vectors', () => {
  beforeAll(async () => {
    const rows = Array.from(
      { length: 240 },
      (_, i) => `${Math.sin(i / 6).toFixed(3)},${Math.cos(i / 6).toFixed(3)}`,
    );
    writeFileSync(at('wave.csv'), ['sine,cosine', ...rows].join('\n'));
    const values = Float32Array.from({ length: 40 * 12 }, (_, i) => 3 * Math.sin(i));
    writeFileSync(at('vectors.npy'), npy('<f4', [40, 12], new Uint8Array(values.buffer)));
    const small = [
      '--set',
      'encoder.hidden=[8]',
      '--set',
      'latentSize=2',
      '--device',
      'cpu',
      '--epochs',
      '1',
    ];
    await succeed(
      'train',
      '--data',
      'wave.csv',
      '--window-length',
      '12',
      '--stride',
      '4',
      '--out',
      'waves',
      ...small,
    );
    await succeed('train', '--data', 'vectors.npy', '--out', 'vectors', ...small);
  });

  test.each([
    ['waves', 2],
    ['vectors', 1],
  ])('%s are drawn as curves by every command', async (run, columns) => {
    await succeed('reconstruct', run, '--count', '5', '--out', 'r.svg');
    const drawn = paths(readFileSync(at('r.svg'), 'utf8'));
    expect(drawn).toHaveLength(5 * columns * 2);
    expect(drawn.filter(({ rest }) => rest.includes('dasharray'))).toHaveLength(5 * columns);
    expect(points(drawn[0]!.d)).toHaveLength(12);
    await succeed('traverse', run, '--steps', '3', '--out', 't.svg');
    expect(paths(readFileSync(at('t.svg'), 'utf8'))).toHaveLength(2 * columns * 3);
    await succeed('interpolate', run, '--pairs', '2', '--steps', '4', '--out', 'i.svg');
    expect(paths(readFileSync(at('i.svg'), 'utf8'))).toHaveLength(2 * columns * 4);
    await succeed('sample', run, '--count', '3', '--out', 's.png');
    expect(decode(readFileSync(at('s.png'))).width).toBeGreaterThan(300);
    await succeed('report', run, '--out', 'page.html');
    const page = readFileSync(at('page.html'), 'utf8');
    expect(page).toContain('their reconstructions dashed');
    expect(page).toMatch(/<h1>VAE, mlp 8, 2 latent dimensions, gaussian, on (wave\.csv|vectors\.npy)<\/h1>/);
  });

  test('are sampled as numbers, those of a table with the names of its columns', async () => {
    await succeed('sample', 'waves', '--count', '2', '--out', 'w.csv');
    const [names, ...rows] = readFileSync(at('w.csv'), 'utf8').trim().split('\n');
    expect(names).toBe('sample,step,sine,cosine');
    expect(rows).toHaveLength(24);
    expect(rows[13]).toMatch(/^1,1,/);
    await succeed('sample', 'vectors', '--count', '2');
    const [header, ...lines] = readFileSync(at('samples.csv'), 'utf8').trim().split('\n');
    expect(header).toMatch(/^x1,.*,x12$/);
    expect(lines.map((line) => line.split(',').length)).toEqual([12, 12]);
  });
});

describe('classes', () => {
  test('all have a part in pictures of a few', () => {
    const labels = Int32Array.from({ length: 100 }, (_, i) => (i < 90 ? 3 : i < 99 ? 1 : 0));
    const data = new Dataset({ shape: [1], kind: 'unit', data: new Float32Array(100), labels });
    expect([...spreadOverLabels(data, 6).labels!]).toEqual([0, 1, 3, 1, 3]);
    const few = spreadOverLabels(data, 2).labels!;
    expect([...few]).toEqual([0, 1]);
    const plain = new Dataset({
      shape: [1],
      kind: 'unit',
      data: Float32Array.from({ length: 10 }, (_, i) => i / 10),
    });
    expect(spreadOverLabels(plain, 5).data).toEqual(Float32Array.of(0, 0.2, 0.4, 0.6, 0.8));
  });

  test('have a row each in what a conditioned model draws', async () => {
    using vae = await VAE.create({
      spec: { inputShape: [1, 4, 4], encoder: { hidden: [8] }, latentSize: 1, condition: { classes: 3 } },
      device: 'cpu',
    });
    const black = { shape: [1, 4, 4], kind: 'unit' as const };
    const levels = Float32Array.from({ length: 60 * 16 }, (_, i) => (Math.floor(i / 16) % 3) / 2);
    const labels = Int32Array.from({ length: 60 }, (_, i) => i % 3);
    const data = new Dataset({ ...black, data: levels, labels });
    await vae.fit(data, { epochs: 150, batchSize: 20, learningRate: 0.02 });
    const [, samples] = await gallery(vae, data);
    const {
      width,
      height,
      data: pixels,
    } = samples!.shown as { width: number; height: number; data: Uint8Array };
    expect([width, height]).toEqual([8 * (8 + 2) + 2, 3 * (8 + 2) + 2]);
    const rows = [0, 1, 2].map((row) => {
      const line = pixels.subarray((row * 10 + 6) * width, (row * 10 + 7) * width);
      return [0, 1, 2, 3, 4, 5, 6, 7].map((column) => line[column * 10 + 6]!);
    });
    expect(Math.max(...rows[0]!)).toBeLessThan(90);
    expect(Math.min(...rows[1]!)).toBeGreaterThan(90);
    expect(Math.max(...rows[1]!)).toBeLessThan(170);
    expect(Math.min(...rows[2]!)).toBeGreaterThan(170);
  });
});

test('a model is called what people call it', () => {
  const plain = {
    objective: { type: 'elbo', beta: 1 },
    posterior: { type: 'gaussian' },
    prior: { type: 'standard-normal' },
    encoder: { type: 'mlp', hidden: [128, 64] },
    latentSize: 8,
    likelihood: { type: 'bernoulli' },
  };
  expect(modelTitle(plain)).toBe('VAE, mlp 128-64, 8 latent dimensions, bernoulli');
  expect(modelTitle({ ...plain, objective: { type: 'elbo', beta: 4 } })).toMatch(/^Beta-VAE \(beta 4\), mlp/);
  expect(
    modelTitle({ ...plain, objective: { type: 'factor', gamma: 10 }, condition: { classes: 10 } }),
  ).toMatch(/^Conditional FactorVAE, /);
  expect(modelTitle({ ...plain, posterior: { type: 'iaf' }, prior: { type: 'vamp' } })).toMatch(
    /^VAE, IAF, vamp prior, /,
  );
  expect(modelTitle({ ...plain, encoder: { type: 'conv', channels: [32, 64], hidden: [] } })).toContain(
    ', conv 32-64, ',
  );
  expect(modelTitle({ ...plain, posterior: { type: 'deterministic' } })).toMatch(/^Autoencoder, /);
  for (const damaged of [undefined, null, 7, {}, { encoder: 3 }]) expect(modelTitle(damaged)).toBe('VAE');
});
