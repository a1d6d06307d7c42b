/** The commands that score rows: every row gets its line, whatever is wrong with it or with others. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeSafetensors } from '../lib/model/safetensors.ts';
import { VAE } from '../lib/vae.ts';
import { torchvae } from './support/command.ts';
import { npy } from './support/npy.ts';

let folder: string;
const at = (name: string) => join(folder, name);
const gaussian = ['--set', 'likelihood={"type":"gaussian","scale":"learned"}', '--set', 'latentSize=2'];
const small = ['--set', 'encoder={"hidden":[16]}', '--batch-size', '32', '--device', 'cpu'];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-score-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function succeed(...args: string[]) {
  const outcome = await torchvae(args, { cwd: folder });
  expect(outcome.code, outcome.stderr).toBe(0);
  return outcome;
}

/** A row of a meter: an id, its load and the day's kind. */
const row = (i: number) => `m-${i},${(10 + 3 * Math.sin(i * 12.9898)).toFixed(2)},${i % 4 ? 'week' : 'end'}`;
const rows = Array.from({ length: 200 }, (_, i) => row(i));
const header = 'id,load,day';

function lines(text: string): string[][] {
  return text
    .trim()
    .split('\n')
    .map((line) => line.split(','));
}

describe('a table', () => {
  beforeAll(async () => {
    writeFileSync(
      at('meters.csv'),
      `${[header.slice(3), ...rows.map((line) => line.replace(/^[^,]+,/, ''))].join('\n')}\n`,
    );
    await succeed('train', '--data', 'meters.csv', '--epochs', '4', '--out', 'run', ...gaussian, ...small);
    await succeed('threshold', 'run', '--data', 'meters.csv', '--false-alarm-rate', '0.02');
  });

  test('with a cell that cannot be read still has a line for each row, and the cell is named', async () => {
    const odd = ['inf,week', 'abc,week', '10.5,end', '11 kW,end'];
    writeFileSync(at('unread.csv'), `load,day\n${odd.join('\n')}\n`);
    const { stdout, stderr } = await succeed('score', 'run', '--data', 'unread.csv', '--out', '-');
    expect(
      lines(stdout)
        .map(([, , anomalous, state]) => `${anomalous} ${state}`)
        .slice(1),
    ).toEqual(['true infinite', 'true unseen', 'false scored', 'true unseen']);
    expect(stderr).toMatch(/2 cells could not be read, such as row 2, column "load": .*"abc"/);
    expect((await succeed('encode', 'run', '--data', 'unread.csv')).stderr).toMatch(/3 of them NaN/);
  });

  test('trains with a preset for values in [0, 1] on real numbers, without its sigmoid', async () => {
    await succeed(
      'train',
      '--preset',
      'mlp-128',
      '--data',
      'meters.csv',
      '--epochs',
      '1',
      '--out',
      'squares',
    );
    const { stdout } = await succeed('inspect', 'squares');
    expect(stdout).toMatch(/likelihood +squared-error; link identity/);
  });

  test('has its codes in a file that is what its name says', async () => {
    await succeed('encode', 'run', '--data', 'meters.csv', '--out', 'codes.csv');
    await succeed('encode', 'run', '--data', 'meters.csv', '--out', 'codes.safetensors');
    const { tensors } = decodeSafetensors(readFileSync(at('codes.safetensors')), 'codes');
    const [names, ...written] = lines(readFileSync(at('codes.csv'), 'utf8'));
    expect(names).toEqual(['mean1', 'mean2', 'logVariance1', 'logVariance2']);
    const means = written.flatMap((line) => line.slice(0, 2).map(Number));
    expect(means).toEqual([...(tensors.get('mean')!.data as Float32Array)]);
    for (const args of [
      ['encode', 'run', '--out', 'codes.npy'],
      ['score', 'run', '--out', 'scores.json'],
      ['sample', 'run', '--out', 'rows.parquet'],
    ]) {
      const { code, stderr } = await torchvae(args, { cwd: folder });
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /Expected a name that ends with .* for --out but received \w+\.\w+ \[ERR_RANGE\]/,
      );
    }
    const { stdout } = await succeed('sample', 'run', '--count', '2', '--out', '-');
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => Object.keys(JSON.parse(line))),
    ).toEqual([
      ['load', 'day'],
      ['load', 'day'],
    ]);
  });

  test('has a line for each row, whose state says what its score is worth', async () => {
    const odd = [...rows.slice(0, 5)];
    odd[1] = 'm-1,-1e30,week';
    odd[2] = 'm-2,,week';
    odd[3] = '"m-3, the third",10.5,holiday';
    writeFileSync(at('odd.csv'), `${[header, ...odd].join('\n')}\n`);
    const { stdout, stderr } = await succeed(
      'score',
      'run',
      '--data',
      'odd.csv',
      '--keep',
      'day',
      '--keep',
      'id',
      '--out',
      '-',
    );
    const [names, ...found] = lines(stdout);
    expect(names).toEqual(['example', 'score', 'anomalous', 'state', 'imputed', 'unseen', 'day', 'id']);
    expect(found.map((cells) => cells.slice(2).join())).toEqual([
      'false,scored,0,0,end,m-0',
      'true,infinite,0,0,week,m-1',
      'false,imputed,1,0,week,m-2',
      'true,unseen,0,1,holiday,"m-3, the third"',
      'false,scored,0,0,end,m-4',
    ]);
    expect([found[1]![1], found[3]![1]]).toEqual(['Infinity', 'Infinity']);
    expect(stderr).toMatch(/5 examples, 2 of them anomalies.*1 infinite.*1 imputed.*1 unseen\n/);
    const refused = await torchvae(['score', at('run'), '--keep', 'id'], { cwd: folder });
    expect(refused.stderr).toMatch(/Expected --data: the table whose columns --keep names.*ERR_STATE/);
  });

  test('keeps columns of every kind of table', async () => {
    const records = rows.slice(0, 4).map((line) => {
      const [id, load, day] = line.split(',');
      return JSON.stringify({ id, load: Number(load), day });
    });
    writeFileSync(at('some.jsonl'), records.join('\n'));
    const { stdout } = await succeed(
      'score',
      'run',
      '--data',
      'some.jsonl',
      '--keep',
      'id',
      '--keep',
      'load',
      '--out',
      '-',
    );
    expect(lines(stdout).map((cells) => cells.slice(-2))).toEqual([
      ['id', 'load'],
      ...rows.slice(0, 4).map((line) => [line.split(',')[0], String(Number(line.split(',')[1]))]),
    ]);
    const odd = rows.slice(0, 4).map((line) => line.replaceAll(',', '|'));
    writeFileSync(at('bars.csv'), odd.join('\n'));
    const named = ['--header', 'no', '--delimiter', '|', '--data', 'bars.csv'];
    const wrong = await torchvae(['score', 'run', ...named, '--keep', 'id'], { cwd: folder });
    expect(wrong.stderr).toMatch(/column1|load/);
    const piped = [
      ['load', 'day', 'id'],
      ...rows.slice(0, 4).map((line) => [...line.split(',').slice(1), line.split(',')[0]!]),
    ];
    writeFileSync(at('bars.csv'), piped.map((cells) => cells.join('|')).join('\n'));
    const found = await succeed(
      'score',
      'run',
      '--delimiter',
      '|',
      '--data',
      'bars.csv',
      '--keep',
      'id',
      '--out',
      '-',
    );
    expect(lines(found.stdout)[4]!.at(-1)).toBe('m-3');
  });

  test('goes on with a changed file by the schema of the run, and says so', async () => {
    const schemaOf = async () => {
      using vae = await VAE.load(at('run/checkpoint.safetensors'), { device: 'cpu' });
      return JSON.stringify(vae.schema);
    };
    const before = await schemaOf();
    const { stderr } = await succeed('train', '--out', 'run', '--resume', '--epochs', '5');
    expect(stderr).not.toContain('changed');
    const warmer = lines(readFileSync(at('meters.csv'), 'utf8')).map(([load, day], i) =>
      i === 0 ? `${load},${day}` : `${Number(load) + 40},${day}`,
    );
    writeFileSync(at('meters.csv'), `${warmer.join('\n')}\n`);
    const again = await succeed('train', '--out', 'run', '--resume', '--epochs', '6');
    expect(again.stderr).toContain(
      'meters.csv changed since the run began; it is read by the schema of the run',
    );
    expect(await schemaOf()).toBe(before);
    appendFileSync(at('meters.csv'), '11.5,week\n');
    const longer = await torchvae(['train', '--out', at('run'), '--resume', '--epochs', '7'], {
      cwd: folder,
    });
    expect(longer.stderr).toMatch(/began with 200 examples .*ERR_STATE/);
  });

  test('of a run that held a rare category out is resumed', async () => {
    const once = [...rows.slice(0, 39).map((line) => line.replace(/^[^,]+,/, '')), '9.5,rare'];
    writeFileSync(at('rare.csv'), `${['load,day', ...once].join('\n')}\n`);
    for (const seed of ['0', '1', '2', '3']) {
      const out = `rare-${seed}`;
      const flags = [
        '--holdout',
        '0.4',
        '--seed',
        seed,
        '--epochs',
        '1',
        '--out',
        out,
        ...gaussian,
        ...small,
      ];
      await succeed('train', '--data', 'rare.csv', ...flags);
      await succeed('train', '--out', out, '--resume', '--epochs', '2');
    }
  });
});

