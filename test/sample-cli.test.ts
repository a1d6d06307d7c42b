/** Rows drawn by the command: of a model that was trained without a word on likelihoods, as the data have them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { torchvae } from './support/command.ts';

let folder: string;
const at = (name: string) => join(folder, name);
const small = [
  '--set',
  'encoder={"hidden":[16]}',
  '--set',
  'latentSize=2',
  '--batch-size',
  '32',
  '--device',
  'cpu',
];

async function succeed(...args: string[]) {
  const outcome = await torchvae(args, { cwd: folder });
  expect(outcome.code, outcome.stderr).toBe(0);
  return outcome;
}

/** Rooms: area, doors, and a kind of which one is rare. */
const rooms = Array.from({ length: 1200 }, (_, i) => {
  const u = Math.abs(Math.sin(i * 12.9898) * 43758.5453) % 1;
  const kind = u < 0.04 ? 'attic' : u < 0.3 ? 'hall' : 'bedroom';
  return `${(12 + 4 * Math.sin(i * 78.233) + (kind === 'hall' ? 20 : 0)).toFixed(1)},${1 + (i % 3)},${kind}`;
});

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-sample-cli-'));
  writeFileSync(at('rooms.csv'), `${['area,doors,kind', ...rooms].join('\n')}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (name: string) =>
  readFileSync(at(name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(','));

describe('rows of a table', () => {
  test('have the shares and the spread of the data, and numbers as they are written there', async () => {
    await succeed('train', '--data', 'rooms.csv', '--epochs', '20', '--out', 'run', ...small);
    await succeed('sample', 'run', '--count', '4000', '--out', 'rooms-drawn.csv');
    const [names, ...rows] = read('rooms-drawn.csv');
    expect(names).toEqual(['area', 'doors', 'kind']);
    const share = (kind: string) => rows.filter((row) => row[2] === kind).length / rows.length;
    expect(Math.abs(share('attic') - 0.04)).toBeLessThan(0.03);
    expect(Math.abs(share('hall') - 0.26)).toBeLessThan(0.05);
    for (const [area, doors] of rows) {
      expect(['1', '2', '3']).toContain(doors);
      expect(area).toMatch(/^\d+(\.\d)?$/);
    }
    const spread = (values: number[]) => {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    };
    const areas = [rows, rooms.map((row) => row.split(','))].map((part) =>
      spread(part.map(([a]) => Number(a))),
    );
    expect(Math.abs(areas[0]! / areas[1]! - 1)).toBeLessThan(0.15);
    await succeed('sample', 'run', '--count', '5', '--kind', 'mean', '--out', 'means.jsonl');
    expect(Object.keys(JSON.parse(readFileSync(at('means.jsonl'), 'utf8').split('\n')[0]!))).toEqual(names);
  });

  test('are as many as are asked for, part by part, of which the first are those of fewer', async () => {
    await succeed('sample', 'run', '--count', '20010', '--seed', '3', '--out', 'many.csv');
    await succeed('sample', 'run', '--count', '10000', '--seed', '3', '--out', 'fewer.csv');
    const many = read('many.csv').map(String);
    expect(many).toHaveLength(20_011);
    expect(many.slice(0, 10_001)).toEqual(read('fewer.csv').map(String));
    expect(many.slice(10_001, 20_001)).not.toEqual(many.slice(1, 10_001));
    const picture = await torchvae(['sample', 'run', '--count', '20010', '--out', 'many.svg'], {
      cwd: folder,
    });
    expect(picture.stderr).toMatch(/at most 10000 for --count of a picture .*\.csv/);
  });

  test('are drawn for a label by its name', async () => {
    const condition = ['--set', 'condition.classes=3'];
    await succeed(
      'train',
      '--data',
      'rooms.csv',
      '--label-column',
      'doors',
      '--epochs',
      '2',
      '--out',
      'by-doors',
      ...condition,
      ...small,
    );
    await succeed('sample', 'by-doors', '--count', '6', '--label', '3', '--out', 'three.csv');
    const [names, ...rows] = read('three.csv');
    expect(names).toEqual(['area', 'kind', 'doors']);
    expect(rows.map((row) => row[2])).toEqual(Array(6).fill('3'));
    await succeed('sample', 'by-doors', '--count', '3', '--out', 'all.csv');
    expect(read('all.csv').map((row) => row[2])).toEqual(['doors', '1', '2', '3']);
    const refused = await torchvae(['sample', at('by-doors'), '--label', '0'], { cwd: folder });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/one of 1, 2, 3 for --label/) });
    const unasked = await torchvae(['sample', at('run'), '--label', '1'], { cwd: folder });
    expect(unasked.stderr).toMatch(/leave --label out/);
  });

  test('take the likelihood that --set names', async () => {
    const flags = ['--set', 'likelihood.type=laplace', '--epochs', '1', '--dry-run'];
    const { stdout } = await succeed('train', '--data', 'rooms.csv', ...flags);
    expect(stdout).toContain('laplace');
    expect(stdout).not.toContain('per-dimension');
  });

  test('take settings that --set names of the likelihood of the data', async () => {
    const flags = ['--set', 'likelihood.scale=learned', '--epochs', '1', '--dry-run'];
    const { stdout } = await succeed('train', '--data', 'rooms.csv', ...flags);
    expect(stdout).toMatch(/likelihood +gaussian; .*scale learned/);
  });
});
