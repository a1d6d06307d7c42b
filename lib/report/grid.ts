import { types } from 'node:util';
import { checkInteger, checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { Picture } from './png.ts';

/** How images are laid out in one picture. */
export interface GridOptions {
  /** Images in a row. Default: as many as make the grid about square. */
  columns?: number;
  /** Pixels of gray between and around the images. Default 2. */
  padding?: number;
  /** Side of the square that one pixel becomes. Default 1. */
  scale?: number;
}

/** The gray of the padding: neither of the colors that images have most of, black and white. */
const PADDING_LEVEL = 96;

/**
 * Lays images out row by row in one picture.
 *
 * @param images [images, ...shape], intensities in [0, 1]; what lies outside is shown as 0 or 1
 * @param shape of one image: `[channels, height, width]` with 1 or 3 channels, or `[height, width]`
 * @throws TorchvaeError ERR_SHAPE for another shape or a length that is no multiple of it, ERR_NONFINITE for a NaN,
 * ERR_TYPE or ERR_RANGE for the options
 */
export function imageGrid(
  images: Float32Array,
  shape: readonly number[],
  options: GridOptions = {},
): Picture {
  const { channels, height, width } = checkImages('images', images, shape);
  const known = ['columns', 'padding', 'scale'];
  const wanted = checkOptions('options of imageGrid', options, known);
  const count = images.length / (channels * height * width);
  const columns = checkInteger('columns', wanted.columns ?? Math.ceil(Math.sqrt(count)), 1);
  const padding = checkInteger('padding', wanted.padding ?? 2, 0, 1000);
  const scale = checkInteger('scale', wanted.scale ?? 1, 1, 100);
  const picture = blank(
    Math.min(columns, count) * (width * scale + padding) + padding,
    Math.ceil(count / columns) * (height * scale + padding) + padding,
    channels,
  );
  for (let i = 0; i < count; i++) {
    const left = padding + (i % columns) * (width * scale + padding);
    const top = padding + Math.floor(i / columns) * (height * scale + padding);
    const image = images.subarray(i * channels * height * width, (i + 1) * channels * height * width);
    paste(picture, left, top, image, { channels, height, width }, scale);
  }
  return picture;
}

/**
 * Pairs of rows, originals above and their reconstructions below.
 *
 * @param originals [images, ...shape], intensities in [0, 1]
 * @param reconstructions of the same length
 * @param shape of one image, as in {@link imageGrid}
 * @throws TorchvaeError ERR_SHAPE where the lengths differ, and what {@link imageGrid} throws
 */
export function reconstructionGrid(
  originals: Float32Array,
  reconstructions: Float32Array,
  shape: readonly number[],
  options: GridOptions = {},
): Picture {
  const { channels, height, width } = checkImages('originals', originals, shape);
  if (!types.isFloat32Array(reconstructions)) {
    throw new TorchvaeError('ERR_TYPE', expected('a Float32Array', 'reconstructions', reconstructions));
  }
  checkOptions('options of reconstructionGrid', options, ['columns', 'padding', 'scale']);
  if (reconstructions.length !== originals.length) {
    const what = `${originals.length} values, as in originals,`;
    throw new TorchvaeError('ERR_SHAPE', expected(what, 'reconstructions', reconstructions));
  }
  const size = channels * height * width;
  const count = originals.length / size;
  const columns = Math.min(checkInteger('columns', options.columns ?? Math.min(count, 10), 1), count);
  const pairs = Math.ceil(count / columns);
  const images = new Float32Array(pairs * 2 * columns * size).fill(PADDING_LEVEL / 255);
  for (let pair = 0; pair < pairs; pair++) {
    const [from, to] = [pair * columns * size, (pair + 1) * columns * size];
    images.set(originals.subarray(from, to), 2 * from);
    images.set(reconstructions.subarray(from, to), from + to);
  }
  return imageGrid(images, shape, { ...options, columns });
}

interface Extent {
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
}

function checkImages(name: string, images: unknown, shape: readonly number[]): Extent {
  if (!Array.isArray(shape)) {
    throw new TorchvaeError('ERR_TYPE', expected('an array such as [1, 28, 28]', 'shape', shape));
  }
  const [channels, height, width] = shape.length === 2 ? [1, ...shape] : shape;
  const isSide = (extent: unknown) => Number.isSafeInteger(extent) && Number(extent) > 0;
  const isImage = (shape.length === 2 || shape.length === 3) && isSide(height) && isSide(width);
  if (!isImage || (channels !== 1 && channels !== 3)) {
    const what = '[height, width] or [channels, height, width] with 1 or 3 channels';
    throw new TorchvaeError('ERR_SHAPE', `Expected ${what} for shape but received [${shape.join(', ')}]`);
  }
  if (!types.isFloat32Array(images)) {
    throw new TorchvaeError('ERR_TYPE', expected('a Float32Array', name, images));
  }
  const size = channels * height * width;
  if (images.length === 0 || images.length % size !== 0) {
    const what = `a multiple of ${size} values (images of ${shape.join('x')})`;
    throw new TorchvaeError('ERR_SHAPE', expected(what, name, images));
  }
  return { channels, height, width };
}

/** More makes neither a picture that a viewer opens nor one that fits into memory while it is compressed. */
const MAX_PIXELS = 2 ** 27;

function blank(width: number, height: number, channels: 1 | 3): Picture {
  if (width * height > MAX_PIXELS) {
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected a picture of at most ${MAX_PIXELS} pixels but these images make ${width} x ${height}; show fewer`,
    );
  }
  return { width, height, channels, data: new Uint8Array(width * height * channels).fill(PADDING_LEVEL) };
}

/** Writes `image`, [channels, height, width], into the picture with its upper left corner at (left, top). */
function paste(
  picture: Picture,
  left: number,
  top: number,
  image: Float32Array,
  { channels, height, width }: Extent,
  scale: number,
): void {
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < height * scale; y++) {
      const from = (channel * height + Math.floor(y / scale)) * width;
      const to = ((top + y) * picture.width + left) * channels + channel;
      for (let x = 0; x < width * scale; x++) {
        picture.data[to + x * channels] = toByte(image[from + Math.floor(x / scale)]!);
      }
    }
  }
}

function toByte(intensity: number): number {
  if (Number.isNaN(intensity))
    throw new TorchvaeError('ERR_NONFINITE', expected('intensities', 'images', intensity));
  return Math.round(255 * Math.min(Math.max(intensity, 0), 1));
}
