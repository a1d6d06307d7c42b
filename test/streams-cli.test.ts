/** Streams and test data from the command line. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAll, openExample } from '../lib/cli/run-data.ts';
import { isStreamed } from '../lib/cli/streams.ts';
import { Random } from '../lib/data/random.ts';
import { loadDataset, loadSplit, streamDataset, type VAE } from '../lib/index.ts';
import { encodePng } from '../lib/report/png.ts';
import { refusal } from './refusal.ts';
import { packageFolder, torchvae } from './support/command.ts';
import { npy } from './support/npy.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-streams-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const small = [
  '--device',
  'cpu',
  '--set',
  'encoder={"hidden":[8]}',
  '--set',
  'latentSize=2',
  '--batch-size',
  '16',
];
const images = (examples: number) => {
  const random = new Random(examples);
  const pixels = Uint8Array.from({ length: examples * 30 }, () => random.below(256));
  return npy('|u1', [examples, 6, 5], pixels);
};
const metrics = (run: string) =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

async function train(out: string, ...flags: string[]) {
  return torchvae(['train', '--out', at(out), ...flags]);
}

test('a stream is trained on, judged by other data, and resumed to the same bits', async () => {
  writeFileSync(at('x.npy'), images(300));
  writeFileSync(at('held-out.npy'), images(40));
  const flags = [
    '--data',
    at('x.npy'),
    '--stream',
    '--window',
    '64',
    '--test-data',
    at('held-out.npy'),
    ...small,
  ];
  const straight = await train('straight', ...flags, '--epochs', '3');
  expect(straight.stderr).toMatch(/x\.npy: 300 examples of 1x6x5, unit, uint8, streamed in windows of 64/);
  expect(straight.code).toBe(0);
  expect(metrics(at('straight')).every(({ test }) => Number.isFinite(test.elbo))).toBe(true);
  expect(await train('parts', ...flags, '--epochs', '1')).toMatchObject({ code: 0 });
  expect(await train('parts', '--resume', '--epochs', '3')).toMatchObject({ code: 0 });
  for (const name of ['checkpoint.safetensors', 'samples.png', 'reconstructions.png']) {
    expect(readFileSync(join(at('parts'), name)).equals(readFileSync(join(at('straight'), name))), name).toBe(
      true,
    );
  }
  expect(await train('parts', '--resume', '--window', '32')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/started with --window 64 and cannot be resumed with --window 32/),
  });
});

test('Parquet is streamed with its schema, which the test data take over', async () => {
  copyFileSync(join(packageFolder, 'test/fixtures/rows.parquet'), at('rows.parquet'));
  writeFileSync(at('held-out.csv'), 'a,b,c,kind\n1,2,1000000,0\n2,w1,1000003,3\n');
  const table = ['--label-column', 'kind', '--on-missing', 'impute', '--set', 'likelihood.type=gaussian'];
  const flags = ['--data', at('rows.parquet'), '--stream', ...table, '--epochs', '1', ...small];
  const { code, stderr } = await train('rows', ...flags, '--test-data', at('held-out.csv'));
  expect(stderr).toMatch(/rows\.parquet: 500 examples of 10, real, float32, 4 classes, streamed/);
  expect(code).toBe(0);
  expect(metrics(at('rows'))[0].test.elbo).toBeLessThan(0);
});

test('the folders train and test are splits', async () => {
  for (const [split, count] of Object.entries({ train: 12, test: 5 })) {
    for (let i = 0; i < count; i++) {
      const parent = join(at('digits'), split, `c${i % 2}`);
      mkdirSync(parent, { recursive: true });
      const data = new Uint8Array(30).fill(i);
      writeFileSync(join(parent, `${i}.png`), encodePng({ width: 5, height: 6, channels: 1, data } as never));
    }
  }
  const path = at('digits');
  expect((await loadDataset(path)).describe()).toMatch(
    /^train: 12 examples of 1x6x5, unit, uint8, 2 classes/,
  );
  expect(await loadDataset(path, { split: 'test' })).toMatchObject({ name: 'test', length: 5 });
  expect(await streamDataset(path, { split: 'test' })).toMatchObject({ name: 'test', length: 5 });
  expect((await loadSplit(path, { validation: 0.25 })).validation.length).toBe(3);
  const { code, stderr } = await train('digits-run', '--data', path, '--stream', '--epochs', '1', ...small);
  expect(stderr).toMatch(/train: 12 examples/);
  expect(code).toBe(0);
  expect(metrics(at('digits-run'))[0].test.elbo).toBeLessThan(0);
});

test('text is streamed with its schema, which the test data take over', async () => {
  writeFileSync(at('train.txt'), 'to be or not to be\nthat is the question\n'.repeat(20));
  writeFileSync(at('test.txt'), 'to be\nquestion the question of all questions\n');
  const flags = [
    '--data',
    at('train.txt'),
    '--test-data',
    at('test.txt'),
    '--level',
    'word',
    '--on-long',
    'cut',
  ];
  expect((await train('text', ...flags, '--stream', '--epochs', '1')).code).toBe(0);
  expect((await train('text-whole', ...flags, '--epochs', '1')).code).toBe(0);
  expect(metrics(at('text'))[0].test).toEqual(metrics(at('text-whole'))[0].test);
});

test('says what does not go together', async () => {
  writeFileSync(at('y.npy'), images(20));
  writeFileSync(at('y.bin'), new Uint8Array(3073));
  const refused = async (...flags: string[]) =>
    (await train('refused', '--epochs', '1', ...small, ...flags)).stderr;
  expect(await refused('--data', at('y.npy'), '--window', '5')).toMatch(/--window is for --stream/);
  expect(await refused('--data', at('y.npy'), '--time-limit', '5')).toMatch(/--time-limit is for --stream/);
  const group = join(packageFolder, 'test/fixtures/table-zstd.parquet');
  expect(
    await refused('--data', group, '--stream', '--time-limit', '0.001', '--on-missing', 'impute'),
  ).toMatch(/read within 0.001 s .* give a longer --time-limit/);
  expect(await refused('--data', group, '--size', '8', '--on-missing', 'impute')).toMatch(
    /The option --size has no meaning for .*table-zstd\.parquet/,
  );
  expect(await refused('--data', at('y.bin'), '--stream')).toMatch(
    /expected a \.npy file, .* or IDX file but it is a folder or file of CIFAR/,
  );
  expect(await refused('--data', 'sprites', '--stream')).toMatch(/ERR_RANGE/);
  expect(await refused('--data', at('y.npy'), '--stream', '--binarize', 'fixed')).toMatch(
    /'dynamic' or 'threshold'/,
  );
  expect(await refused('--data', at('y.npy'), '--test-data', at('nothing'))).toMatch(
    /--test-data but .* does not exist/,
  );
  writeFileSync(at('z.npy'), npy('|u1', [20, 7, 5], new Uint8Array(700)));
  expect(await refused('--data', at('y.npy'), '--test-data', at('z.npy'))).toMatch(
    /examples of 35 \(shape 1 x 7 x 5\)/,
  );
});

test('a part of a stream is held out, the same after a resume', async () => {
  const rows = Array.from({ length: 400 }, (_, i) => `${Math.sin(i).toFixed(3)},${['a', 'b', 'c'][i % 3]}`);
  writeFileSync(at('held.csv'), ['x,kind', ...rows].join('\n'));
  const flags = ['--data', at('held.csv'), '--stream', '--window', '64', '--holdout', '0.2', ...small];
  const whole = await train('held-whole', '--epochs', '3', ...flags);
  expect(whole.stderr).toMatch(/held\.csv: 320 examples of 4, real, float32, streamed in windows of 64/);
  await train('held-twice', '--epochs', '1', ...flags);
  await train('held-twice', '--resume', '--epochs', '3');
  const losses = (run: string) => metrics(at(run)).map((line) => [line.train.loss, line.validation.loss]);
  expect(losses('held-whole')).toHaveLength(3);
  expect(losses('held-twice')).toEqual(losses('held-whole'));
  const config = JSON.parse(readFileSync(join(at('held-whole'), 'config.json'), 'utf8'));
  expect(config.data).toMatchObject({ examples: 400, judge: 'held out: 80 examples' });
  const evaluated = await torchvae(['evaluate', at('held-whole'), '--samples', '0']);
  expect([evaluated.code, evaluated.stdout]).toEqual([0, expect.stringContaining('80')]);
  // As data in memory are: by the preset's share where none is given.
  writeFileSync(at('preset.npy'), images(100));
  const preset = ['--preset', 'mlp-128', '--data', at('preset.npy'), '--stream', '--epochs', '1'];
  expect((await train('preset', ...preset)).stderr).toMatch(/preset\.npy: 90 examples/);
});

test('all of a stream is compressed, in its order, and an example is that of its index', async () => {
  const path = at('long.csv');
  writeFileSync(path, ['x', ...Array.from({ length: 5000 }, (_, i) => i * i)].join('\n'));
  const { data, schema } = await loadDataset(path);
  const model = { schema, spec: { inputShape: [1] } as unknown as VAE['spec'] };
  const all = await openAll(folder, { data: path, stream: true }, 'test', model);
  expect(all.data).toEqual(data);
  for (const stream of [true, false]) {
    const one = await openExample(folder, { data: path, stream }, 'test', model, 4321);
    expect([...one.data]).toEqual([data[4321]]);
  }
  writeFileSync(path, 'x\nabc\n49\n64');
  const shown = (index: number) => openExample(folder, { data: path }, 'test', model, index);
  expect([...(await shown(1)).data]).toEqual([data[7]]);
  expect(await refusal('ERR_STATE', () => shown(0))).toMatch(
    /of long\.csv that can be read for example but received 0/,
  );
});

test('data that would fill the memory are streamed unasked', async () => {
  const path = at('huge.npy');
  const header = npy('<f4', [2 ** 28, 1000], new Uint8Array(0));
  writeFileSync(path, header);
  // Takes no room on the disk: what was never written reads as zeros.
  truncateSync(path, header.length + 4000 * 2 ** 28);
  expect(await isStreamed({ data: path }, 'train')).toBe(true);
  rmSync(path);
  writeFileSync(at('small.npy'), images(20));
  expect(await isStreamed({ data: at('small.npy') }, 'train')).toBe(false);
  expect(await isStreamed({ data: at('small.npy'), stream: true }, 'train')).toBe(true);
  expect(await isStreamed({ data: 'mnist' }, 'train')).toBe(false);
});
