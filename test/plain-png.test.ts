/** The short way to the pixels of plain PNG images gives what the library for all images gives, or nothing. */
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { plainPng } from '../lib/data/formats/images/plain-png.ts';
import { Random } from '../lib/data/random.ts';
import { mutated } from './support/fuzz.ts';

const [height, width] = [9, 14];
const pixels = (channels: number) => {
  const random = new Random(channels);
  return Uint8Array.from({ length: height * width * channels }, () => random.below(256));
};
const image = (channels: 1 | 2 | 3 | 4) => {
  const raw = sharp(pixels(channels), { raw: { width, height, channels } });
  return channels === 1 ? raw.toColorspace('b-w') : raw;
};

test('gray and colored images, with any filter and text beside them', async () => {
  for (const channels of [1, 3] as const) {
    for (const options of [{}, { adaptiveFiltering: true }, { compressionLevel: 0 }]) {
      const bytes = await image(channels).withMetadata({ density: 300 }).png(options).toBuffer();
      const plain = await image(channels).png(options).toBuffer();
      expect(plainPng(plain, [channels, height, width])).toEqual(pixels(channels));
      // With a color profile it is not plain.
      const found = plainPng(bytes, [channels, height, width]);
      if (found) expect(found).toEqual(pixels(channels));
    }
  }
});

test('others are left alone', async () => {
  const gray = await image(1).png().toBuffer();
  expect(plainPng(gray, [1, width, height])).toBeUndefined();
  expect(plainPng(gray, [3, height, width])).toBeUndefined();
  for (const other of [
    await image(1).png({ progressive: true }).toBuffer(),
    await image(3).png({ palette: true }).toBuffer(),
    await image(4).png().toBuffer(),
    await image(3).png({ colors: 4 }).toBuffer(),
    await image(3).jpeg().toBuffer(),
    await image(3).keepIccProfile().withIccProfile('p3').png().toBuffer(),
    Buffer.concat([gray, Buffer.from('more')]),
    gray.subarray(0, -5),
    new Uint8Array(0),
  ]) {
    for (const channels of [1, 3] as const)
      expect(plainPng(other, [channels, height, width])).toBeUndefined();
  }
});

test('damaged ones bring their pixels or nothing', async () => {
  const random = new Random(1);
  const original = await image(1).png().toBuffer();
  let refused = 0;
  for (let round = 0; round < 500; round++) {
    const found = plainPng(mutated(original, random), [1, height, width]);
    if (found) expect(found).toEqual(pixels(1));
    else refused++;
  }
  expect(refused).toBeGreaterThan(400);
});
