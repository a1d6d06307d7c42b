/** Event files against those of TensorBoard's own encoder, a decoder that is written here, and TensorBoard's own reader. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { imageGrid, type Picture, TensorBoardWriter } from '../lib/report/index.ts';
import { crc32c } from '../lib/report/tensorboard/crc32c.ts';
import {
  histogramValue,
  scalarValue,
  startEvent,
  summaryEvent,
  versionEvent,
} from '../lib/report/tensorboard/events.ts';
import { record } from '../lib/report/tensorboard/record.ts';
import { refusal } from './refusal.ts';
import { packageFolder, torchvae } from './support/command.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-tensorboard-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const gray = imageGrid(
  Float32Array.from({ length: 12 }, (_, i) => i / 11),
  [3, 4],
  { padding: 0 },
);
const colored = imageGrid(
  Float32Array.from({ length: 24 }, (_, i) => ((i * 7) % 24) / 23),
  [3, 2, 4],
  { padding: 1 },
);

describe('CRC-32C', () => {
  test.each([
    // RFC 3720, appendix B.4, and the check value of the catalog of parametrized CRC algorithms.
    ['nothing', new Uint8Array(0), 0],
    ['"123456789"', Buffer.from('123456789'), 0xe3069283],
    ['32 bytes of zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['31 to 0', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ])('of %s', (_, bytes, crc) => expect(crc32c(bytes)).toBe(crc));
});

test("the bytes are those of TensorBoard's own encoder", () => {
  const seconds = 1234567890.25;
  const values = Float32Array.from({ length: 65 }, (_, i) => (i - 16) / 32);
  const written = Buffer.concat(
    [
      versionEvent(seconds),
      startEvent(seconds, 7),
      summaryEvent(seconds, 7, 'loss/train', scalarValue(0.1)),
      summaryEvent(seconds, 2 ** 40 + 300, 'Verlust ß 🙂', scalarValue(-0)),
      summaryEvent(seconds, 300, 'codes', histogramValue(values)),
    ].map(record),
  );
  const wanted = readFileSync(join(packageFolder, 'test/fixtures/tensorboard.tfevents'));
  expect(written.toString('hex')).toBe(wanted.toString('hex'));
});

type Fields = Map<number, (number | Uint8Array)[]>;

/** A message by the numbers of its fields: what the protocol buffers' specification says, without a schema. */
function fieldsOf(bytes: Uint8Array): Fields {
  const fields: Fields = new Map();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(value);
    }
  };
  const taken = (length: number) => {
    at += length;
    return at - length;
  };
  const content = (length: number) => bytes.subarray(taken(length), at);
  const readers: Record<number, () => number | Uint8Array> = {
    0: varint,
    1: () => view.getFloat64(taken(8), true),
    2: () => content(varint()),
    5: () => view.getFloat32(taken(4), true),
  };
  while (at < bytes.length) {
    const tag = varint();
    const known = fields.get(tag >> 3) ?? [];
    fields.set(tag >> 3, [...known, readers[tag & 7]!()]);
  }
  return fields;
}

const inner = (fields: Fields, number: number) => fieldsOf(fields.get(number)![0] as Uint8Array);
const doubles = (bytes: Uint8Array) =>
  Array.from({ length: bytes.length / 8 }, (_, i) =>
    new DataView(bytes.buffer, bytes.byteOffset).getFloat64(8 * i, true),
  );

/** The events of the one file in a folder, whose records are checked by a CRC-32C bit by bit. */
function eventsIn(directory: string): Fields[] {
  const [name, ...others] = readdirSync(directory);
  expect(others).toEqual([]);
  expect(name).toMatch(/^events\.out\.tfevents\.\d+\./);
  const file = readFileSync(join(directory, name!));
  const masked = (bytes: Uint8Array) => {
    let crc = 0xffffffffn;
    for (const byte of bytes) {
      crc ^= BigInt(byte);
      for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
    }
    crc ^= 0xffffffffn;
    return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
  };
  const events: Fields[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(masked(file.subarray(at, at + 8)));
    const content = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(masked(content));
    events.push(fieldsOf(content));
    at += 16 + length;
  }
  return events;
}

