import { basename } from 'node:path';
import { PIXEL_OPTIONS, type PixelOptions } from '../examples/pixels.ts';
import { NPY_MAGIC, npySize, readNpy } from './arrays/npy-file.ts';
import { openNpyStream } from './arrays/npy-stream.ts';
import { datasetOf } from './arrays/numeric-array.ts';
import { beginsWith, type Format } from './format.ts';

/** NumPy's format of one array, whose first extent counts the examples. */
export const npy: Format<PixelOptions, PixelOptions> = {
  name: '.npy file',
  extensions: ['.npy'],
  detect: (found) => beginsWith(found, NPY_MAGIC),
  options: PIXEL_OPTIONS,
  read: async (path, options) =>
    datasetOf(await readNpy(path), { name: basename(path), file: path }, options),
  stream: {
    options: PIXEL_OPTIONS,
    open: openNpyStream,
    sizeInMemory: async (path) => {
      const size = await npySize(path);
      return size && size.count * (size.isBytes ? 1 : 4);
    },
  },
};