test('a streamed run is scored and encoded whole, in the order of its rows', async () => {
  const values = Float32Array.from({ length: 2 * 6000 }, (_, i) => Math.sin(i * 12.9898));
  writeFileSync(at('x.npy'), npy('<f4', [6000, 2], new Uint8Array(values.buffer)));
  await succeed(
    'train',
    '--data',
    'x.npy',
    '--stream',
    '--window',
    '700',
    '--epochs',
    '1',
    '--out',
    'streamed',
    ...gaussian,
    ...small,
  );
  const set = await succeed('threshold', 'streamed', '--split', 'train', '--false-alarm-rate', '0.1');
  expect(set.stderr).toContain('set from 6,000 examples');
  await succeed('score', 'streamed', '--split', 'train', '--out', 'streamed.csv');
  await succeed('score', 'streamed', '--data', 'x.npy', '--out', 'whole.csv');
  const [streamed, whole] = ['streamed.csv', 'whole.csv'].map((name) =>
    lines(readFileSync(at(name), 'utf8')),
  );
  expect(streamed!.length).toBe(6001);
  for (const i of [1, 700, 701, 4097, 6000]) {
    expect(streamed![i]![0]).toBe(String(i - 1));
    expect(Number(streamed![i]![1])).toBeCloseTo(Number(whole![i]![1]), 3);
  }
  await succeed('encode', 'streamed', '--split', 'train', '--out', 'codes.safetensors');
  const { tensors } = decodeSafetensors(readFileSync(at('codes.safetensors')), 'codes');
  expect(tensors.get('mean')!.shape).toEqual([6000, 2]);
});

