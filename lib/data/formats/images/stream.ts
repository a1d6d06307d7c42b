import { basename } from 'node:path';
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
import { eachOf, type ImageFolderOptions, type OpenImageFolder, openImageFolder } from './folder.ts';

/**
 * The images of a folder, decoded anew in every epoch, a few at a time, into what {@link loadImageFolder} gives. An epoch's order
 * is a shuffle of all images, since each can be read alone.
 *
 * @throws TorchvaeError as `loadImageFolder` does
 */
export async function openImageStream(
  folder: string,
  options: ImageFolderOptions,
  signal: AbortSignal,
): Promise<StreamSource> {
  const images = await openImageFolder(folder, options, signal);
  const { paths, labels, classes } = images.files;
  const description: StreamDescription = {
    name: basename(folder),
    length: paths.length,
    shape: images.shape,
    kind: 'unit',
    isBytes: true,
    hasLabels: labels !== undefined,
    classes,
  };
  return {
    ...description,
    open: async (request) => imageReading(folder, images, description, request),
  };
}

function imageReading(
  folder: string,
  { files: { paths, labels }, decode }: OpenImageFolder,
  description: StreamDescription,
  request: EpochRequest,
): Reading {
  const walk = new BlockWalk(evenBlocks(paths.length, 1), request);
  return {
    read: async (count) => {
      const into = emptyBlock(description, count);
      const size = into.data.length / count;
      const pieces = walk.take(count);
      const wanted = pieces.map(({ block }) => paths[block]!);
      await eachOf(wanted, async (path, i) => {
        checkGoesOn(folder, request.signal);
        into.data.set(await decode(path), i * size);
        if (labels) into.labels![i] = labels[pieces[i]!.block]!;
      });
      return into;
    },
    close: async () => {},
  };
}
