import { basename } from 'node:path';
import { conversionOf, convert } from '../../examples/pixels.ts';
import {
  type Blocks,
  BlockWalk,
  checkGoesOn,
  type EpochRequest,
  emptyBlock,
  evenBlocks,
  type Reading,
  type StreamDescription,
  type StreamSource,
} from '../../streams/source.ts';
import type { ImageSource } from './decoder.ts';
import type { ImageFiles } from './files.ts';
import { folderSource, type ImageFolderOptions, openImages, pixelsOf, surveyImages } from './folder.ts';
import { eachOf } from './skipping.ts';

/** Passes over the images of a source. */
export interface ImagePasses {
  /** The images that lie together. */
  blocksOf(files: ImageFiles): Blocks;
  /** Begins a pass, which gives the bytes of images. */
  begin(request: EpochRequest): Promise<{ read?: ImageSource['read']; close(): Promise<void> }>;
}

/**
 * The images of a folder, decoded anew in every epoch, a few at a time, into what {@link loadImageFolder} gives. An epoch's order
 * is a shuffle of all images, since each can be read alone.
 *
 * @throws TorchvaeError as `loadImageFolder` does
 */
export function openImageStream(
  folder: string,
  options: ImageFolderOptions,
  signal: AbortSignal,
): Promise<StreamSource> {
  return streamImages(
    folderSource(folder),
    {
      blocksOf: ({ paths }) => evenBlocks(paths.length, 1),
      begin: async () => ({ close: async () => {} }),
    },
    options,
    signal,
  );
}

/**
 * The images of a source, decoded anew in every epoch. What their numbers are is found by decoding the first of them, or all of those of
 * 16 bits, and of those among which damaged ones are skipped.
 *
 * @throws TorchvaeError as `loadImageFolder` does
 */
export async function streamImages(
  source: ImageSource,
  { blocksOf, begin }: ImagePasses,
  options: ImageFolderOptions,
  signal: AbortSignal,
): Promise<StreamSource> {
  const { name } = source;
  const images = await openImages(source, options, signal);
  const { kind, maxLevel, onBadImage } = options;
  const isKnown = kind !== undefined && (images.isBytes || maxLevel !== undefined) && onBadImage !== 'skip';
  const { found, files, notes } = isKnown
    ? { found: { kind, max: 1 }, files: images.files, notes: [] }
    : await surveyImages(name, images, options, signal);
  const conversion = conversionOf(found, options);
  const { labels, classes, paths } = files;
  const description: StreamDescription = {
    name: basename(name),
    length: paths.length,
    shape: images.shape,
    kind: conversion.kind,
    isBytes: images.isBytes && (conversion.kind === 'unit' || conversion.kind === 'binary'),
    hasLabels: labels !== undefined,
    classes,
    notes: [...images.notes, ...notes],
  };
  const blocks = blocksOf(files);
  return {
    ...description,
    open: async (request) => {
      const { read, close } = await begin(request);
      const valuesOf = async (path: string) => {
        const numbers = await images.decode(path, read);
        return description.isBytes
          ? convert(numbers, conversion, path, (index) => `value ${index}`)
          : pixelsOf(numbers, conversion, path);
      };
      return { read: imageReader(name, files, blocks, { description, valuesOf }, request), close };
    },
  };
}

function imageReader(
  name: string,
  { paths, labels }: ImageFiles,
  blocks: Blocks,
  {
    description,
    valuesOf,
  }: {
    description: StreamDescription;
    valuesOf(path: string): Promise<Uint8Array | Float32Array>;
  },
  request: EpochRequest,
): Reading['read'] {
  const walk = new BlockWalk(blocks, request);
  return async (count) => {
    const into = emptyBlock(description, count);
    const size = into.data.length / count;
    const wanted = walk
      .take(count)
      .flatMap(({ block, first, count: images, rows }) =>
        Array.from({ length: images }, (_, i) => blocks.start(block) + first + (rows ? rows[i]! : i)),
      );
    await eachOf(
      wanted.map((index) => paths[index]!),
      async (path, i) => {
        checkGoesOn(name, request.signal);
        into.data.set(await valuesOf(path), i * size);
        if (labels) into.labels![i] = labels[wanted[i]!]!;
      },
    );
    return into;
  };
}
