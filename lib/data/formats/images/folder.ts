import { basename } from 'node:path';
import type { Sharp, SharpOptions } from 'sharp';
import { checkInteger, checkOptions, checkPath, expected } from '../../../check.ts';
import { TorchvaeError } from '../../../errors.ts';
import { loadSharp } from '../../../sharp.ts';
import { Dataset } from '../../dataset.ts';
import { allocate, badData, readWhole } from '../../files/source.ts';
import { checkGoesOn } from '../../streams/source.ts';
import { findImages, type ImageFiles } from './files.ts';
import { plainPng } from './plain-png.ts';

/** How {@link loadImageFolder} reads. */
export interface ImageFolderOptions {
  /**
   * Height and width of the examples in pixels, or one number for both. Images are resized to cover it, and what
   * exceeds it is cut off. Default: the size of the first image, which all others must have.
   */
  imageSize?: number | readonly [height: number, width: number];
  /** 1 for gray, 3 for red, green and blue. Default 1 if all images are gray, else 3. */
  channels?: 1 | 3;
  /** Pixels that one image may have before it is resized. Default 2^26, which is 8192 x 8192. */
  maxPixels?: number;
}

export const IMAGE_OPTIONS = ['imageSize', 'channels', 'maxPixels'] as const;

/** Formats that files may have, whatever their extension; libvips also reads formats that refer to other files. */
const FORMATS = ['png', 'jpeg', 'webp', 'gif', 'heif', 'tiff'];
/** Of one image, unless more are asked for. */
const MAX_PIXELS = 2 ** 26;
/** Bytes of one file. */
const MAX_FILE = 2 ** 28;
/** Bytes of all examples: what one array of every supported Node holds. */
const MAX_BYTES = 2 ** 32 - 1;
/** Images that are decoded at a time. */
const AT_A_TIME = 8;

type Decoder = (bytes: Uint8Array, options: SharpOptions) => Sharp;

/** What the header of an image says. */
interface Header {
  height: number;
  width: number;
  isGray: boolean;
}

/** A folder of images whose headers were read. */
export interface OpenImageFolder {
  readonly files: ImageFiles;
  /** [channels, height, width] of every example. */
  readonly shape: readonly [channels: number, height: number, width: number];
  /** The bytes of one image, in that shape. */
  decode(path: string): Promise<Uint8Array>;
}

/**
 * The images of a folder: right in it, or in a folder for each class. They come by class, then by path, in the order of their
 * names' code units. Turned upright as their EXIF orientation says; what is transparent becomes black; of animations and
 * documents the first picture. Decoded by sharp, which has to be installed beside torchvae.
 *
 * @returns bytes of kind `unit`, shape [channels, height, width], with the folders as classes
 * @throws TorchvaeError ERR_STATE without sharp, ERR_IO, ERR_DATA_FORMAT for a folder without images, an image that is damaged, has
 * more than `maxPixels` or another size than the first where none was asked for, links that lead out of the folder; ERR_TYPE or
 * ERR_RANGE for options
 */
export async function loadImageFolder(folder: string, options: ImageFolderOptions = {}): Promise<Dataset> {
  const { files, shape, decode } = await openImageFolder(folder, options);
  const { paths, labels, classes } = files;
  const length = shape.reduce((product, extent) => product * extent, 1);
  if (length * paths.length > MAX_BYTES) {
    throw badData(
      folder,
      `expected at most ${MAX_BYTES} bytes but ${paths.length} images of ${shape.join(' x ')} are more; make them smaller, or ` +
        'stream them (streamDataset, --stream)',
    );
  }
  const data = allocate(folder, length * paths.length, () => new Uint8Array(length * paths.length));
  await eachOf(paths, async (path, i) => data.set(await decode(path), i * length));
  return new Dataset({
    name: basename(folder),
    shape,
    kind: 'unit',
    data,
    ...(labels && { labels }),
    ...(classes && { classes }),
  });
}

/**
 * Finds the images of a folder and the shape of their examples, as {@link loadImageFolder} describes.
 *
 * @param signal rejects with ERR_ABORTED
 */
