import type { Sharp, SharpOptions } from 'sharp';
import type { TorchvaeError } from '../../../errors.ts';
import { loadSharp } from '../../../sharp.ts';
import type { Numbers } from '../../examples/pixels.ts';
import { badData } from '../../files/source.ts';
import { strayDownload } from '../../files/stray.ts';
import type { ImageFiles } from './files.ts';
import { plainPng } from './plain-png.ts';

/** Formats that files may have, whatever their extension; libvips also reads formats that refer to other files. */
const FORMATS = ['png', 'jpeg', 'webp', 'gif', 'heif', 'tiff'];

/** How the values of a channel are stored, by the names of libvips. */
const DEPTHS = {
  uchar: { type: 'bytes', view: Uint8Array, gray: 'b-w', color: 'srgb' },
  ushort: { type: 'levels', view: Uint16Array, gray: 'grey16', color: 'rgb16' },
  float: { type: 'numbers', view: Float32Array, gray: 'b-w', color: 'scrgb' },
} as const;
type Depth = keyof typeof DEPTHS;

/** What the header of an image says. */
export interface Header {
  height: number;
  width: number;
  isGray: boolean;
  /** Whether pixels may be transparent. */
  isTransparent: boolean;
  depth: Depth;
  /** Pictures of an animation or a document, of which the first is taken. */
  pictures: number;
}

/** [channels, height, width] of an example. */
export type ImageShape = readonly [channels: number, height: number, width: number];

type Opener = (bytes: Uint8Array, options: SharpOptions) => Sharp;

/** Where images come from. */
export interface ImageSource {
  /** For messages. */
  readonly name: string;
  /** All images, and for people what was passed over. */
  find(): Promise<ImageFiles & { readonly notes: readonly string[] }>;
  /** The bytes of one file, by its path or another name. */
  read(path: string): Promise<Uint8Array>;
}

/** Decodes images by sharp, and plain PNG files without it. */
export class ImageDecoder {
  readonly #sharp: Opener;
  readonly #maxPixels: number;
  readonly #read: (path: string) => Promise<Uint8Array>;

  private constructor(sharp: Opener, maxPixels: number, read: ImageSource['read']) {
    this.#sharp = sharp;
    this.#maxPixels = maxPixels;
    this.#read = read;
  }

  /** @throws TorchvaeError ERR_STATE without sharp */
  static async load({ read }: Pick<ImageSource, 'read'>, maxPixels: number): Promise<ImageDecoder> {
    return new ImageDecoder((await loadSharp('Images are decoded')) as unknown as Opener, maxPixels, read);
  }

  /** @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT as {@link decode} does */
  async header(path: string): Promise<Header> {
    return this.#header(this.#open(await this.#bytesOf(path)), path);
  }

  /**
   * The pixels of an image, [channels, height, width], resized to cover that size.
   *
   * @param check throws for a header that does not fit
   * @param read gives the bytes, instead of the source's
   * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for a file that is no image, is damaged, or has too many pixels
   */
  async decode(
    path: string,
    shape: ImageShape,
    check: (header: Header) => void,
    read: ImageSource['read'] = this.#read,
  ): Promise<Numbers> {
    const bytes = await this.#bytesOf(path, read);
    const [channels, height, width] = shape;
    const plain = height * width <= this.#maxPixels ? plainPng(bytes, shape) : undefined;
    if (plain) {
      const isGray = channels === 1;
      check({ height, width, isGray, isTransparent: false, depth: 'uchar', pictures: 1 });
      return { type: 'bytes', data: planesOf(plain, channels, channels) };
    }
    const image = this.#open(bytes);
    const header = await this.#header(image, path);
    check(header);
    return pixelsOf(image, path, shape, header.depth);
  }

