import { basename } from 'node:path';
import { types } from 'node:util';
import { checkInteger, checkOneOf, checkOptions, checkPath, expected } from '../../../check.ts';
import { TorchvaeError } from '../../../errors.ts';
import { Dataset } from '../../dataset.ts';
import {
  type Conversion,
  checkPixelOptions,
  conversionOf,
  convert,
  isSettled,
  merged,
  type Numbers,
  PIXEL_OPTIONS,
  type PixelOptions,
  type Survey,
  survey,
} from '../../examples/pixels.ts';
import { Darkness, darkNotes } from '../../examples/scale-notes.ts';
import { allocate, badData, readWhole } from '../../files/source.ts';
import { checkGoesOn, NEVER } from '../../streams/source.ts';
import { type Header, ImageDecoder, type ImageShape, type ImageSource, isBadImage } from './decoder.ts';
import { findImages, type ImageFiles } from './files.ts';
import { eachGood, kept, noImage, notesOf, without } from './skipping.ts';

/** How {@link loadImageFolder} reads. */
export interface ImageFolderOptions extends PixelOptions {
  /**
   * Height and width of the examples in pixels, or one number for both. Images are resized to cover it, and what
   * exceeds it is cut off. Default: the size of the first image, which all others must have.
   */
  imageSize?: number | readonly [height: number, width: number];
  /** 1 for gray, 3 for red, green and blue. Default 1 if all images are gray, else 3. */
  channels?: 1 | 3;
  /** Pixels that one image may have before it is resized. Default 2^26, which is 8192 x 8192. */
  maxPixels?: number;
  /** What a damaged image does: `refuse` (default) throws an error that names it, `skip` leaves it out and counts it. */
  onBadImage?: 'refuse' | 'skip';
}

export const IMAGE_OPTIONS = ['imageSize', 'channels', 'maxPixels', 'onBadImage', ...PIXEL_OPTIONS] as const;

/** Of one image, unless more are asked for. */
const MAX_PIXELS = 2 ** 26;
/** Bytes of one file. */
const MAX_FILE = 2 ** 28;
/** Bytes of all examples: what one array of every supported Node holds. */
const MAX_BYTES = 2 ** 32 - 1;

/** Images whose headers were read. */
export interface OpenImages {
  readonly files: ImageFiles;
  readonly shape: ImageShape;
  /** Whether all images have 8 bits a channel. */
  readonly isBytes: boolean;
  /** Whether some may have transparent pixels. */
  readonly isTransparent: boolean;
  /** For people: what was passed over. */
  readonly notes: readonly string[];
  /**
   * The numbers of one image, in that shape.
   *
   * @param read gives the bytes, instead of the source's
   */
  decode(path: string, read?: ImageSource['read']): Promise<Numbers>;
}

/**
 * The images of a folder: right in it, or in a folder for each class. They come by class, then by path, in the order of their
 * names' code units. Turned upright as their EXIF orientation says; what is transparent becomes black; of animations and
 * documents the first picture. Decoded by sharp, which has to be installed beside torchvae. Images of 16 bits and of floats keep their
 * levels.
 *
 * @returns shape [channels, height, width], with the folders as classes; bytes where all images have 8 bits a channel, else float32
 * @throws TorchvaeError ERR_STATE without sharp, ERR_IO, ERR_DATA_FORMAT for a folder without images, an image that is damaged, has
 * more than `maxPixels` or another size than the first where none was asked for, links that lead out of the folder; ERR_TYPE or
 * ERR_RANGE for options
 */
export async function loadImageFolder(folder: string, options: ImageFolderOptions = {}): Promise<Dataset> {
  return loadImages(folderSource(checkPath('folder', folder)), options);
}

/** The images of a folder as its files. */
export function folderSource(folder: string): ImageSource {
  return { name: folder, find: () => findImages(folder), read: (path) => readWhole(path, MAX_FILE) };
}