test('a text has a line for each of its lines, also for one that is too long', async () => {
  writeFileSync(at('known.txt'), 'abab\nbaba\n');
  writeFileSync(at('later.txt'), 'abab\nbabaabb\n');
  await succeed('train', '--data', 'known.txt', '--epochs', '1', '--out', 'texts');
  const { stdout } = await succeed('score', 'texts', '--data', 'later.txt', '--out', '-');
  expect(lines(stdout).map(([, , state, unseen]) => `${state} ${unseen}`)).toEqual([
    'state unseen',
    'scored 0',
    'unseen 3',
  ]);
  await succeed('encode', 'texts', '--data', 'later.txt', '--out', 'codes.csv');
  const codes = lines(readFileSync(at('codes.csv'), 'utf8'));
  expect(codes.map((line) => line.at(-1))).toEqual(['state', 'scored', 'unseen']);
  // Tokens are numbered in no order that an error could have, and two lines take less than their codes.
  expect((await succeed('compress', 'texts', '--data', 'known.txt')).stderr).toMatch(
    /^Wrote 2 examples in \d+ bytes .*, \d\.\d times what they take in memory; \d+\.\d% of the values are as they were\n$/,
  );
  const strict = ['encode', 'texts', '--data', 'later.txt', '--on-long', 'refuse'];
  const refused = await torchvae(strict, { cwd: folder });
  expect(refused.stderr).toMatch(/line 2: .*give --on-long cut to cut it/);
});
