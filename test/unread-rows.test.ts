/** A row of a table that cannot be read fails alone, whatever is asked about it, and is counted. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cellTexts } from '../lib/data/index.ts';
import { Dataset, loadDataset, StreamedDataset, type TableSchema, VAE } from '../lib/index.ts';
import { gallery } from '../lib/report/index.ts';
import { refusal } from './refusal.ts';
import { torchvae } from './support/command.ts';

let folder: string;
let vae: VAE;
const at = (name: string) => join(folder, name);

const good = Array.from({ length: 200 }, (_, i) => [
  (20 + 2 * Math.sin(i)).toFixed(2),
  (1 + Math.cos(1.7 * i)).toFixed(3),
  i % 3 ? 'a' : 'b',
]);
/** Rows that nothing can be said of, by their places. */
const bad: Record<number, [cells: string[], state: string]> = {
  2: [['abc', '1.0', 'a'], 'unseen'],
  4: [['20', '1.0', 'never'], 'unseen'],
  6: [['inf', '1.0', 'a'], 'infinite'],
};
const missing = 8;
const far = 10;

const rowsOf = (isMixed: boolean) =>
  good.slice(0, 20).flatMap((row, i) => {
    if (isMixed && bad[i]) return [bad[i][0]];
    if (i === missing) return [isMixed ? ['', '1.0', 'a'] : row];
    if (i === far) return [isMixed ? ['1e30', '1.0', 'a'] : row];
    return [row];
  });
const write = (name: string, rows: string[][]) =>
  writeFileSync(at(name), `${['t,p,k', ...rows.map((row) => row.join(','))].join('\n')}\n`);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-unread-rows-'));
  write('train.csv', good);
  write('mixed.csv', rowsOf(true));
  const counted = rowsOf(false).filter((_, i) => !bad[i] && i !== missing && i !== far);
  write('counted.csv', counted);
  const data = await loadDataset(at('train.csv'));
  vae = await VAE.create({
    device: 'cpu',
    seed: 1,
    spec: {
      inputShape: data.shape,
      encoder: { type: 'mlp', hidden: [16] },
      decoder: { type: 'mlp', hidden: [16] },
      latentSize: 2,
      likelihood: { type: 'gaussian', scale: 'per-dimension' },
    },
  });
  await vae.fit(data, { epochs: 2, batchSize: 32 });
  await vae.save(at('model.safetensors'));
});
afterAll(() => {
  vae.dispose();
  rmSync(folder, { recursive: true });
});

const load = (name: string) => loadDataset(at(name), { schema: vae.schema, onMissing: 'impute' });
const states = Array.from({ length: 20 }, (_, i) => bad[i]?.[1] ?? (i === missing ? 'imputed' : 'scored'));

describe('answers for each row', () => {
  test('codes are NaN for rows that cannot be read, and those of the others are as without them', async () => {
    const encoding = await vae.encode(await load('mixed.csv'));
    expect(encoding.states).toEqual(states);
    const alone = await vae.encode((await load('mixed.csv')).subset([0, 1, 3]));
    expect(alone.states).toEqual(['scored', 'scored', 'scored']);
    expect([...encoding.mean.data.subarray(0, 4)]).toEqual([...alone.mean.data.subarray(0, 4)]);
    for (const row of Object.keys(bad).map(Number)) {
      for (const { data } of [encoding.mean, encoding.logVariance])
        expect([...data.subarray(2 * row, 2 * row + 2)]).toEqual([Number.NaN, Number.NaN]);
    }
    expect((await vae.encode(await loadDataset(at('counted.csv'), { schema: vae.schema }))).states).toBe(
      undefined,
    );
  });

  test('reconstructions of such rows are missing values', async () => {
    const { data } = await vae.reconstruct(await load('mixed.csv'));
    const rows = (vae.schema as TableSchema).decode(data);
    for (const [i, row] of rows.entries()) {
      if (bad[i]) expect(row).toEqual({ t: Number.NaN, p: Number.NaN, k: '' });
      else expect(Number.isFinite(row.t) && ['a', 'b'].includes(row.k as string)).toBe(true);
    }
  });

  test('losses, likelihoods and divergences are infinite', async () => {
    const mixed = await load('mixed.csv');
    const { reconstruction, kl } = await vae.lossesPerExample(mixed);
    const likelihoods = await vae.negativeLogLikelihood(mixed, { samples: 2 });
    const divergences = await vae.divergences(mixed);
    for (let i = 0; i < 20; i++) {
      if (i === far) continue;
      const found = [reconstruction[i], kl[i], likelihoods[i], divergences.data[2 * i]];
      expect(found.map(Number.isFinite), `row ${i}`).toEqual(Array(4).fill(!bad[i]));
    }
  });
});

