/** Streams of .npz and IDX files and of lines of text: as the same files in memory. */
import { mkdtempSync, readdirSync, readlinkSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Zippable, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../lib/data/random.ts';
import {
  type Dataset,
  type LoadOptions,
  loadDataset,
  loadSplit,
  type StreamedDataset,
  type StreamPathOptions,
  streamDataset,
  streamSplit,
  VAE,
} from '../lib/index.ts';
import { refusal } from './refusal.ts';
import { npy } from './support/npy.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-stream-files-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function file(content: Uint8Array | string, name: string): string {
  const path = join(folder, `${count++}-${name}`);
  writeFileSync(path, content);
  return path;
}

const random = new Random(1);
const bytes = Uint8Array.from({ length: 150 * 30 }, () => random.below(256));
const floats = new Uint8Array(Float32Array.from({ length: 150 * 30 }, () => random.normal()).buffer);
const images = npy('|u1', [150, 6, 5], bytes);
const grades = npy(
  '<i8',
  [150],
  new Uint8Array(BigInt64Array.from({ length: 150 }, (_, i) => BigInt(i % 3)).buffer),
);
const names = npy(
  '|S4',
  [150],
  Buffer.from(Array.from({ length: 150 }, (_, i) => ['cat\0', 'bird', 'ox\0\0'][i % 3]).join('')),
);
const idx = Buffer.concat([Buffer.from([0, 0, 8, 3, 0, 0, 0, 150, 0, 0, 0, 6, 0, 0, 0, 5]), bytes]);
const signed = Buffer.concat([
  Buffer.from([0, 0, 9, 2, 0, 0, 0, 150, 0, 0, 0, 30]),
  bytes.map((byte) => byte & 7),
]);
const words = ['to', 'be', 'or', 'not', 'that', 'is', 'the', 'question', 'naïve', '𝛼𝛽'];
const lines = Array.from({ length: 150 }, (_, i) =>
  i % 7 === 3 ? '' : Array.from({ length: 1 + random.below(6) }, () => words[random.below(10)]).join(' '),
).join('\n');

const npz = (members: Zippable, level: 0 | 6 = 6) => zipSync(members, { level });

/** All that a user can see of all examples. */
async function seen(data: Dataset | StreamedDataset) {
  const parts: Dataset[] = [];
  if ('parts' in data) for await (const part of data.parts()) parts.push(part);
  else parts.push(data);
  return {
    description: [
      data.name,
      data.length,
      data.kind,
      [...data.shape],
      data.classes,
      data.notes,
      data.schema?.toJSON(),
    ],
    data: parts.flatMap((part) => [...part.data]),
    labels: parts.flatMap((part) => [...(part.labels ?? [])]),
    unseen: parts.flatMap((part) => [...(part.cells?.unseen ?? new Uint32Array(part.length))]),
  };
}

async function trained(data: Dataset | StreamedDataset) {
  const likelihood =
    data.schema?.type === 'text'
      ? ({ type: 'tokens', vocabulary: data.schema.categories } as const)
      : data.kind === 'real'
        ? 'gaussian'
        : 'bernoulli';
  using vae = await VAE.create({
    spec: { inputShape: data.shape, encoder: { hidden: [8] }, latentSize: 2, likelihood },
    device: 'cpu',
    seed: 5,
  });
  for await (const _ of vae.fit(data, { epochs: 2, batchSize: 16, shuffle: false }));
  return { scores: await vae.score(data), codes: (await vae.encode(data)).mean.data };
}

