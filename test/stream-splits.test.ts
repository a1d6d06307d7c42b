/** Streams of which a part is held out: each example is in one part, in every epoch and after a resume. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../lib/data/random.ts';
import {
  type Dataset,
  loadDataset,
  loadSplit,
  StreamedDataset,
  streamDataset,
  streamSplit,
  type TableSchema,
  VAE,
} from '../lib/index.ts';
import { encodePng } from '../lib/report/png.ts';
import { refusal } from './refusal.ts';
import { packageFolder } from './support/command.ts';
import { npy } from './support/npy.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-splits-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

/** The first value of each example, in the order of a shuffled epoch. */
async function epochOf(data: StreamedDataset, epoch: number, first = 0, step = 7): Promise<number[]> {
  const { signal } = new AbortController();
  const reading = await data.open({ seed: 3, epoch, shuffle: true, first, signal });
  const values: number[] = [];
  for (let at = first; at < data.length; at += step) {
    const block = await reading.read(Math.min(step, data.length - at));
    for (let i = 0; i < block.data.length; i += data.size) values.push(block.data[i]!);
  }
  await reading.close();
  return values;
}

const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);
const numbers = (count: number) => Float32Array.from({ length: 2 * count }, (_, i) => Math.floor(i / 2));

async function numbered(count: number, file: string): Promise<StreamedDataset> {
  writeFileSync(at(file), npy('<f4', [count, 2], new Uint8Array(numbers(count).buffer)));
  return streamDataset(at(file));
}

