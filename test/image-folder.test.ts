/** A folder of images becomes a data set. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { loadDataset, loadSplit, mnist, streamDataset } from '../lib/data/index.ts';
import { encodePng } from '../lib/report/png.ts';
import { refusal } from './refusal.ts';
import { fuzz } from './support/fuzz.ts';

let base: string;
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'torchvae-images-'));
});
afterAll(() => rmSync(base, { recursive: true }));

let count = 0;
/** A new folder with these files. */
function folder(files: Record<string, Uint8Array | string>): string {
  const path = join(base, `set${count++}`);
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

type Format = 'png' | 'jpeg' | 'webp' | 'gif' | 'tiff' | 'avif';
/** An image of one color. */
const plain = (width: number, height: number, background: string, format: Format = 'png') =>
  sharp({ create: { width, height, channels: 3, background } })
    .toFormat(format, format === 'webp' ? { lossless: true } : {})
    .toBuffer();
const gray = (pixels: number[], width: number) =>
  encodePng({ width, height: pixels.length / width, channels: 1, data: Uint8Array.from(pixels) } as never);

describe('reading', () => {
  test.skipIf(!process.env.TORCHVAE_DATA)(
    'MNIST as a folder for each digit gives its pixels back',
    async () => {
      const digits = (await mnist({ split: 'test' })).take(100);
      const files: Record<string, Uint8Array> = {};
      const order: string[] = [];
      for (let i = 0; i < digits.length; i++) {
        const name = `${digits.labels![i]}/${String(i).padStart(5, '0')}.png`;
        const pixels = digits.data.subarray(784 * i, 784 * (i + 1)) as Uint8Array;
        files[name] = await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
          .toColorspace('b-w')
          .png()
          .toBuffer();
        order.push(name);
      }
      const data = await loadDataset(folder(files));
      expect([data.shape, data.kind, data.classes]).toEqual([[1, 28, 28], 'unit', digits.classes]);
      order.sort().forEach((name, i) => {
        const index = Number(name.slice(2, 7));
        expect(data.labels![i]).toBe(digits.labels![index]);
        const [found, original] = [data, digits].map((set, which) => {
          const at = 784 * (which === 0 ? i : index);
          return Buffer.from(set.data.subarray(at, at + 784) as Uint8Array);
        });
        expect(found!.equals(original!), name).toBe(true);
      });
      const { train, validation } = await loadSplit(folder(files), { validation: 0.2, stratified: true });
      expect([train.length, validation.length]).toEqual([80, 20]);
    },
  );

  test('colors have channels first; formats mix; hidden and other files are passed over', async () => {
    const path = folder({
      'a.png': await plain(4, 2, '#010203'),
      'b.webp': await plain(4, 2, '#fe0080', 'webp'),
      'c.TIFF': await plain(4, 2, '#0a0b0c', 'tiff'),
      'd.gif': await plain(4, 2, '#ffffff', 'gif'),
      '.hidden.png': 'no image',
      '__MACOSX/a.png': 'no image',
      '.git/b.png': 'no image',
      'labels.csv': 'a,b',
    });
    const data = await loadDataset(path);
    expect([data.shape, data.length, data.labels]).toEqual([[3, 2, 4], 4, undefined]);
    expect([0, 8, 16, 24, 32, 40].map((i) => data.data[i])).toEqual([1, 2, 3, 254, 0, 128]);
  });

  test('images of any size are resized, turned gray or colored where that is asked for', async () => {
    const path = folder({
      'a.png': gray([0, 255, 0, 255], 2),
      'b.jpg': await plain(300, 100, '#808080', 'jpeg'),
      'c.avif': await plain(64, 64, '#404040', 'avif'),
    });
    const data = await loadDataset(path, { imageSize: [8, 6], channels: 1 });
    expect(data.shape).toEqual([1, 8, 6]);
    expect(Math.abs(data.data[48 + 20]! - 128)).toBeLessThan(3);
    expect(Math.abs(data.data[96 + 20]! - 64)).toBeLessThan(4);
    expect((await loadDataset(path, { imageSize: 8 })).shape).toEqual([3, 8, 8]);
  });

  test('images that are mostly cut off to fit a size are noted', async () => {
    const wide = folder({ 'a.png': await plain(30, 20, '#777'), 'b.png': await plain(60, 20, '#777') });
    const said = [
      expect.stringMatching(/b\.png \(20 x 60\) loses more than half of its picture .* cut to 8 x 8/),
    ];
    for (const read of [loadDataset, streamDataset]) {
      expect((await read(wide, { imageSize: 8 })).notes).toEqual(said);
      // With the channels given only the first is looked at beforehand.
      const first = folder({ 'b.png': await plain(60, 20, '#777') });
      expect((await read(first, { imageSize: 8, channels: 1 })).notes).toEqual(said);
      expect((await read(first, { imageSize: [10, 30] })).notes).toEqual([]);
    }
  });

  test('all gray images make one channel, 16 bits keep their levels, what is transparent becomes black, turned ones upright', async () => {
    const deep = await sharp(new Uint16Array([0, 65535]), { raw: { width: 2, height: 1, channels: 1 } })
      .toColorspace('grey16')
      .png()
      .toBuffer();
    const data = await loadDataset(folder({ 'a.png': deep }));
    expect([data.shape, ...data.data]).toEqual([[1, 1, 2], 0, 1]);
    const clear = await sharp({ create: { width: 1, height: 1, channels: 4, background: '#ffffff00' } })
      .png()
      .toBuffer();
    expect([...(await loadDataset(folder({ 'a.png': clear }))).data]).toEqual([0, 0, 0]);
    const turned = await sharp(await plain(4, 2, '#fff'))
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    expect((await loadDataset(folder({ 'a.jpg': turned }))).shape).toEqual([3, 4, 2]);
  });

  test('the order is that of the names, whatever the file system says', async () => {
    const names = ['z.png', 'B.png', 'a.png', '10.png', '9.png', 'ä.png'];
    const files = Object.fromEntries(names.map((name, i) => [name, gray([i], 1)]));
    expect([...(await loadDataset(folder(files))).data]).toEqual([3, 4, 1, 2, 0, 5]);
    const nested = {
      'b/2.png': gray([1], 1),
      'b/1/x.png': gray([2], 1),
      'a/z.png': gray([3], 1),
      'empty/readme.md': '',
    };
    const data = await loadDataset(folder(nested));
    expect([[...data.data], [...data.labels!], data.classes]).toEqual([
      [3, 1, 2],
      [0, 1, 1],
      ['a', 'b'],
    ]);
  });
});

describe('refusing', () => {
  const refused = (path: string, options = {}) =>
    refusal('ERR_DATA_FORMAT', () => loadDataset(path, options));

  test('a folder without images, and one with images in two places', async () => {
    expect(await refused(folder({ 'a.txt': 'x' }))).toMatch(/expected images \(\.png, .* but there are none/);
    expect(await refused(folder({ 'a.png': gray([1], 1), 'c/b.png': gray([1], 1) }))).toMatch(
      /a\.png in it and .*b\.png in a folder/,
    );
  });

  test('sizes that differ, unless one is asked for', async () => {
    const path = folder({ 'a.png': gray([1, 2], 2), 'b.png': gray([1, 2, 3], 3) });
    expect(await refused(path)).toMatch(
      /b\.png: expected the size of .*a\.png \(1 x 2\) but it is 1 x 3; give imageSize/,
    );
  });

  test('a file that is not an image, is cut short, or has another format than its name says', async () => {
    const noise = Uint8Array.from({ length: 40 * 40 * 3 }, (_, i) => (i * 7919) % 256);
    const png = await sharp(noise, { raw: { width: 40, height: 40, channels: 3 } })
      .png()
      .toBuffer();
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';
    for (const [content, message] of [
      ['', /the file is empty/],
      ['hello', /decoding failed/],
      [png.subarray(0, png.length / 2), /decoding failed/],
      [svg, /expected one of png, .* but it is svg/],
    ] as const) {
      expect(await refused(folder({ 'a.png': content }))).toMatch(message);
      expect(await refused(folder({ 'a.png': content }), { imageSize: 4, channels: 1 })).toMatch(message);
    }
  });

  test('the first picture of an animation, with a note', async () => {
    const frames = Buffer.concat([20, 120, 220].map((level) => Buffer.alloc(4 * 4 * 3, level)));
    const raw = { width: 4, height: 12, channels: 3 as const, pageHeight: 4 };
    const gif = await sharp(frames, { raw })
      .gif({ delay: [50, 50, 50] })
      .toBuffer();
    const path = folder({ 'a.gif': gif, 'b.png': await plain(4, 4, '#141414') });
    for (const load of [loadDataset, streamDataset]) {
      const data = await load(path);
      expect([data.shape.slice(1), data.length]).toEqual([[4, 4], 2]);
      expect(data.notes).toEqual(['1 of the files holds several pictures, of which the first was taken']);
    }
  });

  test('an image of more pixels than allowed, before it is decoded', async () => {
    const bomb = await plain(9000, 9000, '#000');
    const before = process.memoryUsage.rss();
    for (const options of [{}, { imageSize: 8, channels: 1 }]) {
      expect(await refused(folder({ 'a.png': bomb }), options)).toMatch(
        /a\.png: .*at most 67108864 pixels but it has.*; raise maxPixels/,
      );
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(60_000_000);
    expect(
      (await loadDataset(folder({ 'a.png': await plain(99, 9, '#000') }), { imageSize: 4, maxPixels: 891 }))
        .length,
    ).toBe(1);
  });

  test('links that lead out, and links to folders', async () => {
    const outside = folder({ 'a.png': gray([1], 1) });
    const path = folder({ 'a.png': gray([1], 1) });
    symlinkSync(join(path, 'a.png'), join(path, 'b.png'));
    expect((await loadDataset(path)).length).toBe(2);
    symlinkSync(join(outside, 'a.png'), join(path, 'c.png'));
    expect(await refused(path)).toMatch(/c\.png: expected a file within .* but it is a link to/);
    const looped = folder({ 'a.png': gray([1], 1) });
    symlinkSync(looped, join(looped, 'loop'));
    expect(await refused(looped)).toMatch(/link to one/);
    const dangling = folder({ 'a.png': gray([1], 1) });
    symlinkSync('/no/such/file', join(dangling, 'b.png'));
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(dangling))).toMatch(
      /b\.png: expected a file but it is a link to one that does not exist/,
    );
  });

  test('options that cannot be', async () => {
    const path = folder({ 'a.png': gray([1], 1) });
    await refusal('ERR_RANGE', () => loadDataset(path, { imageSize: 0 }));
    await refusal('ERR_TYPE', () => loadDataset(path, { imageSize: [2, 'x'] as never }));
    await refusal('ERR_RANGE', () => loadDataset(path, { channels: 2 as never }));
    await refusal('ERR_RANGE', () => loadDataset(path, { maxPixels: -1 }));
  });

  test('anything, where sharp is not installed, and says how to install it', async () => {
    const path = folder({ 'a.png': gray([1], 1) });
    vi.doMock('sharp', () => {
      throw new Error("Cannot find package 'sharp'");
    });
    try {
      expect(await refusal('ERR_STATE', () => loadDataset(path))).toMatch(/npm install sharp/);
    } finally {
      vi.doUnmock('sharp');
    }
  });

  test('more examples than one array holds', async () => {
    const files = Object.fromEntries(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [`${name}.png`, gray([1], 1)]),
    );
    expect(await refused(folder(files), { imageSize: 1 << 14, channels: 3 })).toMatch(
      /6 images of 3 x 16384 x 16384 are more/,
    );
  });

  test('mutations are read or refused', async () => {
    const path = folder({});
    const noise = Uint8Array.from({ length: 75 }, (_, i) => (i * 7919) % 256);
    const image = () => sharp(noise, { raw: { width: 5, height: 5, channels: 3 } });
    const files = await Promise.all([
      image().png().toBuffer(),
      image().jpeg().toBuffer(),
      image().webp().toBuffer(),
    ]);
    const read = (bytes: Uint8Array) => {
      writeFileSync(join(path, 'f.png'), bytes);
      return loadDataset(path, { maxPixels: 10_000 });
    };
    const refusals = await fuzz(files, read, { rounds: 300 });
    expect(refusals).toBeGreaterThan(50);
  });
});