/** The images of a source, as {@link loadImageFolder} gives them. */
export async function loadImages(source: ImageSource, options: ImageFolderOptions): Promise<Dataset> {
  const folder = source.name;
  const images = await openImages(source, options);
  const { files, shape, isBytes } = images;
  const size = shape.reduce((product, extent) => product * extent, 1);
  const bytes = size * files.paths.length * (isBytes ? 1 : 4);
  if (bytes > MAX_BYTES) {
    throw badData(
      folder,
      `expected at most ${MAX_BYTES} bytes but ${files.paths.length} images of ${shape.join(' x ')} are more; make them smaller, or ` +
        'stream them (streamDataset, --stream)',
    );
  }
  // Images of 8 bits, of which there may be very many, are put into their places at once.
  const data = isBytes ? allocate(folder, bytes, () => new Uint8Array(bytes)) : undefined;
  const deep = new Array<Numbers | undefined>(isBytes ? 0 : files.paths.length).fill(undefined);
  let found = NOTHING;
  const skipped = await eachGood(files.paths, options, async (path, i) => {
    const numbers = await images.decode(path);
    found = merged(found, survey(numbers));
    if (data) data.set(numbers.data as Uint8Array, i * size);
    else deep[i] = numbers;
  });
  const { paths, labels, classes } = without(files, skipped, folder);
  const conversion = conversionOf(found, options);
  const dark =
    data && conversion.kind !== 'categorical'
      ? darkNotes(data, files.paths.length, conversion.kind === 'unit')
      : [];
  const values = data
    ? convert({ type: 'bytes', data: kept(data, skipped, size) }, conversion, folder, placeIn(paths, size))
    : joined(
        deep
          .filter((numbers) => numbers !== undefined)
          .map((numbers, i) => pixelsOf(numbers, conversion, paths[i]!)),
        folder,
        paths.length * size,
      );
  return new Dataset({
    name: basename(folder),
    shape,
    kind: conversion.kind,
    data: values,
    ...(labels && { labels }),
    ...(classes && { classes }),
    notes: [...images.notes, ...notesOf(skipped, folder), ...dark, ...onBlack(dark, images.isTransparent)],
  });
}

const ON_BLACK =
  'images have transparent pixels, which were laid on black; lay them on white before if they show black ink';

/**
 * Finds the images of a source and the shape of their examples, as {@link loadImageFolder} describes.
 *
 * @param signal rejects with ERR_ABORTED
 */
export async function openImages(
  source: ImageSource,
  options: ImageFolderOptions,
  signal: AbortSignal = NEVER,
): Promise<OpenImages> {
  const folder = source.name;
  const {
    imageSize,
    channels,
    maxPixels = MAX_PIXELS,
    onBadImage,
  } = checkOptions('options of loadImageFolder', options, IMAGE_OPTIONS);
  checkPixelOptions(options);
  checkInteger('maxPixels', maxPixels, 1, 2 ** 31);
  if (onBadImage !== undefined) checkOneOf('onBadImage', onBadImage, ['refuse', 'skip']);
  const asked = imageSize === undefined ? undefined : checkSize(imageSize);
  if (channels !== undefined && channels !== 1 && channels !== 3) {
    throw new TorchvaeError('ERR_RANGE', expected('1 or 3', 'channels', channels));
  }
  const decoder = await ImageDecoder.load(source, maxPixels);
  const { notes, ...all } = await source.find();
  const { path: from, header: first } = await firstHeader(folder, all.paths, decoder, options);
  let isGray = first.isGray;
  let isBytes = first.depth === 'uchar';
  let isTransparent = first.isTransparent;
  let several = 0;
  let cut = asked && isMostlyCut(first, asked) ? cutNote(from, first, asked) : undefined;
  const skipped = await eachGood(all.paths, options, async (path) => {
    checkGoesOn(folder, signal);
    // With size and channels given there is nothing to learn of the others.
    if (asked && channels) return;
    const header = await decoder.header(path);
    isGray &&= header.isGray;
    isBytes &&= header.depth === 'uchar';
    isTransparent ||= header.isTransparent;
    if (header.pictures > 1) several++;
    if (!asked) checkSameSize(path, header, from, first);
    else if (isMostlyCut(header, asked)) cut ??= cutNote(path, header, asked);
  });
  const files = without(all, skipped, folder);
  const [height, width] = asked ?? [first.height, first.width];
  const shape = [channels ?? (isGray ? 1 : 3), height, width] as const;
  return {
    files,
    shape,
    isBytes,
    isTransparent,
    notes: [
      ...notes,
      ...(several > 0
        ? [
            `${several} of the files ${several === 1 ? 'holds' : 'hold'} several pictures, of which the first was taken`,
          ]
        : []),
      ...(cut === undefined ? [] : [cut]),
      ...notesOf(skipped, folder),
    ],
    decode: (path, read) => {
      const check = (header: Header) => {
        if (!asked) checkSameSize(path, header, from, first);
        if (!isBytes || header.depth === 'uchar') return;
        throw badData(
          path,
          `expected 8 bits a channel, as ${from} has, but it has more; leave imageSize or channels out`,
        );
      };
      return decoder.decode(path, shape, check, read);
    },
  };
}

