/** Every kind of --data from the command line, and what a checkpoint keeps of it. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Dataset, loadDataset, type TableSchema } from '../lib/data/index.ts';
import { decodeSafetensors, encodeSafetensors } from '../lib/model/safetensors.ts';
import { VAE } from '../lib/vae.ts';
import { refusal } from './refusal.ts';
import { packageFolder, torchvae } from './support/command.ts';
import { npy } from './support/npy.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-data-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const small = [
  '--epochs',
  '1',
  '--device',
  'cpu',
  '--set',
  'encoder={"hidden":[8]}',
  '--set',
  'latentSize=2',
];
const gaussian = ['--set', 'likelihood.type=gaussian'];
const table = (rows: number) =>
  `a,b,kind\n${Array.from({ length: rows }, (_, i) => `${i % 7},${i % 2 ? 'x' : 'y'},${i % 3}`).join('\n')}\n`;

async function train(data: string, ...flags: string[]) {
  const out = at(`run-${Math.random()}`);
  const outcome = await torchvae(['train', '--data', data, '--out', out, ...small, ...flags]);
  return { ...outcome, out };
}

describe('train --data', () => {
  test('.npy and .npz', async () => {
    const images = npy(
      '|u1',
      [20, 6, 5],
      new Uint8Array(600).map((_, i) => i % 256),
    );
    writeFileSync(at('x.npy'), images);
    writeFileSync(
      at('x.npz'),
      zipSync({ 'x.npy': images, 'y.npy': npy('|u1', [20], new Uint8Array(20)), 'note.txt': strToU8('') }),
    );
    expect(await train(at('x.npy'))).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/x\.npy: 20 examples of 1x6x5/),
    });
    expect(await train(at('x.npz'))).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/ 1 class[:,]/),
    });
  });

  test('a folder of images, resized, with classes as labels', async () => {
    for (const name of ['cats', 'dogs']) {
      mkdirSync(at(`pets/${name}`), { recursive: true });
      const create = { width: 20, height: 10, channels: 3, background: '#336699' } as const;
      for (let i = 0; i < 4; i++)
        await sharp({ create })
          .png()
          .toFile(at(`pets/${name}/${i}.png`));
    }
    const { code, stderr } = await train(at('pets'), '--size', '8', '--set', 'condition.classes=2');
    expect(stderr).toMatch(/pets: 8 examples of 3x8x8, unit, uint8, 2 classes/);
    expect(code).toBe(0);
  });

  test('CIFAR', async () => {
    mkdirSync(at('cifar'));
    writeFileSync(at('cifar/data_batch_1.bin'), Buffer.alloc(4 * 3073, 5));
    expect(await train(at('cifar'))).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/cifar-10 \(train\): 4 examples of 3x32x32/),
    });
  });

  test('a table, whose schema the checkpoint keeps and encode uses', async () => {
    writeFileSync(at('t.csv'), table(50));
    const flags = ['--label-column', 'kind', '--holdout', '0.2', ...gaussian];
    const { code, stderr, out } = await train(at('t.csv'), ...flags);
    expect(stderr).toMatch(/t\.csv: 40 examples of 3, real, float32, 3 classes/);
    expect(stderr).toMatch(/\nColumns\n {2}a {5}number, .*\n {2}b {5}category, x, y\n {2}kind {2}label, /);
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')).data).toMatchObject({
      labelColumn: 'kind',
      examples: 50,
    });
    const resumed = await torchvae(['train', '--resume', '--out', out, '--epochs', '2']);
    expect(resumed).toMatchObject({ code: 0, stderr: expect.stringMatching(/epoch 2 /) });
    expect(await torchvae(['train', '--resume', '--out', out, '--label-column', 'b'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/started with --label-column kind/),
    });
    writeFileSync(at('new.csv'), 'b,a\ny,3\n');
    const encoded = await torchvae([
      'encode',
      out,
      '--data',
      at('new.csv'),
      '--out',
      at('codes.safetensors'),
    ]);
    expect(encoded).toMatchObject({ code: 0, stderr: expect.stringMatching(/codes of 1 example /) });
    const found = decodeSafetensors(readFileSync(at('codes.safetensors')), 'codes').tensors.get('mean')!;
    using vae = await VAE.load(join(out, 'checkpoint.safetensors'));
    const { mean } = await vae.encode(await loadDataset(at('new.csv'), { schema: vae.schema }));
    expect([...mean.data]).toEqual([...found.data]);
    const [row] = (vae.schema as TableSchema).decode((await vae.sample(1)).data);
    expect(Object.keys(row!)).toEqual(['a', 'b']);
  });

  test('Parquet, with missing values imputed', async () => {
    const path = join(packageFolder, 'test/fixtures/table-zstd.parquet');
    expect(await train(path, ...gaussian)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/row 3, column "height".*--on-missing impute.*ERR_DATA_FORMAT/),
    });
    expect(await train(path, ...gaussian, '--on-missing', 'impute')).toMatchObject({ code: 0 });
  });

  test('arrays and images, read as the flags say, also by later commands', async () => {
    const images = npy(
      '|u1',
      [20, 6, 5],
      new Uint8Array(600).map((_, i) => i % 2),
    );
    const other = npy('|u1', [20, 4], new Uint8Array(80));
    const kinds = npy(
      '|u1',
      [20],
      new Uint8Array(20).map((_, i) => i % 4),
    );
    writeFileSync(at('named.npz'), zipSync({ 'pics.npy': images, 'b.npy': other, 'kinds.npy': kinds }));
    const flags = ['--member', 'pics', '--label-member', 'kinds', '--invert', 'yes', '--data-kind', 'unit'];
    const { code, stderr, out } = await train(at('named.npz'), ...flags);
    expect(stderr).toMatch(/named\.npz: 20 examples of 1x6x5, unit, uint8, 4 classes/);
    expect(code).toBe(0);
    const scored = await torchvae(['score', out, '--out', at('named.csv')]);
    expect(scored.stderr).toMatch(/scores of 20 examples/);
    const named = await torchvae(['score', out, '--data', at('named.npz'), '--out', at('again.csv')]);
    expect(named.stderr).toMatch(/scores of 20 examples/);
    expect(readFileSync(at('again.csv'), 'utf8')).toBe(readFileSync(at('named.csv'), 'utf8'));
    const plain = await torchvae([
      'score',
      out,
      '--data',
      at('named.npz'),
      '--invert',
      'no',
      '--out',
      at('plain.csv'),
    ]);
    expect(plain).toMatchObject({ code: 0 });
    expect(readFileSync(at('plain.csv'), 'utf8')).not.toBe(readFileSync(at('named.csv'), 'utf8'));
  });

  test('windows over a series, of which the end is held out', async () => {
    writeFileSync(
      at('wave.csv'),
      `v\n${Array.from({ length: 100 }, (_, i) => Math.sin(i / 5).toFixed(4)).join('\n')}\n`,
    );
    const flags = ['--window-length', '10', '--stride', '5', '--holdout', '0.2', '--chronological'];
    const { code, stderr, out } = await train(at('wave.csv'), ...flags, ...gaussian);
    expect(stderr).toMatch(/wave\.csv: \d+ examples of 10x1/);
    expect(code).toBe(0);
    writeFileSync(
      at('later.csv'),
      `v\n${Array.from({ length: 30 }, (_, i) => Math.cos(i / 5).toFixed(4)).join('\n')}\n`,
    );
    const scored = await torchvae(['score', out, '--data', at('later.csv'), '--out', at('later-scores.csv')]);
    expect(scored.stderr).toMatch(/scores of 5 examples/);
    const kept = await torchvae(['score', out, '--data', at('later.csv'), '--keep', 'v', '--out', '-']);
    expect(kept.stderr).toMatch(/one row an example for --keep/);
  });

  test('tables and texts, read as the flags say, also by later commands', async () => {
    const rows = Array.from(
      { length: 40 },
      (_, i) => `${i},5;a${i};${i % 3};${i === 7 ? 'none' : `${i},25`}`,
    );
    writeFileSync(at('odd.csv'), `${rows.join('\n')}\n`);
    const flags = [
      '--delimiter',
      ';',
      '--decimal',
      ',',
      '--header',
      'no',
      '--missing',
      'none',
      '--on-missing',
      'impute',
    ];
    const columns = ['--column', 'column2=ignore', '--column', 'column3=categorical'];
    const out = at('odd-run');
    const args = [
      'train',
      '--data',
      at('odd.csv'),
      '--epochs',
      '1',
      '--out',
      out,
      '--device',
      'cpu',
      ...flags,
      ...columns,
    ];
    const outcome = await torchvae(args);
    expect(outcome.code, outcome.stderr).toBe(0);
    expect(outcome.stderr).toContain('odd.csv: 40 examples of 5');
    expect(outcome.stderr).toContain('1 missing cell was imputed');
    expect((await torchvae(['train', '--out', out, '--resume', '--epochs', '2'])).code).toBe(0);
    writeFileSync(at('new.csv'), '1,5;x;0;2,5\n2,5;y;1;none\n');
    const scored = await torchvae(['score', out, '--data', at('new.csv'), '--out', '-']);
    expect(scored.stdout, scored.stderr).toMatch(/\n0,[\d.]+,scored,0,0\n1,[\d.]+,imputed,1,0\n/);
    writeFileSync(
      at('words.txt'),
      `${Array.from({ length: 30 }, (_, i) => `the cat saw dog number${i}`).join('\n')}\n`,
    );
    const words = ['--level', 'word', '--vocabulary', '4', '--length', '5', '--dry-run'];
    const { code, stderr } = await torchvae(['train', '--data', at('words.txt'), ...words]);
    expect(code, stderr).toBe(0);
    const refused = await torchvae(['train', '--data', at('words.txt'), '--delimiter', ',', '--dry-run']);
    expect(refused.stderr).toMatch(/The option --delimiter has no meaning for .*words\.txt/);
    const wrong = await torchvae([
      'train',
      '--data',
      at('odd.csv'),
      ...flags,
      '--column',
      'column2',
      '--dry-run',
    ]);
    expect(wrong.stderr).toContain('NAME=TYPE for --column');
  });

  test('takes the options of tables for a table without an extension, and for a folder of tables', async () => {
    mkdirSync(at('shards'));
    writeFileSync(at('shards/part-0.csv'), table(20));
    writeFileSync(at('shards/part-1.csv'), table(20));
    const flags = ['--label-column', 'kind', '--on-missing', 'impute', '--dry-run'];
    const planned = await train(at('shards'), ...flags);
    expect(planned.stdout, planned.stderr).toMatch(/shards: 40 examples of 3, real, float32, 3 classes/);
    copyFileSync(join(packageFolder, 'test/fixtures/table-plain.parquet'), at('unnamed'));
    expect((await train(at('unnamed'), '--on-missing', 'impute', '--dry-run')).stdout).toContain('unnamed:');
  });

  test('says what does not go together', async () => {
    writeFileSync(at('t.csv'), table(9));
    writeFileSync(at('t.txt'), 'ab\ncd\n');
    expect((await train(at('t.csv'), '--set', 'likelihood.type=bernoulli')).stderr).toMatch(
      /as the bernoulli likelihood needs, but received data of kind 'real'/,
    );
    expect((await train(at('t.txt'), '--set', 'likelihood=bernoulli')).stderr).toMatch(
      /as the bernoulli likelihood needs, but received data of kind 'categorical'/,
    );
    expect((await train(at('t.csv'), '--size', '8')).stderr).toMatch(
      /--size is for --data sprites, a folder of images or a \.parquet file of them/,
    );
    expect((await train('sprites', '--label-column', 'a')).stderr).toMatch(
      /option --label-column has no meaning for sprites; leave it out/,
    );
    expect((await train(at('t.csv'), '--label-column', 'c')).stderr).toMatch(
      /columns a, b, kind but received "c"/,
    );
    expect((await train(at('missing.csv'))).stderr).toMatch(/which does not exist .*ERR_RANGE/);
    expect((await train('missing.csv')).stderr).toMatch(/which does not exist; it is looked for in \//);
    // The last of several would be taken without a word.
    expect((await train(at('t.csv'), '--data', at('t.txt'))).stderr).toMatch(
      /given before as '.*t\.csv'; put several files into a folder/,
    );
  });

  test('takes \\t for a tab, as shells give it', async () => {
    writeFileSync(at('tabs.csv'), 'a,b\tc\n1,5\t2\n2,5\t3\n');
    const { stdout } = await torchvae(['train', '--data', at('tabs.csv'), '--delimiter', '\\t', '--dry-run']);
    expect(stdout).toMatch(/2 examples of 2, real/);
  });
});

test('a checkpoint with a damaged schema is refused', async () => {
  const data = await Dataset.fromRecords([{ a: 1 }, { a: 2 }, { a: 3 }]);
  using vae = await VAE.create({
    spec: { inputShape: [1], encoder: { hidden: [2] }, likelihood: 'gaussian' },
    device: 'cpu',
  });
  expect(vae.schema).toBeUndefined();
  for await (const _ of vae.fit(data, { epochs: 1 }));
  await vae.save(at('m.safetensors'));
  using loaded = await VAE.load(at('m.safetensors'));
  expect(loaded.schema!.toJSON()).toEqual(data.schema!.toJSON());
  const { tensors, metadata } = decodeSafetensors(readFileSync(at('m.safetensors')), 'm');
  const chunks = encodeSafetensors(tensors, {
    ...metadata,
    schema: '{"type":"table","onMissing":"refuse","fields":[]}',
  });
  writeFileSync(at('bad.safetensors'), Buffer.concat([chunks].flat()));
  expect(await refusal('ERR_CHECKPOINT', () => VAE.load(at('bad.safetensors')))).toMatch(
    /no usable checkpoint: table schema: .*fields is damaged/,
  );
});
