/** NumPy's .npy and .npz files, and CIFAR's binary version. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readNpy } from '../lib/data/formats/arrays/npy-file.ts';
import { hasTestSet, loadCifar, loadDataset, sizeInMemory, streamDataset } from '../lib/data/index.ts';
import { refusal } from './refusal.ts';
import { fuzz } from './support/fuzz.ts';
import { npy, npyOf } from './support/npy.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-arrays-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes the file into the test's folder and returns its path. */
function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

describe('.npy', () => {
  // What numpy.save writes for arange(6).reshape(2, 3) as float16, big-endian, in Fortran order.
  const byNumpy = Buffer.from(
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPmYyJywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAEIAPABEAEAARQA=',
    'base64',
  );

  test('of NumPy itself, in the other byte order and arrangement', async () => {
    const { shape, data } = await readNpy(byNumpy);
    expect(shape).toEqual([2, 3]);
    expect([...(data as Float32Array)]).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test.each<[string, ArrayBufferView, number[]]>([
    ['<f4', Float32Array.of(0.5, -2), [0.5, -2]],
    ['=f8', Float64Array.of(0.1, -1e300), [0.1, -1e300]],
    ['<i8', BigInt64Array.of(-3n, 2n ** 40n), [-3, 2 ** 40]],
    ['<u8', BigUint64Array.of(3n, 2n ** 63n), [3, 2 ** 63]],
    ['<u4', Uint32Array.of(1, 2 ** 32 - 1), [1, 2 ** 32 - 1]],
    ['<i2', Int16Array.of(-1, 300), [-1, 300]],
    ['|i1', Int8Array.of(-1, 127), [-1, 127]],
    ['|u1', Uint8Array.of(1, 255), [1, 255]],
    ['|b1', Uint8Array.of(1, 0), [1, 0]],
    ['<f2', Uint16Array.of(0x3c00, 0xc000), [1, -2]],
    ['<f2', Uint16Array.of(0x0001, 0x7bff), [2 ** -24, 65504]],
    ['<f2', Uint16Array.of(0xfc00, 0x8000), [-Infinity, -0]],
  ])('%s', async (descr, values, expected) => {
    for (const version of [1, 2, 3]) {
      const { data } = await readNpy(npy(descr, [2], bytesOf(values), { version }));
      expect(Array.from(data as ArrayLike<number | bigint>, Number)).toEqual(expected);
    }
    if (values.byteLength === 2) return;
    const reversed = Buffer.concat(
      [0, 1].map((i) => {
        const width = values.byteLength / 2;
        return Buffer.from(bytesOf(values).slice(i * width, (i + 1) * width)).reverse();
      }),
    );
    const { data } = await readNpy(npy(`>${descr.slice(1)}`, [2], reversed));
    expect(Array.from(data as ArrayLike<number | bigint>, Number)).toEqual(expected);
  });

  test('three extents in Fortran order', async () => {
    const shape = [2, 3, 4];
    const values = new Int32Array(24);
    for (let i = 0; i < 2; i++)
      for (let j = 0; j < 3; j++) for (let k = 0; k < 4; k++) values[i + 2 * j + 6 * k] = 12 * i + 4 * j + k;
    const { data } = await readNpy(npy('<i4', shape, bytesOf(values), { fortran: true }));
    expect([...(data as Int32Array)]).toEqual(Array.from({ length: 24 }, (_, i) => i));
  });

  test('becomes a data set: pixels, truth values, numbers, channels last', async () => {
    const pixels = await loadDataset(file('pixels.npy', npy('|u1', [2, 2, 3], new Uint8Array(12).fill(51))));
    expect(pixels.describe()).toBe('pixels.npy: 2 examples of 1x2x3, unit, uint8');
    const bits = await loadDataset(file('bits.npy', npy('|b1', [2, 2], Uint8Array.of(1, 0, 0, 1))));
    expect([bits.kind, ...bits.batch([0, 1])]).toEqual(['binary', 1, 0, 0, 1]);
    const table = await loadDataset(
      file('no-extension', npy('<f8', [1, 3], bytesOf(Float64Array.of(-1, 0.5, 7)))),
    );
    expect([table.kind, table.shape, ...table.data]).toEqual(['real', [3], -1, 0.5, 7]);
    const colors = Uint8Array.from({ length: 12 }, (_, i) => i);
    const rgb = await loadDataset(file('rgb.npy', npy('|u1', [1, 2, 2, 3], colors)));
    expect([rgb.shape, ...rgb.data]).toEqual([[3, 2, 2], 0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
  });

  const good = npy('<f4', [2, 2], bytesOf(Float32Array.of(0, 1, 2, 3)));
  test.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /NUMPY at offset 0 but received nothing/],
    ['text', Buffer.from('a,b\n1,2\n'), /NUMPY at offset 0 but received 612c620a312c/],
    [
      'another version',
      Buffer.from('934e554d505907000000', 'hex'),
      /version 1, 2 or 3 at offset 6 but received 7/,
    ],
    ['a header cut short', good.subarray(0, 40), /header of \d+ bytes but the file has 40; it is truncated/],
    ['data cut short', good.subarray(0, -1), /2 x 2 elements .* it is truncated/],
    ['data that go on', Buffer.concat([good, good]), /it is too long/],
    [
      'a header of gigabytes',
      npyOf('', new Uint8Array(0), 2).fill(255, 8, 12),
      /at most 10000 bytes but offset 8 says 4294967295/,
    ],
    [
      'the moon',
      npy('<f8', [2 ** 40, 8], new Uint8Array(8)),
      /1099511627776 x 8 elements .* it is truncated/,
    ],
    ['more than the moon', npy('<f8', [2 ** 50, 2 ** 50], new Uint8Array(8)), /extents that a file can hold/],
    ['objects', npy('|O', [2], new Uint8Array(8)), /element type b1, .* but received '\|O'/],
    ['complex numbers', npy('<c8', [1], new Uint8Array(8)), /but received '<c8'/],
    [
      'records',
      npyOf("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", new Uint8Array(4)),
      /only plain arrays/,
    ],
    [
      'code',
      npyOf("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,), }", new Uint8Array(4)),
      /only plain arrays/,
    ],
    [
      'truth values that are neither',
      npy('|b1', [2], Uint8Array.of(1, 2)),
      /0 or 1 but received 2 at offset 129/,
    ],
  ])('refuses %s', async (_, bytes, message) => {
    const path = file('bad.npy', bytes);
    const told = await refusal('ERR_DATA_FORMAT', () => loadDataset(path));
    expect(told).toContain(`${path}: `);
    expect(told).toMatch(message);
  });

  test('says where numbers are not finite, and refuses labels alone', async () => {
    const nan = file('nan.npy', npy('<f8', [2, 2], bytesOf(Float64Array.of(0, 1, 1e39, NaN))));
    expect((await loadDataset(nan)).describe()).toMatch(
      /binary.*; 1 of 2 examples holds NaN or an infinity, the first is example 1, number 0 \(Infinity\)/,
    );
    const labels = file('labels.npy', npy('<i4', [2], bytesOf(Int32Array.of(0, 1))));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(labels))).toMatch(/not that of the labels/);
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset('/dev/zero'))).toMatch(/a folder or a device/);
    const pipe = join(folder, 'pipe.npy');
    execFileSync('mkfifo', [pipe]);
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(pipe))).toMatch(/it is a pipe; write it to a/);
  });

  test('of the Fortran arrangement are read into memory, as they cannot be streamed', async () => {
    const values = Float32Array.of(1, 3, 2, 4);
    const path = file('fortran.npy', npy('<f4', [2, 2], bytesOf(values), { fortran: true }));
    expect([...(await loadDataset(path)).data]).toEqual([1, 2, 3, 4]);
    expect(await sizeInMemory(path, 'train')).toBeUndefined();
    expect(await sizeInMemory(file('c.npy', npy('<f4', [2, 2], bytesOf(values))), 'train')).toBe(16);
    expect(await sizeInMemory(file('b.npy', npy('|u1', [2, 2], new Uint8Array(4))), 'train')).toBe(4);
  });

  test.each([
    ['extents', [1, 1, 1, 1, 1, 1], /at most five extents .* reshape the examples/],
    ['no extent', [], /received a single number; name the file of the examples/],
  ])('names what is wrong with %s', async (_, shape, message) => {
    const path = file('shape.npy', npy('<f4', shape, new Uint8Array(4)));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path))).toMatch(message);
  });

  test('a huge file behind a small header is not read', async () => {
    const path = file('sparse.npy', good);
    truncateSync(path, 2 ** 36);
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path))).toMatch(/68719476736; it is too long/);
  });

  test('mutations are read or refused', async () => {
    const big = npy('>f2', [3, 4, 5], new Uint8Array(120).fill(7), { fortran: true, version: 2 });
    const refused = await fuzz([good, byNumpy, big], (bytes) => readNpy(bytes), { rounds: 3000, seed: 3 });
    expect(refused).toBeGreaterThan(1000);
  });
});

