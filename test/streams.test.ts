/** Streams: the same examples and the same bits as in memory, in an order that a resume finds again. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../lib/data/random.ts';
import {
  Dataset,
  type FitOptions,
  loadDataset,
  StreamedDataset,
  sprites,
  streamDataset,
  type TableSchema,
  VAE,
} from '../lib/index.ts';
import { encodePng } from '../lib/report/png.ts';
import { refusal } from './refusal.ts';
import { packageFolder } from './support/command.ts';
import { npy } from './support/npy.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-streams-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function file(content: Uint8Array, extension = 'npy'): string {
  const path = join(folder, `${count++}.${extension}`);
  writeFileSync(path, content);
  return path;
}

const small = { encoder: { hidden: [16] }, latentSize: 3 };
const images = (examples: number, seed = 1) => {
  const random = new Random(seed);
  return Uint8Array.from({ length: examples * 30 }, () => random.below(256));
};
const floats = (examples: number, draw: (random: Random) => number) => {
  const random = new Random(3);
  return Float32Array.from({ length: examples * 7 }, () => draw(random));
};
const bytesOf = (values: Float32Array | Float64Array) => new Uint8Array(values.buffer);

/** All weights and losses of a training run. */
async function trained(
  data: Dataset | StreamedDataset,
  options: FitOptions,
  spec: object = {},
  seed = 5,
): Promise<{ bits: string; losses: unknown[] }> {
  using vae = await VAE.create({
    spec: { ...small, inputShape: data.shape, ...spec },
    device: 'cpu',
    seed,
  });
  const losses: unknown[] = [];
  for await (const { train, gradientHealth } of vae.fit(data, options))
    losses.push([train, gradientHealth?.norm]);
  return { bits: await bitsOf(vae), losses };
}

async function bitsOf(vae: VAE): Promise<string> {
  const values = [...(await vae.parameters()).values()].map(({ data }) => Buffer.from(data.buffer));
  return Buffer.concat(values).toString('base64');
}

describe('a .npy file', () => {
  test('is described as in memory', async () => {
    const path = file(npy('|u1', [50, 6, 5], images(50)));
    const stream = await streamDataset(path, { window: 20 });
    const data = await loadDataset(path);
    expect(stream.describe()).toBe(`${data.describe()}, streamed in windows of 20`);
    const { length, shape, size, kind, name } = data;
    expect(stream).toMatchObject({ length, shape, size, kind, name, hasLabels: false });
    expect((await stream.head(7)).data).toEqual(data.take(7).data);
  });

  test.each([
    ['bytes', '|u1', [150, 6, 5], images(150), 'bernoulli'],
    ['truth values', '|b1', [150, 30], images(150).map((value) => value & 1), 'bernoulli'],
    ['float32', '<f4', [150, 7], bytesOf(floats(150, (random) => random.uniform())), 'bernoulli'],
    [
      'float64, of any size',
      '<f8',
      [150, 7],
      bytesOf(Float64Array.from(floats(150, (r) => r.normal()))),
      'gaussian',
    ],
    [
      'float32, big-endian',
      '>f4',
      [150, 7],
      Buffer.from(bytesOf(floats(150, (r) => r.normal()))).swap32(),
      'gaussian',
    ],
    ['channels last', '|u1', [100, 3, 5, 3], images(150), 'bernoulli'],
  ] as const)(
    'of %s, unshuffled, trains to the bits of a resident set',
    async (_, descr, shape, bytes, likelihood) => {
      const path = file(npy(descr, shape, bytes));
      const options = { epochs: 2, batchSize: 16, shuffle: false };
      const resident = await trained(await loadDataset(path), options, { likelihood });
      for (const window of [1, 40, 1000]) {
        const stream = await streamDataset(path, { window });
        expect(await trained(stream, options, { likelihood })).toEqual(resident);
      }
    },
  );
});