describe('a writer', () => {
  test('writes scalars, images and histograms in the order that they come in', async () => {
    const directory = join(folder, 'deep', 'er');
    const board = new TensorBoardWriter(directory);
    expect(existsSync(directory)).toBe(false);
    const before = Date.now() / 1000;
    await Promise.all([
      board.scalar('a/b', 0, -1.5),
      board.scalar('not a number', 1, Number.NaN),
      board.image('picture', 3, colored),
      board.histogram('values', 4, [3, -1, 0, 0.5]),
      board.histogram('all the same', 5, Float32Array.of(2, 2, 2)),
    ]);
    await board.close();
    const [version, ...events] = eventsIn(directory);
    expect(Buffer.from(version!.get(3)![0] as Uint8Array).toString()).toBe('brain.Event:2');
    const values = events.map((event) => inner(inner(event, 5), 1));
    expect(values.map((value) => Buffer.from(value.get(1)![0] as Uint8Array).toString())).toEqual([
      'a/b',
      'not a number',
      'picture',
      'values',
      'all the same',
    ]);
    expect(events.map((event) => event.get(2)![0])).toEqual([0, 1, 3, 4, 5]);
    for (const event of events) expect(event.get(1)![0]).toBeGreaterThanOrEqual(before);
    expect(values[0]!.get(2)).toEqual([-1.5]);
    expect(values[1]!.get(2)).toEqual([Number.NaN]);

    const image = inner(values[2]!, 4);
    expect([1, 2, 3].map((field) => image.get(field)![0])).toEqual([colored.height, colored.width, 3]);
    expect([...decode(image.get(4)![0] as Uint8Array).data]).toEqual([...colored.data]);

    const histogram = inner(values[3]!, 5);
    expect([1, 2, 3, 4, 5].map((field) => histogram.get(field)![0])).toEqual([-1, 3, 4, 2.5, 10.25]);
    const [limits, counts] = [6, 7].map((field) => doubles(histogram.get(field)![0] as Uint8Array));
    expect([limits!.length, limits!.at(-1)]).toEqual([64, 3]);
    // Buckets of 1/16 from -1 on: each holds its lower end.
    expect(counts!.flatMap((count, i) => (count > 0 ? [[i, count]] : []))).toEqual([
      [0, 1],
      [16, 1],
      [24, 1],
      [63, 1],
    ]);
    const same = inner(values[4]!, 5);
    expect(doubles(same.get(6)![0] as Uint8Array)).toEqual([2]);
    expect(doubles(same.get(7)![0] as Uint8Array)).toEqual([3]);
  });

  test('refuses what it cannot write, and anything after close()', async () => {
    const directory = join(folder, 'refused');
    const board = new TensorBoardWriter(directory);
    expect(await refusal('ERR_TYPE', () => board.scalar('', 1, 1))).toMatch(/a name for tag/);
    expect(await refusal('ERR_TYPE', () => board.scalar('a', 1, '1' as never))).toMatch(/a number for value/);
    expect(await refusal('ERR_RANGE', () => board.scalar('a', -1, 1))).toMatch(/step/);
    expect(await refusal('ERR_RANGE', () => board.scalar('a', 0.5, 1))).toMatch(/step/);
    expect(await refusal('ERR_TYPE', () => board.histogram('a', 1, []))).toMatch(/at least one/);
    expect(await refusal('ERR_NONFINITE', () => board.histogram('a', 1, [1, NaN]))).toMatch(/values\[1\]/);
    expect(await refusal('ERR_SHAPE', () => board.image('a', 1, { ...gray, width: 3 }))).toMatch(/data/);
    for (const width of [Infinity, Number.NaN, -1])
      expect(await refusal('ERR_RANGE', () => board.image('a', 1, { ...gray, width }))).toMatch(/width/);
    await board.close();
    expect(existsSync(directory)).toBe(false);
    expect(await refusal('ERR_STATE', () => board.scalar('a', 1, 1))).toMatch(/closed/);
    expect(await refusal('ERR_TYPE', () => new TensorBoardWriter(''))).toMatch(/a path for directory/);
    expect(await refusal('ERR_RANGE', () => new TensorBoardWriter('a', { from: -1 }))).toMatch(/from/);
    writeFileSync(join(folder, 'a file'), '');
    const stuck = new TensorBoardWriter(join(folder, 'a file', 'inside'));
    expect(await refusal('ERR_IO', () => stuck.scalar('a', 1, 1))).toMatch(/a file/);
  });
});

const python = process.env.TORCHVAE_PYTHON || 'python3';
const canRead = spawnSync(python, ['-c', 'import tensorboard.backend.event_processing, PIL']).status === 0;