const CASES: [string, () => string, LoadOptions & StreamPathOptions][] = [
  ['.npz that is stored', () => file(npz({ 'x.npy': images }, 0), 'stored.npz'), {}],
  ['.npz that is compressed', () => file(npz({ 'x.npy': images }), 'packed.npz'), {}],
  ['.npz with labels', () => file(npz({ 'x_train.npy': images, 'y_train.npy': grades }), 'labels.npz'), {}],
  [
    '.npz with names as labels',
    () => file(npz({ 'x.npy': npy('<f4', [150, 30], floats), 'y.npy': names }, 0), 'names.npz'),
    {},
  ],
  [
    '.npz with labels that are no classes',
    () => file(npz({ 'x.npy': images, 'y.npy': npy('<f4', [150], floats.subarray(0, 600)) }), 'measures.npz'),
    {},
  ],
  [
    '.npz with a test set',
    () =>
      file(npz({ 'x_train.npy': npy('|u1', [1, 2], new Uint8Array(2)), 'x_test.npy': images }), 'test.npz'),
    { split: 'test' },
  ],
  [
    '.npz of which a member is named',
    () => file(npz({ 'x.npy': grades, 'other.npy': images, 'of.npy': grades }), 'member.npz'),
    { member: 'other', labelMember: 'of', invert: true },
  ],
  ['IDX', () => file(idx, 'images'), {}],
  ['IDX that is compressed', () => file(gzipSync(idx), 'images.gz'), {}],
  ['IDX of other numbers', () => file(gzipSync(signed), 'signed.gz'), {}],
  ['text', () => file(lines, 'lines.txt'), {}],
  ['text that is compressed, in words', () => file(gzipSync(lines), 'lines.txt.gz'), { level: 'word' }],
  [
    'text of which much is left out',
    () => file(lines, 'cut.txt'),
    { level: 'word', vocabularySize: 4, length: 3, onLong: 'cut' },
  ],
  ['text with one long line', () => file(`${lines}\n${'to be '.repeat(500)}`, 'long.txt'), {}],
];

describe.each(CASES)('%s', (_, make, options) => {
  test('has the examples of memory, and trains to its losses and codes', async () => {
    const path = make();
    const whole = await loadDataset(path, options);
    for (const window of [7, 1000]) {
      const stream = await streamDataset(path, { ...options, window });
      expect(await seen(stream)).toEqual(await seen(whole));
    }
    expect(await trained(await streamDataset(path, { ...options, window: 40 }))).toEqual(
      await trained(whole),
    );
  });

  test('is divided as in memory', async () => {
    const path = make();
    for (const split of [
      { validation: 0.2, seed: 3 },
      { validation: 0.3, chronological: true },
    ]) {
      const whole = await loadSplit(path, split, options);
      const stream = await streamSplit(path, split, { ...options, window: 50 });
      for (const part of ['train', 'validation'] as const) {
        const [found, wanted] = [await seen(stream[part]), await seen(whole[part])];
        // Notes are of all examples.
        expect({ ...found, description: found.description.toSpliced(5, 1) }).toEqual({
          ...wanted,
          description: wanted.description.toSpliced(5, 1),
        });
      }
    }
  });

  test('gives each example once in every epoch, from any place on', async () => {
    const stream = await streamDataset(make(), { ...options, window: 20 });
    const from = async (first: number) => {
      const reading = await stream.open({
        seed: 2,
        epoch: 1,
        shuffle: true,
        first,
        signal: new AbortController().signal,
      });
      const { data } = await reading.read(stream.length - first);
      await reading.close();
      return [...data];
    };
    const all = await from(0);
    const { data } = await stream.head(stream.length);
    expect(all.toSorted()).toEqual([...data].toSorted());
    expect(await from(101)).toEqual(all.slice(101 * stream.size));
  });
});

test('text with more tokens than the model has is refused', async () => {
  const stream = await streamDataset(file(lines, 'many.txt'));
  using vae = await VAE.create({
    spec: { inputShape: stream.shape, likelihood: { type: 'tokens', vocabulary: 10 } },
    device: 'cpu',
  });
  expect(await refusal('ERR_RANGE', () => vae.fit(stream, { epochs: 1 }))).toMatch(
    /the whole numbers from 0 to 9 for .*many\.txt.* but received the token 18; enlarge/,
  );
});

test('text is read by the schema of other text, which counts what it does not know', async () => {
  const { schema } = await loadDataset(file(lines, 'train.txt'));
  const other = file(`xyz to be\n${'to be '.repeat(50)}\n\nnot`, 'other.txt');
  const whole = await loadDataset(other, { schema, onLong: 'cut' });
  const stream = await streamDataset(other, { schema, onLong: 'cut' });
  expect(await seen(stream)).toEqual(await seen(whole));
  expect(stream.notes).toEqual([
    expect.stringMatching(/^1 blank line was passed over/),
    expect.stringMatching(/tokens are not in the vocabulary/),
  ]);
  expect(await refusal('ERR_DATA_FORMAT', () => streamDataset(other, { schema }))).toMatch(
    /line 2: expected at most/,
  );
  const table = await loadDataset(file('a,b\n1,2\n3,4\n', 'table.csv'));
  const plain = file('one\ntwo\n', 'plain.txt');
  expect(await refusal('ERR_TYPE', () => streamDataset(plain, { schema: table.schema }))).toMatch(
    /expected a table/,
  );
});