describe('the order of an epoch', () => {
  const labeled = (length: number) =>
    npy('<f4', [length, 1], bytesOf(Float32Array.from({ length }, (_, i) => i)));
  const never = new AbortController().signal;

  async function orderOf(stream: StreamedDataset, seed: number, epoch: number, first = 0) {
    const reading = await stream.open({ seed, epoch, shuffle: true, first, signal: never });
    const found: number[] = [];
    while (found.length < stream.length - first) {
      const { data } = await reading.read(Math.min(1000, stream.length - first - found.length));
      found.push(...data);
    }
    await reading.close();
    return found;
  }

  test('has every example once, and is a function of seed and epoch from any place on', async () => {
    const stream = await streamDataset(file(labeled(100_000)));
    const order = await orderOf(stream, 1, 0);
    expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100_000 }, (_, i) => i));
    expect(await orderOf(stream, 1, 0)).toEqual(order);
    expect(await orderOf(stream, 1, 0, 54_321)).toEqual(order.slice(54_321));
    expect(await orderOf(stream, 1, 1)).not.toEqual(order);
    expect(await orderOf(stream, 2, 0)).not.toEqual(order);
    // Blocks of 64 KiB are 16,384 of these numbers.
    expect(order[0]! % 16_384).toBe(0);
  });

  test('in one window is that of a data set in memory', async () => {
    const path = file(npy('|u1', [150, 30], images(150)));
    const options = { epochs: 3, batchSize: 16 };
    const resident = await trained(await loadDataset(path), options);
    expect(await trained(await streamDataset(path), options)).toEqual(resident);
    expect(await trained(await streamDataset(path, { window: 40 }), options)).not.toEqual(resident);
  });

  test('windows shuffle, by the seed', async () => {
    const path = file(npy('|u1', [150, 30], images(150)));
    const stream = await streamDataset(path, { window: 40 });
    const options = { epochs: 2, batchSize: 16 };
    const shuffled = await trained(stream, options);
    expect(await trained(stream, options)).toEqual(shuffled);
    expect((await trained(stream, { ...options, shuffle: false })).bits).not.toBe(shuffled.bits);
    expect((await trained(stream, options, {}, 6)).bits).not.toBe(shuffled.bits);
  });
});

test('updates that average several batches, a dynamic binarization and labels come to the bits of memory', async () => {
  const data = sprites({ count: 300, size: 28 });
  const blocks = () => [data.take(100), data.subset(Array.from({ length: 200 }, (_, i) => i + 100))];
  const options = { epochs: 2, batchSize: 16, accumulate: 3, shuffle: false, clip: { norm: 1 } } as const;
  const stream = await StreamedDataset.from(blocks, { window: 50 });
  expect(await trained(stream, options)).toEqual(await trained(data, options));
  const gray = Dataset.from(images(150), {
    shape: [30],
    labels: Array.from({ length: 150 }, (_, i) => i % 3),
  });
  const drawn = gray.binarize({ mode: 'dynamic' });
  const conditioned = { condition: { classes: 3 } };
  const streamed = (await StreamedDataset.from(() => [gray], { window: 32 })).binarize({ mode: 'dynamic' });
  const plain = { epochs: 2, batchSize: 16, shuffle: false };
  expect(await trained(streamed, plain, conditioned)).toEqual(await trained(drawn, plain, conditioned));
  const cut = (await StreamedDataset.from(() => [gray], { window: 32 })).binarize({ mode: 'threshold' });
  expect(cut.describe()).toMatch(/binary, threshold binarization, uint8/);
  expect(await trained(cut, plain)).toEqual(await trained(gray.binarize({ mode: 'threshold' }), plain));
});