/** What TensorBoard's own reader finds. */
function readBack(directory: string): {
  scalars: Record<string, [step: number, value: number][]>;
  images: Record<string, (Pick<Picture, 'width' | 'height'> & { step: number; data: number[] })[]>;
  histograms: Record<string, { step: number; sum: number; num: number; counts: number[] }[]>;
} {
  const script = join(packageFolder, 'scripts/fixtures/tensorboard-fixture.py');
  const { stdout, stderr } = spawnSync(python, [script, 'read', directory], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  expect(stdout, stderr).not.toBe('');
  return JSON.parse(stdout);
}

test('torchvae train --tensorboard writes every epoch, and goes on after a resume', async () => {
  const train = async (...args: string[]) => {
    const outcome = await torchvae(['train', ...args], { cwd: folder });
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  };
  await train(
    '--count',
    '200',
    '--epochs',
    '1',
    '--set',
    'encoder.hidden=[16]',
    '--out',
    'run',
    '--tensorboard',
  );
  const events = eventsIn(join(folder, 'run', 'tensorboard'));
  const tags = events
    .slice(2)
    .map((event) => Buffer.from(inner(inner(event, 5), 1).get(1)![0] as Uint8Array).toString());
  for (const tag of [
    'loss/train',
    'elbo/test',
    'learning rate',
    'codes/active dimensions',
    'weights/encoder.0.weight',
    'samples',
  ])
    expect(tags).toContain(tag);
  await train('--out', 'run', '--resume', '--epochs', '2');
  expect(readdirSync(join(folder, 'run', 'tensorboard'))).toHaveLength(2);
});

describe.skipIf(!canRead)("TensorBoard's own reader", () => {
  test('finds the numbers, the pixels and the sums', async () => {
    const directory = join(folder, 'read');
    const board = new TensorBoardWriter(directory);
    const values = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i));
    for (const step of [0, 1, 2 ** 33]) await board.scalar('loss', step, step / 4);
    await board.image('gray', 5, gray);
    await board.image('colored', 6, colored);
    await board.histogram('values', 7, values);
    await board.close();
    const { scalars, images, histograms } = readBack(directory);
    expect(scalars).toEqual({ loss: [0, 1, 2 ** 33].map((step) => [step, step / 4]) });
    for (const [tag, step, { width, height, data }] of [
      ['gray', 5, gray],
      ['colored', 6, colored],
    ] as const)
      expect(images[tag]).toEqual([{ step, width, height, data: [...data] }]);
    const [{ num, sum, counts }] = histograms.values as [(typeof histograms)[string][number]];
    expect([num, counts.reduce((a, b) => a + b)]).toEqual([1000, 1000]);
    expect(sum).toBeCloseTo(
      values.reduce((a, b) => a + b),
      3,
    );
  });

  test('drops what a run that goes on writes anew, also after a record that was cut short', async () => {
    const directory = join(folder, 'resumed');
    const board = new TensorBoardWriter(directory);
    for (const step of [1, 2, 3]) await board.scalar('loss', step, 10 + step);
    await board.close();
    const path = join(directory, readdirSync(directory)[0]!);
    writeFileSync(path, readFileSync(path).subarray(0, -5));
    await new Promise((resolve) => setTimeout(resolve, 1100 - (Date.now() % 1000)));
    const again = new TensorBoardWriter(directory, { from: 2 });
    for (const step of [2, 3, 4]) await again.scalar('loss', step, 20 + step);
    await again.close();
    expect(readBack(directory).scalars).toEqual({
      loss: [
        [1, 11],
        [2, 22],
        [3, 23],
        [4, 24],
      ],
    });
  });

  test('finds every epoch of a run once', () => {
    const { scalars, images, histograms } = readBack(join(folder, 'run', 'tensorboard'));
    const lines = readFileSync(join(folder, 'run', 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n');
    const wanted = lines.map((line) => JSON.parse(line));
    expect(wanted).toHaveLength(2);
    expect(scalars['loss/test']).toEqual(wanted.map(({ step, test: { loss } }) => [step, Math.fround(loss)]));
    expect(images.samples!.map(({ step }) => step)).toEqual(wanted.map(({ step }) => step));
    expect(histograms['weights/encoder.0.weight']![0]!.num).toBe(784 * 16);
  });
});
