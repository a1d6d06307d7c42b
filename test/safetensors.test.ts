import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Random } from '../lib/data/random.ts';
import { TorchvaeError } from '../lib/errors.ts';
import { decodeSafetensors, encodeSafetensors, type HostTensor } from '../lib/model/safetensors.ts';

const PYTHON_FILE = new URL('./fixtures/python.safetensors', import.meta.url);

/** What scripts/fixtures/safetensors-fixture.py wrote with Python's own package. */
const METADATA = { spec: '{"latentSize":20,"note":"ü"}' };
const TENSORS = new Map<string, HostTensor>([
  ['encoder.0.weight', { dtype: 'F32', shape: [2, 3], data: Float32Array.of(0, 1, -1.5, 3.25, 1e-30, 1e30) }],
  ['empty', { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) }],
  ['double', { dtype: 'F64', shape: [2], data: Float64Array.of(0.1, -1e300) }],
  ['half', { dtype: 'BF16', shape: [3], data: Uint16Array.of(0x3f80, 0xbf80, 0x4049) }],
  ['step', { dtype: 'I64', shape: [], data: BigInt64Array.of(2n ** 53n + 1n) }],
  ['permutation', { dtype: 'I32', shape: [3], data: Int32Array.of(2, -1, 0) }],
  ['generator', { dtype: 'U8', shape: [5], data: Uint8Array.of(0, 1, 2, 254, 255) }],
]);

/** A file with this header text and so many bytes of data, whatever they make of each other. */
function file(header: string | object, dataLength = 0): Uint8Array {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataLength)]);
}

function refusal(bytes: Uint8Array): string {
  try {
    decodeSafetensors(bytes, 'model.safetensors');
  } catch (error) {
    expect(error).toBeInstanceOf(TorchvaeError);
    expect((error as TorchvaeError).code).toBe('ERR_CHECKPOINT');
    expect((error as TorchvaeError).message).toContain('model.safetensors');
    return (error as TorchvaeError).message;
  }
  throw new Error('Expected decodeSafetensors to refuse the file');
}

describe('with Python', () => {
  test('reads what its safetensors package wrote', () => {
    const { tensors, metadata } = decodeSafetensors(readFileSync(PYTHON_FILE), 'python.safetensors');
    expect([...tensors].sort()).toEqual([...TENSORS].sort());
    expect({ ...metadata }).toEqual(METADATA);
  });

  test('writes the same bytes as that package, whatever the order of the tensors', () => {
    const written = Buffer.concat(encodeSafetensors(new Map([...TENSORS].reverse()), METADATA));
    expect(written.equals(readFileSync(PYTHON_FILE))).toBe(true);
  });
});

describe('writing', () => {
  test('aligns the data to eight bytes with spaces after the header', () => {
    for (const name of ['a', 'ab', 'abc', 'abcdefgh']) {
      const tensor: HostTensor = { dtype: 'F64', shape: [1], data: Float64Array.of(1) };
      const [header, data] = encodeSafetensors(new Map([[name, tensor]]));
      expect(header!.length % 8).toBe(0);
      expect(Buffer.from(header!.subarray(8)).toString()).toMatch(/^\{.*\} *$/);
      expect(data!.buffer).toBe(tensor.data.buffer);
    }
  });

  test('refuses data that do not fit their description', () => {
    const encode = (tensor: unknown, name = 'w') =>
      encodeSafetensors(new Map([[name, tensor as HostTensor]]));
    expect(() => encode({ dtype: 'F32', shape: [3], data: new Float32Array(2) })).toThrow(/3 elements/);
    expect(() => encode({ dtype: 'F32', shape: [2], data: new Float64Array(2) })).toThrow(/Float32Array/);
    expect(() => encode({ dtype: 'F16', shape: [2], data: new Uint16Array(2) })).toThrow(/one of/);
    expect(() => encode({ dtype: 'U8', shape: [1], data: new Uint8Array(1) }, '__metadata__')).toThrow(
      /name/,
    );
  });

  test('keeps names that mean something to JavaScript', () => {
    const names = ['__proto__', 'constructor', '0', '"quoted"\\', 'ü\u0000'];
    const tensors = new Map(
      names.map((name, i) => [name, { dtype: 'U8', shape: [1], data: Uint8Array.of(i) } as const]),
    );
    const metadata = Object.fromEntries(names.map((name) => [name, `text of ${name}`]));
    const read = decodeSafetensors(Buffer.concat(encodeSafetensors(tensors, metadata)), 'odd.safetensors');
    expect([...read.tensors].sort()).toEqual([...tensors].sort());
    expect(Object.entries(read.metadata).sort()).toEqual(Object.entries(metadata).sort());
    expect(({} as Record<string, unknown>).dtype).toBeUndefined();
  });
});