describe('answers for all rows', () => {
  test('means are over the others, and say how many are left out', async () => {
    const [mixed, counted] = [await load('mixed.csv'), await load('counted.csv')];
    const { leftOut, ...losses } = await vae.loss(mixed, { seed: 3 });
    expect(leftOut).toBe(5);
    expect(losses).toEqual(await vae.loss(counted, { seed: 3 }));
    const [found, wanted] = [await vae.evaluate(mixed), await vae.evaluate(counted)];
    expect(found.data).toMatchObject({ examples: 15, leftOut: 5 });
    expect(found.losses).toEqual(wanted.losses);
    expect(found.reconstruction).toEqual(wanted.reconstruction);
    expect(wanted.data.leftOut).toBe(undefined);
    expect((await vae.latentHealth(mixed)).examples).toBe(15);
    expect((await vae.fitMixture(mixed, { components: 2 })).dimensions).toBe(2);
    expect((await gallery(vae, mixed)).length).toBe(3);
  });

  test('of a stream, too', async () => {
    const records = rowsOf(true)
      .filter((_, i) => i !== far)
      .map(([t, p, k]) => ({ t: t === '' ? null : t, p, k }));
    const schema = vae.schema as TableSchema;
    const options = { schema, onMissing: 'impute', window: 4 } as const;
    const stream = await StreamedDataset.from(() => records, options);
    const { leftOut, reconstruction } = await vae.loss(stream);
    expect(leftOut).toBe(4);
    const inMemory = await vae.loss(await Dataset.fromRecords(records, { schema, onMissing: 'impute' }));
    expect(inMemory.leftOut).toBe(4);
    expect(Math.abs(reconstruction / inMemory.reconstruction - 1)).toBeLessThan(0.2);
    expect((await vae.encode(stream)).states?.[2]).toBe('unseen');
  });

  test('a table of such rows alone is refused with the reason', async () => {
    write('none.csv', [['1e30', '1.0', 'a']]);
    const message = await refusal('ERR_NONFINITE', async () => vae.loss(await load('none.csv')));
    expect(message).toMatch(/mean loss over none\.csv/);
    write('words.csv', [
      ['abc', '1.0', 'a'],
      ['20', '1.0', 'never'],
    ]);
    const words = await load('words.csv');
    const answers = [
      () => vae.loss(words),
      () => vae.evaluate(words),
      () => vae.latentHealth(words),
      async () => void (await vae.fit(await loadDataset(at('train.csv')), { epochs: 1, validation: words })),
    ];
    for (const ask of answers)
      expect(await refusal('ERR_STATE', ask)).toMatch(
        /none of the 2 of words\.csv can \(1 cell could not be read/,
      );
  });
});

test('values that no cell can be make their row unseen, and are refused with the way out where rows are not lenient', async () => {
  const schema = vae.schema as TableSchema;
  const odd = [{ t: {} }, { t: [1] }, { t: new Date(0) }, { k: { a: 1 } }, { k: ['a'] }, { k: Symbol('a') }];
  const records = odd.map((cells) => ({ t: 20, p: 1, k: 'a', ...cells }));
  const data = await Dataset.fromRecords([...records, { t: 20, p: 1, k: 'a' }], {
    schema,
    onMissing: 'impute',
  });
  const { states } = await vae.encode(data);
  expect(states).toEqual([...odd.map(() => 'unseen'), 'scored']);
  const lines = records.slice(0, 2).map((record) => JSON.stringify(record));
  writeFileSync(at('odd.jsonl'), lines.join('\n'));
  expect((await load('odd.jsonl')).cells!.unseen).toEqual(Uint32Array.of(1, 1));
  for (const record of records)
    expect(await refusal('ERR_DATA_FORMAT', () => Dataset.fromRecords([record], { schema }))).toMatch(
      /record.*give onMissing: 'impute' to have such cells counted/,
    );
});

test('such a row of a validation set neither ends the training nor counts', async () => {
  const data = await loadDataset(at('train.csv'));
  const schema = data.schema as TableSchema;
  const validations = await Promise.all(
    ['mixed.csv', 'counted.csv'].map((name) => loadDataset(at(name), { schema, onMissing: 'impute' })),
  );
  const judged = validations.map(async (validation) => {
    using model = await VAE.create({
      device: 'cpu',
      seed: 2,
      spec: { inputShape: data.shape, latentSize: 2, likelihood: 'gaussian' },
    });
    const last = await model.fit(data, { epochs: 2, validation, latentHealth: true });
    return [last.validation!.loss, last.latentHealth!.examples] as const;
  });
  const [mixed, counted] = await Promise.all(judged);
  expect(mixed![1]).toBe(16);
  expect(counted![1]).toBe(15);
  // The row with a missing cell is among the first.
  expect(Math.abs(mixed![0] / counted![0] - 1)).toBeLessThan(0.1);
});

test('a row whose class a conditioned model does not know fails alone', async () => {
  const records = Array.from({ length: 60 }, (_, i) => ({ v: Math.sin(i), y: 'ab'[i % 2] as string | null }));
  const data = await Dataset.fromRecords(records, { labelColumn: 'y' });
  using conditioned = await VAE.create({
    device: 'cpu',
    seed: 1,
    spec: { inputShape: [1], latentSize: 1, likelihood: 'gaussian', condition: { classes: 2 } },
  });
  await conditioned.fit(data, { epochs: 1 });
  await conditioned.fitThreshold(data, { quantile: 0.9 });
  const schema = data.schema as TableSchema;
  const later = [
    { v: 0.1, y: 'b' },
    { v: 0.1, y: 'never' },
    { v: 0.1, y: null },
  ];
  const odd = await Dataset.fromRecords(later, { schema });
  const { scores, states } = await conditioned.detect(odd);
  expect(states).toEqual(['scored', 'unseen', 'unseen']);
  expect([...scores.subarray(1)]).toEqual([Infinity, Infinity]);
  const alone = await Dataset.fromRecords(later.slice(0, 1), { schema });
  expect(scores[0]).toBe((await conditioned.score(alone))[0]);
  expect((await conditioned.encode(odd)).states).toEqual(states);
  expect((await conditioned.reconstruct(odd)).data.map(Number.isNaN as never)).toEqual(
    Float32Array.of(0, 1, 1),
  );
  expect(await conditioned.loss(odd)).toEqual({ ...(await conditioned.loss(alone)), leftOut: 2 });
  const { detection } = await conditioned.evaluate(odd, { anomalous: ['never'], samples: 0 });
  expect(detection).toMatchObject({ anomalous: 1, normal: 2 });
  // The caller's labels stand for those of the rows.
  expect((await conditioned.score(odd, { labels: [1, 1, 1] })).every(Number.isFinite)).toBe(true);
});

describe('lines that are no rows, such as one that was being written,', () => {
  const lines = {
    'rows.csv': 't,p,k,id\n20,1,a,x\n20,1\n20,1,a,y,9\n20,1,a,z\n',
    'rows.tsv': 't\tp\tk\tid\n20\t1\ta\tx\n20\t1\n20\t1\ta\ty\t9\n20\t1\ta\tz\n',
    'spaced.csv': 't p k id\n20 1 a x\n20 1\n20 1 a y 9\n20 1 a z\n',
    'rows.jsonl': [
      '{"t":20,"p":1,"k":"a","id":"x"}',
      '{"t":20',
      '[20]',
      '{"t":20,"p":1,"k":"a","id":"z"}',
    ].join('\n'),
  };

  test.each(Object.entries(lines))('fail alone where a model is asked: %s', async (name, content) => {
    writeFileSync(at(name), content);
    const delimiter = name === 'spaced.csv' ? { delimiter: ' ' } : {};
    const { schema } = vae;
    const data = await loadDataset(at(name), { ...delimiter, schema, onMissing: 'impute' });
    expect([...data.cells!.unseen]).toEqual([0, 3, 3, 0]);
    const scores = await vae.score(data);
    expect([...scores]).toEqual([scores[0], Infinity, Infinity, scores[0]]);
    expect(await cellTexts(at(name), ['id'], delimiter)).toEqual([['x', '', '', 'z']]);
    for (const strict of [
      delimiter,
      { ...delimiter, schema },
      { ...delimiter, onMissing: 'impute' },
    ] as const) {
      await refusal('ERR_DATA_FORMAT', () => loadDataset(at(name), strict));
    }
  });
});

describe('the command line', () => {
  const run = async (...args: string[]) => {
    const outcome = await torchvae([args[0]!, at('model.safetensors'), ...args.slice(1)], { cwd: folder });
    expect(outcome.code, outcome.stderr).toBe(0);
    return outcome;
  };

  test('evaluates and encodes the rows that can be read, and names the others', async () => {
    const told = await run('evaluate', '--data', 'mixed.csv');
    expect(told.stdout).toMatch(/15 examples.*5 rows left out/);
    expect(told.stderr).toMatch(/1 cell could not be read, such as row 3, column "t": .*"abc"/);
    expect((await run('encode', '--data', 'mixed.csv', '--out', 'codes.csv')).stderr).toMatch(
      /3 of them NaN/,
    );
    const [names, ...lines] = readFileSync(at('codes.csv'), 'utf8').trim().split('\n');
    expect(names).toBe('mean1,mean2,logVariance1,logVariance2,state');
    expect(lines.map((line) => line.split(',').at(-1))).toEqual(states);
    expect(lines[2]).toBe(',,,,unseen');
  });

  test('shows pictures of them', async () => {
    for (const command of ['reconstruct', 'traverse', 'interpolate']) {
      expect((await run(command, '--data', 'mixed.csv', '--out', 'x.svg')).stderr).toMatch(/3 rows left out/);
    }
  });

  test('judges the detection of anomalies by the labels of other data, and by rows that cannot be read', async () => {
    const labeled = rowsOf(true).map((row, i) =>
      [...row, bad[i] || i % 5 === 0 ? 'attack' : 'fine'].join(','),
    );
    writeFileSync(at('labeled.csv'), `${['t,p,k,what', ...labeled].join('\n')}\n`);
    const asked = ['--data', 'labeled.csv', '--anomalous', 'attack'];
    const { stdout } = await run('evaluate', ...asked, '--label-column', 'what', '--json');
    expect(JSON.parse(stdout).detection).toMatchObject({ anomalous: 7, normal: 13 });
    const unlabeled = await torchvae(['evaluate', at('model.safetensors'), ...asked], { cwd: folder });
    expect(unlabeled.stderr).toMatch(/give the column \(--label-column\)/);
    const taken = ['evaluate', at('model.safetensors'), ...asked, '--label-column', 'k'];
    expect((await torchvae(taken, { cwd: folder })).stderr).toMatch(/column "k" is part of the examples/);
  });
});