/** Texts as NumPy writes them: characters of four bytes, filled up with zeros. */
function utf32(texts: readonly string[], width: number, isLittle: boolean): Uint8Array {
  const bytes = Buffer.alloc(4 * width * texts.length);
  texts.forEach((text, i) => {
    Array.from(text).forEach((character, j) => {
      const at = 4 * (i * width + j);
      if (isLittle) bytes.writeUInt32LE(character.codePointAt(0)!, at);
      else bytes.writeUInt32BE(character.codePointAt(0)!, at);
    });
  });
  return bytes;
}

describe('.npz', () => {
  const x = npy(
    '|u1',
    [3, 2, 2],
    new Uint8Array(12).map((_, i) => 20 * i),
  );
  const y = npy('<i8', [3], bytesOf(BigInt64Array.of(0n, 2n, 1n)));
  const test1 = npy('|u1', [1, 2, 2], new Uint8Array(4));
  const keras = zipSync({
    'x_train.npy': x,
    'y_train.npy': y,
    'x_test.npy': test1,
    'y_test.npy': npy('|u1', [1, 1], Uint8Array.of(4)),
  });

  test('examples, labels and splits by their usual names', async () => {
    const path = file('digits.npz', keras);
    const train = await loadDataset(path);
    expect([train.describe(), ...train.labels!]).toEqual([
      'digits.npz: 3 examples of 1x2x2, unit, uint8, 3 classes',
      0,
      2,
      1,
    ]);
    expect([...(await loadDataset(path, { split: 'test' })).labels!]).toEqual([4]);
    const named = await loadDataset(path, { member: 'x_test', labelMember: 'y_test' });
    expect(named.length).toBe(1);
  });

  test.each([
    ['X_train', 'Y', 'X_test'],
    ['X_train', 'Y_train', 'X_test'],
    ['X_train', 'y_train', 'X_test'],
    ['train_images', 'train_labels', 'test_images'],
    ['train_x', 'train_y', 'test_x'],
  ])('%s goes with %s and %s', async (train, labels, held) => {
    const path = file(
      'named.npz',
      zipSync({ [`${held}.npy`]: test1, [`${labels}.npy`]: y, [`${train}.npy`]: x }),
    );
    expect([...(await loadDataset(path)).labels!]).toEqual([0, 2, 1]);
    expect(await hasTestSet(path)).toBe(true);
    expect((await loadDataset(path, { split: 'test' })).length).toBe(1);
  });

  test('an array y that has no classes is left out with a note, and refused where it is named', async () => {
    const measures = npy('<f4', [3], bytesOf(Float32Array.of(0.5, -1, 2)));
    const path = file('measures.npz', zipSync({ 'x.npy': x, 'y.npy': measures }));
    const data = await loadDataset(path);
    expect([data.labels, ...data.notes]).toEqual([
      undefined,
      'array y was left out: labels are whole numbers from 0, one an example',
    ]);
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path, { labelMember: 'y' }))).toMatch(
      /whole numbers from 0 as labels/,
    );
  });

  test.each<[string, (texts: readonly string[], width: number) => Uint8Array]>([
    ['<U6', (texts, width) => utf32(texts, width, true)],
    ['>U6', (texts, width) => utf32(texts, width, false)],
    [
      '|S7',
      (texts) =>
        Buffer.concat(
          texts.map((text) => Buffer.concat([Buffer.from(text), Buffer.alloc(7)]).subarray(0, 7)),
        ),
    ],
  ])('labels may be texts (%s), whose sorted names are the classes', async (descr, bytes) => {
    const names = ['Zürich', 'Oslo', 'Zürich'];
    const y = npy(descr, [3, 1], bytes(names, 6));
    const { labels, classes } = await loadDataset(file('texts.npz', zipSync({ 'x.npy': x, 'y.npy': y })));
    expect([classes, [...labels!]]).toEqual([
      ['Oslo', 'Zürich'],
      [1, 0, 1],
    ]);
    const objects = zipSync({ 'x.npy': x, 'y.npy': npy('|O', [3], new Uint8Array(24)) });
    const message = await refusal('ERR_DATA_FORMAT', () => loadDataset(file('objects.npz', objects)));
    expect(message).toMatch(/member y\.npy: .*or texts .*'\|O'.*astype\(str\)/);
    const cut = zipSync({ 'x.npy': x, 'y.npy': npy(descr, [3], bytes(names, 6).subarray(1)) });
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(file('cut.npz', cut)))).toMatch(/truncated/);
  });

  test('dSprites has its images beside arrays of other things', async () => {
    const bits = npy('|u1', [2, 2, 2], Uint8Array.of(0, 1, 1, 0, 0, 0, 1, 1));
    const path = file('dsprites.npz', zipSync({ 'metadata.npy': test1, 'imgs.npy': bits }));
    expect((await loadDataset(path)).describe()).toBe('dsprites.npz: 2 examples of 1x2x2, binary, uint8');
  });

  test('have a test set where there is x_test', async () => {
    expect(await hasTestSet(file('digits.npz', keras))).toBe(true);
    expect(await hasTestSet(file('one.npz', zipSync({ 'x.npy': x })))).toBe(false);
    expect(await hasTestSet('sprites')).toBe(true);
  });

  test('have the validation set as test set where there is no other, and a note where there is one', async () => {
    const medical = {
      'train_images.npy': x,
      'train_labels.npy': npy('|u1', [3, 1], Uint8Array.of(0, 1, 2)),
      'val_images.npy': test1,
      'val_labels.npy': npy('|u1', [1, 1], Uint8Array.of(2)),
    };
    const path = file('medical.npz', zipSync(medical));
    expect(await hasTestSet(path)).toBe(true);
    const validation = await loadDataset(path, { split: 'test' });
    expect([validation.length, ...validation.labels!]).toEqual([1, 2]);
    const both = file('both.npz', zipSync({ ...medical, 'test_images.npy': test1 }));
    const told = ['array val_images was left out, since test_images is the test set'];
    expect((await loadDataset(both)).notes).toEqual(told);
    expect((await streamDataset(both)).notes).toEqual(told);
    expect((await loadDataset(both, { split: 'test' })).notes).toEqual([]);
  });

  test('of NumPy itself', async () => {
    // numpy.savez_compressed of x = arange(8) as uint16, [2, 4], and y = [1, 0].
    const byNumpy = Buffer.from(
      'UEsDBC0AAAAIAAAAIQDVBAz+//////////8FABQAeC5ucHkBABAAkAAAAAAAAABWAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG5TaqSuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6CiaaOgq1CmQDLgYGRgYmBmYGFgZWBjYGdgYAUEsDBC0AAAAIAAAAIQBx+zmr//////////8FABQAeS5ucHkBABAAkAAAAAAAAABIAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAC5GBlQAAFBLAQItAy0AAAAIAAAAIQDVBAz+VgAAAJAAAAAFAAAAAAAAAAAAAACAAQAAAAB4Lm5weVBLAQItAy0AAAAIAAAAIQBx+zmrSAAAAJAAAAAFAAAAAAAAAAAAAACAAY0AAAB5Lm5weVBLBQYAAAAAAgACAGYAAAAMAQAAAAA=',
      'base64',
    );
    const { kind, data, labels } = await loadDataset(file('numpy.npz', byNumpy));
    expect([kind, ...data, ...labels!]).toEqual(['real', 0, 1, 2, 3, 4, 5, 6, 7, 1, 0]);
  });

  test('the only array needs no name', async () => {
    expect((await loadDataset(file('one.npz', zipSync({ 'anything.npy': x }, { level: 0 })))).length).toBe(3);
  });

  test('an archive of another extension is another format', async () => {
    const sheet = file('sheet.xlsx', zipSync({ 'x.npy': x }));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(sheet))).toMatch(/a known format/);
    expect((await loadDataset(file('archive', zipSync({ 'x.npy': x })))).length).toBe(3);
  });

  test('refuses what is not clear, not there or does not fit', async () => {
    const two = file('two.npz', zipSync({ 'a.npy': x, 'b.npy': x }));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(two))).toMatch(
      /but it has a, b; name it \(member: 'a'\)/,
    );
    expect(await refusal('ERR_RANGE', () => loadDataset(two, { member: 'c' }))).toMatch(
      /\(a, b\) for member but received "c"/,
    );
    const short = file('short.npz', zipSync({ 'x.npy': x, 'y.npy': npy('<i8', [1], new Uint8Array(8)) }));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(short))).toMatch(
      /3 labels, one an example, but their array is 1/,
    );
    const text = file('text.npz', zipSync({ 'readme.txt': strToU8('hello') }));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(text))).toMatch(/but it has none/);
    const outside = file('outside.npz', zipSync({ '../x.npy': x }));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(outside))).toMatch(
      /outside\.npz: .*\.\.\/x\.npy/,
    );
  });

  test('a member that unpacks to more than it says is not unpacked', async () => {
    const bomb = Buffer.from(zipSync({ 'x.npy': new Uint8Array(50_000_000) }));
    // The unpacked length in both headers: first a little, then more than deflate can bring.
    for (const [length, message] of [
      [1000, /longer|too many bytes/i],
      [2 ** 31, /promises 2147483648 bytes, but no more than/],
    ] as const) {
      const central = bomb.indexOf(Buffer.from('504b0102', 'hex'));
      bomb.writeUInt32LE(length, central + 24);
      const before = process.memoryUsage.rss();
      expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(file('bomb.npz', bomb)))).toMatch(message);
      expect(process.memoryUsage.rss() - before).toBeLessThan(30_000_000);
    }
  });

  test('mutations are read or refused', async () => {
    const refused = await fuzz([keras, zipSync({ 'x.npy': x }, { level: 0 })], (bytes) =>
      loadDataset(file('f.npz', bytes)),
    );
    expect(refused).toBeGreaterThan(100);
  });
});