describe('reading', () => {
  test('gives views of the file where they are aligned, and copies where not', () => {
    const whole = Buffer.concat([Buffer.alloc(1), readFileSync(PYTHON_FILE)]);
    const shifted = decodeSafetensors(whole.subarray(1), 'shifted').tensors;
    expect([...shifted].sort()).toEqual([...TENSORS].sort());
    const bytes = new Uint8Array(readFileSync(PYTHON_FILE));
    expect(decodeSafetensors(bytes, 'aligned').tensors.get('step')!.data.buffer).toBe(bytes.buffer);
  });

  const one = (entry: object) => ({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...entry } });
  const twice =
    '{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
  test.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(0), /8 bytes but the file has 0/],
    ['a header longer than the file', Buffer.from('ffffffffffffff7f7b7d', 'hex'), /at most 2 bytes/],
    ['a header that is no text', Buffer.from('0200000000000000ff7d', 'hex'), /UTF-8/],
    ['a header that is no object', file('[1]'), /JSON object/],
    ['a header that is no JSON', file('{"w":}'), /expected JSON/],
    ['a tensor named twice', file(twice, 1), /"w" twice/],
    [
      'a field named twice',
      file('{"w":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
      /"dtype" twice/,
    ],
    ['an entry that is no object', file({ w: 1 }), /object for tensor "w"/],
    ['an unknown type', file(one({ dtype: 'F16' }), 8), /one of .* for dtype of tensor "w"/],
    ['a type that only JavaScript knows', file(one({ dtype: 'constructor' }), 8), /dtype of tensor "w"/],
    ['a negative extent', file(one({ shape: [-2] }), 8), /shape of tensor "w"/],
    ['a fractional offset', file(one({ data_offsets: [0, 8.5] }), 8), /data_offsets of tensor "w"/],
    ['three offsets', file(one({ data_offsets: [0, 8, 8] }), 8), /data_offsets of tensor "w"/],
    ['offsets that do not fit the shape', file(one({ shape: [3] }), 8), /expected 12 bytes for tensor "w"/],
    ['a shape beyond all numbers', file(one({ shape: [2 ** 52, 2 ** 52] }), 8), /tensor "w"/],
    ['a truncated file', file(one({}), 7), /expected 8 bytes .* has 7; it is truncated/],
    ['bytes at the end', file(one({}), 9), /expected 8 bytes .* has 9; something follows/],
    ['a hole', file(one({ data_offsets: [4, 12] }), 12), /begin at data byte 0, not 4; the bytes before/],
    [
      'an overlap',
      file({ ...one({}), v: { dtype: 'F32', shape: [1], data_offsets: [4, 8] } }, 8),
      /overlaps/,
    ],
    ['metadata that are no text', file({ __metadata__: { a: 1 } }), /string for __metadata__ "a"/],
    ['metadata that are no object', file({ __metadata__: ['a'] }), /object for __metadata__/],
  ])('refuses %s', (_, bytes, message) => {
    expect(refusal(bytes)).toMatch(message);
  });

  test('either reads a mutated file or refuses it with a typed error', () => {
    const random = new Random(1);
    const original = readFileSync(PYTHON_FILE);
    let refused = 0;
    for (let round = 0; round < 3000; round++) {
      let bytes = new Uint8Array(original);
      for (let change = random.below(4); change >= 0; change--) bytes[random.below(520)] = random.below(256);
      if (random.below(4) === 0) bytes = bytes.slice(0, random.below(bytes.length));
      try {
        decodeSafetensors(bytes, 'mutated');
      } catch (error) {
        refused++;
        if (!(error instanceof TorchvaeError) || error.code !== 'ERR_CHECKPOINT') throw error;
      }
    }
    expect(refused).toBeGreaterThan(2000);
  });
});