  async #bytesOf(path: string, read = this.#read): Promise<Uint8Array> {
    const bytes = await read(path);
    if (bytes.length === 0) throw badImage(path, 'expected an image but the file is empty');
    const stray = strayDownload(bytes);
    if (stray) throw badImage(path, `expected an image but it is ${stray}`);
    return bytes;
  }

  #open(bytes: Uint8Array): Sharp {
    return this.#sharp(bytes, { limitInputPixels: this.#maxPixels, failOn: 'error', sequentialRead: true });
  }

  async #header(image: Sharp, path: string): Promise<Header> {
    const found = await decoding(path, image.metadata(), this.#maxPixels);
    const { format, height, width, space, depth, hasAlpha, orientation = 1, pages = 1 } = found;
    if (!FORMATS.includes(format))
      throw badImage(path, `expected one of ${FORMATS.join(', ')} but it is ${format}`);
    if (height * width > this.#maxPixels) {
      throw tooLarge(path, this.#maxPixels, `it has ${height} x ${width}`);
    }
    if (!Object.hasOwn(DEPTHS, depth!)) {
      throw badImage(
        path,
        `expected 8 or 16 bits a channel, or floats of 32 bits, but they are of type ${depth}`,
      );
    }
    const isTurned = orientation >= 5;
    return {
      height: isTurned ? width : height,
      width: isTurned ? height : width,
      isGray: space === 'b-w' || space === 'grey16',
      isTransparent: hasAlpha === true,
      depth: depth as Depth,
      pictures: pages,
    };
  }
}

/** Errors of images that are damaged, which can be left out. */
const bad = new WeakSet<object>();

/** Whether the error is that of an image which cannot be decoded, whatever the options are. */
export function isBadImage(error: unknown): boolean {
  return typeof error === 'object' && error !== null && bad.has(error);
}

function badImage(path: string, trouble: string, cause?: unknown): TorchvaeError {
  const error = badData(
    path,
    `${trouble}; remove it, or give onBadImage: 'skip' to leave such images out`,
    cause,
  );
  bad.add(error);
  return error;
}

async function pixelsOf(
  image: Sharp,
  path: string,
  [channels, height, width]: ImageShape,
  depth: Depth,
): Promise<Numbers> {
  const { type, view: View, gray, color } = DEPTHS[depth];
  const upright = image.autoOrient().flatten({ background: '#000' });
  const resized = upright.resize({ width, height, fit: 'cover' });
  const raw = resized.toColorspace(channels === 1 ? gray : color).raw({ depth });
  const { data, info } = await decoding(path, raw.toBuffer({ resolveWithObject: true }));
  const values = new View(data.buffer.slice(data.byteOffset, data.byteOffset + data.length));
  if (info.channels < channels || values.length !== height * width * info.channels) {
    const found = `${info.channels} of ${info.height} x ${info.width}`;
    throw badImage(path, `expected ${channels} channels of ${height} x ${width} but decoding gave ${found}`);
  }
  return { type, data: planesOf(values, info.channels, channels) };
}

/** [height, width, present] to [channels, height, width]. */
function planesOf<T extends Uint8Array | Uint16Array | Float32Array>(
  data: T,
  present: number,
  channels: number,
): T {
  if (present === 1) return data;
  const pixels = data.length / present;
  const planes = new (data.constructor as new (length: number) => T)(channels * pixels);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < pixels; i++) planes[c * pixels + i] = data[i * present + c]!;
  }
  return planes;
}

function tooLarge(path: string, most: number, found: string, cause?: unknown): TorchvaeError {
  return badImage(
    path,
    `expected at most ${most} pixels but ${found}; raise maxPixels if it is right`,
    cause,
  );
}

async function decoding<T>(path: string, result: Promise<T>, most = Infinity): Promise<T> {
  try {
    return await result;
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0]!;
    if (/exceeds pixel limit/i.test(reason)) throw tooLarge(path, most, 'it has more', cause);
    throw badImage(path, `expected a whole image but decoding failed: ${reason}`, cause);
  }
}