describe('CIFAR', () => {
  const record = (label: number[], level: number) =>
    Buffer.concat([Buffer.from(label), Buffer.alloc(3072, level)]);
  const ten = () => {
    const path = join(folder, 'cifar-10-batches-bin');
    mkdirSync(path, { recursive: true });
    for (let i = 1; i <= 5; i++)
      writeFileSync(join(path, `data_batch_${i}.bin`), Buffer.concat([record([i], i), record([9], 0)]));
    writeFileSync(join(path, 'test_batch.bin'), record([3], 200));
    writeFileSync(
      join(path, 'batches.meta.txt'),
      'airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n',
    );
    return path;
  };

  test('10: a folder with its splits and names, and single files', async () => {
    const train = await loadDataset(ten());
    expect(train.describe()).toBe('cifar-10 (train): 10 examples of 3x32x32, unit, uint8, 10 classes');
    expect([...train.labels!]).toEqual([1, 9, 2, 9, 3, 9, 4, 9, 5, 9]);
    expect(train.data[8 * 3072]).toBe(5);
    const held = await loadDataset(ten(), { split: 'test' });
    expect([held.length, held.classes![held.labels![0]!]]).toEqual([1, 'cat']);
    expect(await hasTestSet(ten())).toBe(true);
    expect((await loadDataset(join(ten(), 'data_batch_1.bin'))).length).toBe(2);
    expect((await loadCifar([1, 2].map((i) => join(ten(), `data_batch_${i}.bin`)))).length).toBe(4);
  });

  test('100: classes as labels, superclasses as a factor', async () => {
    const path = join(folder, 'cifar-100-binary');
    mkdirSync(path);
    writeFileSync(join(path, 'train.bin'), Buffer.concat([record([19, 99], 1), record([0, 7], 2)]));
    const data = await loadDataset(path);
    expect([...data.labels!, ...data.factorValues!]).toEqual([99, 7, 19, 0]);
    expect(data.factors).toEqual([{ name: 'superclass', size: 20 }]);
  });

  test('refuses what is cut short, mislabeled, incomplete or elsewhere', async () => {
    const path = ten();
    expect(await refusal('ERR_RANGE', () => loadCifar(path, { spilt: 'test' } as never))).toMatch(/spilt/);
    for (const source of [null, 7, [], [7]])
      expect(await refusal('ERR_TYPE', () => loadCifar(source as never))).toMatch(/for source/);
    const cut = file('cut.bin', record([1], 1).subarray(0, 3000));
    expect(await refusal('ERR_DATA_FORMAT', () => loadCifar(cut))).toMatch(
      /records of 3073 bytes.* it is truncated/,
    );
    expect(await refusal('ERR_DATA_FORMAT', () => loadCifar(file('empty.bin', Buffer.alloc(0))))).toMatch(
      /has 0 bytes/,
    );
    const wrong = file('wrong.bin', Buffer.concat([record([1], 1), record([10], 1)]));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(wrong))).toMatch(
      /label from 0 to 9 at offset 3073 but received 10/,
    );
    rmSync(join(path, 'test_batch.bin'));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path, { split: 'test' }))).toMatch(
      /test_batch.bin/,
    );
    symlinkSync(wrong, join(path, 'test_batch.bin'));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path, { split: 'test' }))).toMatch(/link to/);
    rmSync(join(path, 'test_batch.bin'));
    writeFileSync(join(path, 'batches.meta.txt'), 'cat\n');
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(path))).toMatch(/10 names of classes/);
  });

  test('mutations are read or refused', async () => {
    const batch = Buffer.concat([record([1], 1), record([2], 2)]);
    await fuzz([batch], (bytes) => loadCifar(file('f.bin', bytes)), { rounds: 200 });
  });
});