describe('a stream in parts', () => {
  test('has those of the same data in memory', async () => {
    const stream = await numbered(1000, 'same.npy');
    const data = await loadDataset(at('same.npy'));
    for (const options of [
      { validation: 0.1, seed: 4 },
      { validation: 0.25, chronological: true },
    ]) {
      const [streamed, whole] = [stream.split(options), data.split(options)];
      for (const part of ['train', 'validation'] as const) {
        expect(streamed[part].length).toBe(whole[part].length);
        expect((await streamed[part].head(whole[part].length)).data).toEqual(whole[part].data);
      }
    }
    const fractions = [0.5, 0.3, 0.2];
    const lengths = (parts: readonly { length: number }[]) => parts.map(({ length }) => length);
    expect(lengths(stream.split({ fractions }))).toEqual(lengths(data.split({ fractions })));
  });

  test('gives each example once in every epoch, from any place on, far beyond a chunk', async () => {
    const count = 150_000;
    const { train, validation } = (await numbered(count, 'many.npy')).split({ validation: 0.1, seed: 2 });
    expect(Math.abs(validation.length - count / 10)).toBeLessThanOrEqual(2);
    const [one, two] = [await epochOf(train, 0, 0, 8192), await epochOf(train, 1, 0, 8192)];
    const held = await epochOf(validation, 0, 0, 8192);
    expect(sorted(one)).toEqual(sorted(two));
    expect(one).not.toEqual(two);
    expect(sorted([...one, ...held])).toEqual(Array.from({ length: count }, (_, i) => i));
    for (const first of [1, 70_001]) expect(await epochOf(train, 1, first, 8192)).toEqual(two.slice(first));
    // Each stretch of the file has its share of what is held out.
    for (let from = 0; from + 5000 <= count; from += 5000) {
      const share = held.filter((value) => value >= from && value < from + 5000).length / 5000;
      expect(Math.abs(share - 0.1)).toBeLessThan(0.02);
    }
  });

  test('can be divided again', async () => {
    const { train, validation } = (await numbered(500, 'twice.npy')).split({ validation: 0.2 });
    const again = train.split({ validation: 0.25, seed: 9 });
    const all = [again.train, again.validation, validation];
    expect(all.map(({ length }) => length)).toEqual([300, 100, 100]);
    const values = (await Promise.all(all.map((part) => epochOf(part, 0)))).flat();
    expect(sorted(values)).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  test('of an iteration, of windows, of images and of Parquet rows', async () => {
    const rows = Array.from({ length: 300 }, (_, i) => ({ a: i, b: i % 7 }));
    const iterated = await StreamedDataset.from(() => rows, { standardize: false });
    const windows = (await numbered(300, 'windows.npy')).windows({ length: 3, stride: 2 });
    mkdirSync(at('pictures'));
    for (let i = 0; i < 20; i++) {
      const png = encodePng({ height: 2, width: 2, channels: 1, data: new Uint8Array(4).fill(10 * i + 1) });
      writeFileSync(join(at('pictures'), `${100 + i}.png`), png);
    }
    const parquet = await streamDataset(join(packageFolder, 'test/fixtures/table-plain.parquet'), {
      onMissing: 'impute',
    });
    for (const [stream, options] of [
      [iterated, { validation: 0.1 }],
      [windows, { validation: 0.2 }],
      [windows, { validation: 0.2, chronological: true }],
      [await streamDataset(at('pictures')), { validation: 0.25 }],
      [parquet, { validation: 0.4 }],
    ] as const) {
      const { train, validation } = stream.split(options);
      const held = await epochOf(validation, 0, 0, 3);
      const all = await epochOf(stream, 0, 0, 3);
      expect(sorted([...(await epochOf(train, 0, 0, 3)), ...held])).toEqual(sorted(all));
      expect((await epochOf(train, 1, 2, 3)).length).toBe(train.length - 2);
      expect(await epochOf(train, 1, 2, 3)).toEqual((await epochOf(train, 1, 0, 3)).slice(2));
    }
  });

  test('trains to the bits of the same division in memory, and resumes to those of one go', async () => {
    const random = new Random(5);
    const values = Float32Array.from({ length: 7 * 400 }, () => random.normal());
    writeFileSync(at('train.npy'), npy('<f4', [400, 7], new Uint8Array(values.buffer)));
    const split = { validation: 0.2, seed: 8 };
    const spec = {
      inputShape: [7],
      encoder: { hidden: [8] },
      latentSize: 2,
      likelihood: 'gaussian',
    } as const;
    const trained = async (
      { train, validation }: Record<'train' | 'validation', Dataset | StreamedDataset>,
      stops: readonly number[],
    ) => {
      let vae = await VAE.create({ spec, device: 'cpu', seed: 1 });
      const losses: (number | undefined)[] = [];
      for (const epochs of stops) {
        const fit = { epochs: epochs - vae.epoch, batchSize: 16, validation } as const;
        for await (const epoch of vae.fit(train, fit)) losses.push(epoch.train.loss, epoch.validation?.loss);
        await vae.save(at('model.safetensors'));
        vae.dispose();
        vae = await VAE.load(at('model.safetensors'), { device: 'cpu' });
      }
      vae.dispose();
      return losses;
    };
    const whole = await trained(await loadSplit(at('train.npy'), split), [4]);
    expect(await trained(await streamSplit(at('train.npy'), split), [4])).toEqual(whole);
    const windowed = () => streamSplit(at('train.npy'), split, { window: 64 });
    expect(await trained(await windowed(), [2, 4])).toEqual(await trained(await windowed(), [4]));
  });

  test('learns from the rows for training alone, and counts what the others alone have', async () => {
    const rows = Array.from(
      { length: 200 },
      (_, i) => `${i},${i === 150 ? 'Bonn' : i % 2 ? 'Rome' : 'Oslo'}`,
    );
    writeFileSync(at('rows.csv'), ['n,city', ...rows].join('\n'));
    for (const split of [
      { validation: 0.3, chronological: true },
      { validation: 0.3, seed: 1 },
    ]) {
      const whole = await loadSplit(at('rows.csv'), split);
      const streamed = await streamSplit(at('rows.csv'), split);
      const json = ({ schema }: { schema: unknown }) => (schema as TableSchema).toJSON();
      expect(json(streamed.train)).toEqual(json(whole.train));
      for (const part of ['train', 'validation'] as const) {
        const head = await streamed[part].head(whole[part].length);
        expect(head.data).toEqual(whole[part].data);
        expect(head.cells).toEqual(whole[part].cells);
      }
    }
    const ends = { validation: 0.3, chronological: true };
    const judgedBy = async ({
      train,
      validation,
    }: Record<'train' | 'validation', Dataset | StreamedDataset>) => {
      const spec = {
        inputShape: train.shape,
        encoder: { hidden: [4] },
        latentSize: 1,
        likelihood: 'gaussian',
      } as const;
      using vae = await VAE.create({ spec, device: 'cpu', seed: 1 });
      return (await vae.fit(train, { epochs: 1, validation })).validation;
    };
    expect(await judgedBy(await streamSplit(at('rows.csv'), ends))).toEqual(
      await judgedBy(await loadSplit(at('rows.csv'), ends)),
    );
    const { train } = await streamSplit(at('rows.csv'), ends);
    expect((train.schema as TableSchema).fields[1]).toMatchObject({ categories: ['Oslo', 'Rome'] });
    const series = { windowLength: 5 };
    const windows = await streamSplit(at('rows.csv'), { validation: 0.25 }, series);
    expect([windows.train.length, windows.validation.length]).toEqual([146, 46]);
    copyFileSync(join(packageFolder, 'test/fixtures/rows.parquet'), at('rows.parquet'));
    const [a, b] = [
      await loadSplit(at('rows.parquet'), { validation: 0.3, seed: 2 }, { onMissing: 'impute' }),
      await streamSplit(at('rows.parquet'), { validation: 0.3, seed: 2 }, { onMissing: 'impute' }),
    ];
    expect((b.train.schema as TableSchema).toJSON()).toEqual((a.train.schema as TableSchema).toJSON());
    expect((await b.validation.head(a.validation.length)).data).toEqual(a.validation.data);
  });

  test('refuses what cannot be', async () => {
    const stream = await numbered(10, 'ten.npy');
    expect(await refusal('ERR_RANGE', () => stream.split({ validation: 0.1, stratified: true }))).toMatch(
      /leave stratified out/,
    );
    await refusal('ERR_RANGE', () => stream.split({ validation: 0.01 }));
    await refusal('ERR_RANGE', () => stream.split({ validation: 1 }));
    await refusal('ERR_TYPE', () => stream.split({} as never));
    await refusal('ERR_RANGE', () => stream.split({ validation: 0.1, seeds: 1 } as never));
    writeFileSync(at('series.csv'), ['n', ...Array.from({ length: 50 }, (_, i) => i)].join('\n'));
    const series = { windowLength: 5 };
    const at3 = { validation: 0.1, chronological: false };
    expect(await refusal('ERR_RANGE', () => streamSplit(at('series.csv'), at3, series))).toMatch(
      /divided in their order; leave chronological: false out/,
    );
    expect(
      await refusal('ERR_RANGE', () => streamSplit(at('series.csv'), { validation: 0.05 }, series)),
    ).toMatch(/at most 2 for windowLength/);
  });
});
