import type { Format } from './format.ts';
import { IMAGE_OPTIONS, type ImageFolderOptions, imageFolderSize, loadImageFolder } from './images/folder.ts';
import { openImageStream } from './images/stream.ts';

/** Folders of images; any folder that is of no other format is taken for one. */
export const images: Format<ImageFolderOptions, ImageFolderOptions> = {
  name: 'folder of images',
  detect: (found) => found.type === 'folder',
  options: IMAGE_OPTIONS,
  read: loadImageFolder,
  stream: {
    options: IMAGE_OPTIONS,
    open: openImageStream,
    sizeInMemory: imageFolderSize,
  },
};