describe('going on', () => {
  test.each([1, 3, 5, 9, 10])(
    'after %i steps, from a checkpoint, comes to the bits of a run in one go',
    async (stop) => {
      const path = file(npy('|u1', [150, 30], images(150)));
      const open = () => streamDataset(path, { window: 40 });
      const options = { batchSize: 16, epochs: 3, validation: await streamDataset(path, { window: 64 }) };
      const { bits } = await trained(await open(), options);
      const checkpoint = join(folder, `${stop}.safetensors`);
      {
        using vae = await VAE.create({ spec: { ...small, inputShape: [30] }, device: 'cpu', seed: 5 });
        const interruption = new AbortController();
        const onProgress = ({ step }: { step: number }) => step >= stop && interruption.abort();
        const epochs = vae.fit(await open(), { ...options, signal: interruption.signal, onProgress });
        await refusal('ERR_ABORTED', async () => {
          for await (const _ of epochs);
        });
        expect(vae.step).toBeGreaterThanOrEqual(stop);
        await vae.save(checkpoint);
      }
      using vae = await VAE.load(checkpoint, { device: 'cpu' });
      for await (const _ of vae.fit(await open(), { ...options, epochs: 3 - vae.epoch }));
      expect(await bitsOf(vae)).toBe(bits);
      expect(vae.epoch).toBe(3);
    },
  );

  test('asks for the same window', async () => {
    const path = file(npy('|u1', [150, 30], images(150)));
    using vae = await VAE.create({ spec: { ...small, inputShape: [30] }, device: 'cpu' });
    const interruption = new AbortController();
    const signal = interruption.signal;
    const onProgress = () => interruption.abort();
    await refusal('ERR_ABORTED', async () => {
      for await (const _ of vae.fit(await streamDataset(path, { window: 40 }), {
        batchSize: 16,
        signal,
        onProgress,
      }));
    });
    const other = await streamDataset(path, { window: 50 });
    expect(await refusal('ERR_STATE', () => vae.fit(other, { batchSize: 16 }))).toMatch(
      /batches of 16, shuffled in windows of 48, and can go on only over the same; received 150 examples and batchSize 16, shuffled in windows of 64/,
    );
    for await (const _ of vae.fit(await streamDataset(path, { window: 33 }), { batchSize: 16, epochs: 1 }));
  });
});

test('records of which a column is ignored', async () => {
  const records = Array.from({ length: 40 }, (_, i) => ({ id: `row ${i}`, a: i % 7, b: i % 3 }));
  const columns = { id: 'ignore' } as const;
  const data = await Dataset.fromRecords(records, { columns });
  const stream = await StreamedDataset.from(() => records, { columns });
  expect((await stream.head(40)).data).toEqual(data.data);
  // Others by the same schema, which may be told to ignore it too; a column that is nowhere is still a mistake.
  const { schema } = data as { schema: TableSchema };
  expect((await Dataset.fromRecords(records, { columns, schema })).data).toEqual(data.data);
  const wrong = { columns: { ident: 'ignore' }, schema } as const;
  await refusal('ERR_RANGE', () => Dataset.fromRecords(records, wrong));
});

test('elbo and latentHealth look at streams', async () => {
  const path = file(npy('|u1', [1500, 30], images(1500)));
  const data = await loadDataset(path);
  using vae = await VAE.create({ spec: { ...small, inputShape: [30] }, device: 'cpu' });
  const wanted = await vae.loss(data, { seed: 3 });
  expect(await vae.loss(await streamDataset(path), { seed: 3 })).toEqual(wanted);
  const inWindows = await vae.loss(await streamDataset(path, { window: 100 }), { seed: 3 });
  // Other draws of z: of 1,500 examples, the mean has a standard error of about 0.03 nats.
  expect(Math.abs(inWindows.elbo! - wanted.elbo!)).toBeLessThan(0.3);
  expect(inWindows.elbo).not.toBe(wanted.elbo);
  for await (const { latentHealth, validation } of vae.fit(await streamDataset(path), {
    epochs: 1,
    latentHealth: true,
    validation: await streamDataset(path, { window: 700 }),
  })) {
    expect(latentHealth?.examples).toBe(1000);
    expect(validation!.elbo).toBeLessThan(0);
  }
});

test('a folder of images', async () => {
  const path = join(folder, 'images');
  const pixels = images(40);
  for (let i = 0; i < 40; i++) {
    mkdirSync(join(path, `class${i % 2}`), { recursive: true });
    const data = pixels.subarray(30 * i, 30 * (i + 1));
    const png = encodePng({ width: 5, height: 6, channels: 1, data } as never);
    writeFileSync(join(path, `class${i % 2}`, `${String(i).padStart(2, '0')}.png`), png);
  }
  const data = await loadDataset(path);
  const stream = await streamDataset(path, { window: 16 });
  expect(stream).toMatchObject({
    shape: [1, 6, 5],
    kind: 'unit',
    classes: ['class0', 'class1'],
    hasLabels: true,
  });
  const head = await stream.head(30);
  expect([head.data, head.labels]).toEqual([data.take(30).data, data.take(30).labels]);
  const options = { epochs: 2, batchSize: 8, shuffle: false };
  const spec = { condition: { classes: 2 } };
  expect(await trained(stream, options, spec)).toEqual(await trained(data, options, spec));
});