describe('a damaged file', () => {
  const changed = (content: Uint8Array, at: number) => {
    const copy = Uint8Array.from(content);
    copy[at]! ^= 1;
    return copy;
  };
  test.each([
    [
      'a number of a stored member',
      () => changed(npz({ 'x.npy': images }, 0), 3000),
      'x.npz',
      /member x\.npy is damaged \(its CRC does not match\)/,
    ],
    [
      'a compressed member',
      () => changed(npz({ 'x.npy': images }), 3000),
      'x.npz',
      /member x\.npy is damaged/,
    ],
    [
      'a short IDX file',
      () => idx.subarray(0, 4000),
      'x',
      /promises 150 x 6 x 5 elements.* has 4000; it is truncated/,
    ],
    [
      'an IDX file whose compressed data end',
      () => gzipSync(idx).subarray(0, 3000),
      'x.gz',
      /decompression failed/,
    ],
    [
      'a compressed IDX file with too much',
      () => gzipSync(Buffer.concat([idx, bytes])),
      'x.gz',
      /it is too long/,
    ],
    [
      'a compressed IDX file with too little',
      () => gzipSync(idx.subarray(0, 4000)),
      'x.gz',
      /it is truncated|was cut short/,
    ],
    [
      'text that is not UTF-8',
      () => Buffer.concat([Buffer.from(lines), Buffer.of(0xff)]),
      'x.txt',
      /text in UTF-8/,
    ],
  ])('%s is refused before training', async (_, content, name, message) => {
    expect(await refusal('ERR_DATA_FORMAT', () => streamDataset(file(content(), name)))).toMatch(message);
  });

  test('that is written to between epochs ends training', async () => {
    for (const [content, name] of [
      [npz({ 'x.npy': images }), 'x.npz'],
      [npz({ 'x.npy': images }, 0), 'x.npz'],
      [gzipSync(idx), 'x.gz'],
      [lines, 'x.txt'],
    ] as const) {
      const path = file(content, name);
      const stream = await streamDataset(path);
      await stream.head(3);
      utimesSync(path, new Date(), new Date(Date.now() + 5000));
      expect(await refusal('ERR_DATA_FORMAT', () => stream.head(3))).toMatch(/it was written to/);
    }
  });

  test('of numbers in the arrangement of Fortran is refused with a way out', async () => {
    const path = file(npz({ 'x.npy': npy('<f4', [150, 30], floats, { fortran: true }) }), 'f.npz');
    expect(await refusal('ERR_DATA_FORMAT', () => streamDataset(path))).toMatch(/numpy\.ascontiguousarray/);
  });
});

test.each(CASES.slice(0, 12))(
  '%s leaves nothing open when it is left or aborted',
  async (_, make, options) => {
    const path = make();
    const held = () =>
      readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`) === path;
        } catch {
          return false; // the one that listed them
        }
      });
    const stream = await streamDataset(path, { ...options, window: 16 });
    for await (const _ of stream.parts()) break;
    await expect.poll(held).toEqual([]);
    const aborted = AbortSignal.abort();
    await refusal('ERR_ABORTED', () => streamDataset(path, { ...options, signal: aborted }));
    await refusal('ERR_ABORTED', () => stream.head(3, { signal: aborted }));
    await expect.poll(held).toEqual([]);
    for (const signal of [null, 'now', {}, { aborted: false }]) {
      await refusal('ERR_TYPE', () => streamDataset(path, { ...options, signal: signal as never }));
      await refusal('ERR_TYPE', () => stream.head(3, { signal: signal as never }));
    }
  },
);

test('members that are no names are refused', async () => {
  const path = file(npz({ 'x.npy': images }), 'names.npz');
  for (const member of [7, 10n, {}, null, Symbol('x')]) {
    for (const load of [loadDataset, streamDataset]) {
      await refusal('ERR_TYPE', () => load(path, { member: member as never }));
      await refusal('ERR_TYPE', () => load(path, { labelMember: member as never }));
    }
  }
});