export async function openImageFolder(
  folder: string,
  options: ImageFolderOptions,
  signal?: AbortSignal,
): Promise<OpenImageFolder> {
  const {
    imageSize,
    channels,
    maxPixels = MAX_PIXELS,
  } = checkOptions('options of loadImageFolder', options, IMAGE_OPTIONS);
  checkPath('folder', folder);
  checkInteger('maxPixels', maxPixels, 1, 2 ** 31);
  const asked = imageSize === undefined ? undefined : checkSize(imageSize);
  if (channels !== undefined && channels !== 1 && channels !== 3) {
    throw new TorchvaeError('ERR_RANGE', expected('1 or 3', 'channels', channels));
  }
  const decoder = (await loadSharp('Images are decoded')) as unknown as Decoder;
  const files = await findImages(folder);
  const { paths } = files;
  const read = (path: string) => open(decoder, path, maxPixels);
  const first = await headerOf(await read(paths[0]!), paths[0]!, maxPixels);
  const size = asked ?? [first.height, first.width];
  const checkHeader = (path: string, header: Header) => {
    if (asked || (header.height === first.height && header.width === first.width)) return;
    const trouble = `expected the size of ${paths[0]} (${first.height} x ${first.width}) but it is ${header.height} x ${header.width}`;
    throw badData(path, `${trouble}; give imageSize (--size) to resize all`);
  };
  let isGray = true;
  await eachOf(paths, async (path) => {
    if (signal) checkGoesOn(folder, signal);
    // With size and channels given there is nothing to learn of all before the first is decoded.
    if (asked && channels) return;
    const header = await headerOf(await read(path), path, maxPixels);
    isGray &&= header.isGray;
    checkHeader(path, header);
  });
  const depth = channels ?? (isGray ? 1 : 3);
  const [height, width] = size as [number, number];
  return {
    files,
    shape: [depth, height, width],
    decode: async (path) => {
      const bytes = await bytesOf(path);
      const isSmall = height * width <= maxPixels;
      const plain = isSmall ? plainPng(bytes, [depth, height, width]) : undefined;
      if (plain) return planesOf(plain, depth, depth);
      const image = imageOf(decoder, bytes, maxPixels);
      checkHeader(path, await headerOf(image, path, maxPixels));
      return pixelsOf(image, path, depth, size);
    },
  };
}

/** Bytes of all examples if all are as large as the first image and in color. */
export async function imageFolderSize(folder: string, imageSize?: number): Promise<number> {
  const { paths } = await findImages(folder);
  if (imageSize !== undefined) return 3 * imageSize ** 2 * paths.length;
  const [path] = paths as [string];
  const decoder = (await loadSharp('Images are decoded')) as unknown as Decoder;
  const { height, width } = await headerOf(await open(decoder, path, MAX_PIXELS), path, MAX_PIXELS);
  return 3 * height * width * paths.length;
}

function checkSize(size: unknown): [number, number] {
  const [height, width] = Array.isArray(size) && size.length === 2 ? size : [size, size];
  return [checkInteger('imageSize', height, 1, 1 << 14), checkInteger('imageSize', width, 1, 1 << 14)];
}

/** Runs the action on a few paths at a time; rejects with the error of the first path that fails. */
export async function eachOf(
  paths: readonly string[],
  action: (path: string, index: number) => Promise<unknown>,
): Promise<void> {
  for (let start = 0; start < paths.length; start += AT_A_TIME) {
    const some = paths.slice(start, start + AT_A_TIME);
    const outcomes = await Promise.allSettled(some.map((path, i) => action(path, start + i)));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }
}

async function open(decoder: Decoder, path: string, maxPixels: number): Promise<Sharp> {
  return imageOf(decoder, await bytesOf(path), maxPixels);
}

async function bytesOf(path: string): Promise<Uint8Array> {
  const bytes = await readWhole(path, MAX_FILE);
  if (bytes.length === 0) throw badData(path, 'expected an image but the file is empty');
  return bytes;
}

function imageOf(decoder: Decoder, bytes: Uint8Array, maxPixels: number): Sharp {
  return decoder(bytes, { limitInputPixels: maxPixels, failOn: 'error', sequentialRead: true });
}

async function headerOf(image: Sharp, path: string, maxPixels: number): Promise<Header> {
  const { format, height, width, space, orientation = 1 } = await decoding(path, image.metadata());
  if (!FORMATS.includes(format))
    throw badData(path, `expected one of ${FORMATS.join(', ')} but it is ${format}`);
  if (height * width > maxPixels) {
    throw badData(
      path,
      `expected at most ${maxPixels} pixels but it has ${height} x ${width}; raise maxPixels if it is right`,
    );
  }
  const isTurned = orientation >= 5;
  return {
    height: isTurned ? width : height,
    width: isTurned ? height : width,
    isGray: space === 'b-w' || space === 'grey16',
  };
}

/** [channels, height, width]. */
async function pixelsOf(
  image: Sharp,
  path: string,
  channels: number,
  [height, width]: readonly [number, number] | number[],
): Promise<Uint8Array> {
  const upright = image.autoOrient().flatten({ background: '#000' });
  const resized = upright.resize({ width: width!, height: height!, fit: 'cover' });
  const raw = resized.toColorspace(channels === 1 ? 'b-w' : 'srgb').raw({ depth: 'uchar' });
  const { data, info } = await decoding(path, raw.toBuffer({ resolveWithObject: true }));
  const pixels = height! * width!;
  if (info.channels < channels || data.length !== pixels * info.channels) {
    throw badData(
      path,
      `expected ${channels} channels of ${height} x ${width} but decoding gave ${info.channels} of ${info.height} x ${info.width}`,
    );
  }
  return planesOf(data, info.channels, channels);
}

/** [height, width, present] to [channels, height, width]. */
function planesOf(data: Uint8Array, present: number, channels: number): Uint8Array {
  if (present === 1) return data;
  const pixels = data.length / present;
  const planes = new Uint8Array(channels * pixels);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < pixels; i++) planes[c * pixels + i] = data[i * present + c]!;
  }
  return planes;
}

async function decoding<T>(path: string, result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0];
    throw badData(path, `expected a whole image but decoding failed: ${reason}`, cause);
  }
}
