import { basename } from 'node:path';
import { type Conversion, conversionOf, convert } from '../../examples/pixels.ts';
import {
  BlockWalk,
  checkGoesOn,
  type EpochRequest,
  emptyBlock,
  evenBlocks,
  type Reading,
  type StreamDescription,
  type StreamSource,
} from '../../streams/source.ts';
import type { ImageFiles } from './files.ts';
import {
  folderSource,
  type ImageFolderOptions,
  type OpenImages,
  openImages,
  pixelsOf,
  surveyImages,
} from './folder.ts';
import { eachOf } from './skipping.ts';

/**
 * The images of a folder, decoded anew in every epoch, a few at a time, into what {@link loadImageFolder} gives. An epoch's order
 * is a shuffle of all images, since each can be read alone. What their numbers are is found by decoding the first of them, or all of
 * those of 16 bits, and of those among which damaged ones are skipped.
 *
 * @throws TorchvaeError as `loadImageFolder` does
 */
export async function openImageStream(
  folder: string,
  options: ImageFolderOptions,
  signal: AbortSignal,
): Promise<StreamSource> {
  const images = await openImages(folderSource(folder), options, signal);
  const { kind, maxLevel, onBadImage } = options;
  const isKnown = kind !== undefined && (images.isBytes || maxLevel !== undefined) && onBadImage !== 'skip';
  const { found, files, notes } = isKnown
    ? { found: { kind, max: 1 }, files: images.files, notes: [] }
    : await surveyImages(folder, images, options, signal);
  const conversion = conversionOf(found, options);
  const { labels, classes, paths } = files;
  const description: StreamDescription = {
    name: basename(folder),
    length: paths.length,
    shape: images.shape,
    kind: conversion.kind,
    isBytes: images.isBytes && (conversion.kind === 'unit' || conversion.kind === 'binary'),
    hasLabels: labels !== undefined,
    classes,
    notes: [...images.notes, ...notes],
  };
  return {
    ...description,
    open: async (request) => imageReading(folder, files, images, { description, conversion }, request),
  };
}

function imageReading(
  folder: string,
  { paths, labels }: ImageFiles,
  { decode }: OpenImages,
  { description, conversion }: { description: StreamDescription; conversion: Conversion },
  request: EpochRequest,
): Reading {
  const walk = new BlockWalk(evenBlocks(paths.length, 1), request);
  const valuesOf = async (path: string) => {
    const numbers = await decode(path);
    return description.isBytes
      ? convert(numbers, conversion, path, (index) => `value ${index}`)
      : pixelsOf(numbers, conversion, path);
  };
  return {
    read: async (count) => {
      const into = emptyBlock(description, count);
      const size = into.data.length / count;
      const pieces = walk.take(count);
      const wanted = pieces.map(({ block }) => paths[block]!);
      await eachOf(wanted, async (path, i) => {
        checkGoesOn(folder, request.signal);
        into.data.set(await valuesOf(path), i * size);
        if (labels) into.labels![i] = labels[pieces[i]!.block]!;
      });
      return into;
    },
    close: async () => {},
  };
}