describe('a Parquet file', () => {
  const path = join(packageFolder, 'test/fixtures/rows.parquet');
  const reading = { onMissing: 'impute', labelColumn: 'kind' } as const;
  const spec = { likelihood: { type: 'gaussian' }, condition: { classes: 4 } };
  const options = { epochs: 2, batchSize: 16, shuffle: false };

  test('has the schema, the examples and the training of one in memory', async () => {
    const data = await loadDataset(path, reading);
    const stream = await streamDataset(path, { ...reading, window: 100 });
    expect(stream.schema!.toJSON()).toEqual(data.schema!.toJSON());
    expect(stream).toMatchObject({ length: 500, shape: [10], kind: 'real', classes: ['0', '1', '2', '3'] });
    const head = await stream.head(500);
    expect([head.data, head.labels]).toEqual([data.data, data.labels]);
    expect(await trained(stream, options, spec)).toEqual(await trained(data, options, spec));
    const shuffled = { epochs: 2, batchSize: 16 };
    expect(await trained(stream, shuffled, spec)).toEqual(await trained(stream, shuffled, spec));
  });

  test('has no labels where their column is ignored, and takes no schema but one of a table', async () => {
    const { schema } = (await streamDataset(path, reading)) as { schema: TableSchema };
    const stream = await streamDataset(path, { schema, columns: { kind: 'ignore' } });
    expect([stream.hasLabels, (await stream.head(3)).labels]).toEqual([false, undefined]);
    const other = { schema: {} as TableSchema };
    expect(await refusal('ERR_TYPE', () => streamDataset(path, other))).toMatch(/a TableSchema for schema/);
  });

  test('takes a schema, and is of the kind of its columns', async () => {
    const { schema } = await streamDataset(path, reading);
    const stream = await streamDataset(path, { schema: schema as TableSchema });
    expect((await stream.head(500)).data).toEqual((await loadDataset(path, reading)).data);
    for (const columns of [{ a: 'ignore', c: 'ignore' }, { c: 'ignore' }] as const) {
      const given = { ...reading, columns, standardize: false };
      const { kind } = await loadDataset(path, given);
      expect(await streamDataset(path, given)).toMatchObject({ kind });
    }
  });
});

describe('what can be iterated', () => {
  const people = Array.from({ length: 3000 }, (_, i) => ({ age: i % 80, city: `c${i % 7}`, kind: i % 2 }));

  test('records have the schema and the training of Dataset.fromRecords', async () => {
    const data = await Dataset.fromRecords(people, { labelColumn: 'kind' });
    let passes = 0;
    const stream = await StreamedDataset.from(
      async function* () {
        passes++;
        yield* people;
      },
      { labelColumn: 'kind', window: 1500, name: 'people' },
    );
    expect(stream.schema!.toJSON()).toEqual(data.schema!.toJSON());
    expect(stream).toMatchObject({ length: 3000, kind: 'real', name: 'people', hasLabels: true });
    const options = { epochs: 3, shuffle: false };
    const spec = { likelihood: 'gaussian' };
    expect(await trained(stream, options, spec)).toEqual(await trained(data, options, spec));
    expect(passes).toBe(4);
  });

  test('in the midst of an epoch, too', async () => {
    const stream = await StreamedDataset.from(() => people, { window: 500 });
    const never = new AbortController().signal;
    const all = await stream.head(3000);
    const reading = await stream.open({ seed: 0, epoch: 0, shuffle: false, first: 1234, signal: never });
    expect((await reading.read(1500)).data).toEqual(all.data.subarray(1234 * 9, 2734 * 9));
    expect((await reading.read(266)).data).toEqual(all.data.subarray(2734 * 9));
  });
});