/** Whether less than half of an image is left where it covers that size. */
function isMostlyCut(header: Header, [height, width]: readonly [number, number]): boolean {
  const stretch = (header.width / header.height) * (height / width);
  return Math.min(stretch, 1 / stretch) < 0.5;
}

function cutNote(path: string, header: Header, [height, width]: readonly [number, number]): string {
  return (
    `${path} (${header.height} x ${header.width}) loses more than half of its picture where it is cut to ${height} x ${width}; cut or fill such images ` +
    'up before'
  );
}

/** The header of the first image that can be decoded. */
async function firstHeader(
  folder: string,
  paths: readonly string[],
  decoder: ImageDecoder,
  { onBadImage }: ImageFolderOptions,
): Promise<{ path: string; header: Header }> {
  for (const path of paths) {
    try {
      return { path, header: await decoder.header(path) };
    } catch (error) {
      if (onBadImage !== 'skip' || !isBadImage(error)) throw error;
    }
  }
  throw noImage(folder);
}

/** The values of one image as float32. */
export function pixelsOf(numbers: Numbers, conversion: Conversion, path: string): Float32Array {
  const values = convert(numbers, conversion, path, (index) => `value ${index}`);
  if (!types.isFloat32Array(values)) return Float32Array.from(values, (byte) => byte / 255);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return values;
  throw badData(
    path,
    `expected numbers that are finite as float32 but received ${values[bad]} at value ${bad}`,
  );
}

/**
 * What the numbers of all images are, found by decoding them until nothing can change it.
 *
 * @returns also the images that cannot be decoded, if these are left out
 */
export async function surveyImages(
  folder: string,
  { files, decode, isBytes, isTransparent }: OpenImages,
  options: ImageFolderOptions,
  signal: AbortSignal,
): Promise<{ found: Survey; files: ImageFiles; notes: string[] }> {
  let found = NOTHING;
  const darkness = new Darkness();
  const canStop = options.onBadImage !== 'skip';
  const skipped = await eachGood(files.paths, options, async (path) => {
    checkGoesOn(folder, signal);
    if (canStop && isSettled(found, 'bytes') && (darkness.isSettled(true) || !isBytes)) return;
    const numbers = await decode(path);
    // Only now, since others ran meanwhile.
    found = merged(found, survey(numbers));
    if (isBytes && !darkness.isSettled(true)) darkness.add(numbers.data);
  });
  const good = without(files, skipped, folder);
  const { kind } = conversionOf(found, options);
  const dark = isBytes && kind !== 'categorical' ? darkness.notes(good.paths.length, kind === 'unit') : [];
  const notes = [...notesOf(skipped, folder), ...dark, ...onBlack(dark, isTransparent)];
  return { found, files: good, notes };
}

/** What to say of dark images beside that they are dark. */
function onBlack(dark: readonly string[], isTransparent: boolean): string[] {
  return dark.length > 0 && isTransparent ? [ON_BLACK] : [];
}

/**
 * Bytes of all examples if all are as large as the first image and in color.
 *
 * @param imageSize height and width that images are resized to
 */
export async function imageFolderSize(folder: string, imageSize?: number): Promise<number> {
  const { paths } = await findImages(folder);
  if (imageSize !== undefined) return 3 * imageSize ** 2 * paths.length;
  const { height, width } = await (await ImageDecoder.load(folderSource(folder), MAX_PIXELS)).header(
    paths[0]!,
  );
  return 3 * height * width * paths.length;
}

const NOTHING: Survey = { kind: 'binary', max: 0 };

function checkSize(size: unknown): [number, number] {
  const [height, width] = Array.isArray(size) && size.length === 2 ? size : [size, size];
  return [checkInteger('imageSize', height, 1, 1 << 14), checkInteger('imageSize', width, 1, 1 << 14)];
}

function checkSameSize(path: string, header: Header, from: string, first: Header): void {
  if (header.height === first.height && header.width === first.width) return;
  const trouble = `expected the size of ${from} (${first.height} x ${first.width}) but it is ${header.height} x ${header.width}`;
  throw badData(path, `${trouble}; give imageSize to resize all`);
}

function joined(parts: readonly Float32Array[], folder: string, length: number): Float32Array {
  const whole = allocate(folder, 4 * length, () => new Float32Array(length));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function placeIn(paths: readonly string[], size: number): (index: number) => string {
  return (index) => `value ${index % size} of ${paths[Math.floor(index / size)]}`;
}
