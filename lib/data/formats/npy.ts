import { basename } from 'node:path';
import { PIXEL_OPTIONS, type PixelOptions } from '../examples/pixels.ts';
import { reopenFile, versionOf, withFile } from '../files/source.ts';
import { type ArrayFile, openArrayStream } from './arrays/array-stream.ts';
import { NPY_MAGIC, npyBytes, openNpy, readNpy } from './arrays/npy-file.ts';
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
    open: async (path, options, signal) => openArrayStream(await npyFile(path), options, signal),
    sizeInMemory: (path) => withFile(path, npyBytes),
  },
};

async function npyFile(path: string): Promise<ArrayFile> {
  const version = await versionOf(path);
  return {
    name: basename(path),
    path,
    open: async () => {
      const file = await reopenFile(path, version);
      try {
        return {
          rows: await openNpy(file),
          checkUnchanged: () => file.checkUnchanged(version),
          close: file.close,
        };
      } catch (error) {
        await file.close();
        throw error;
      }
    },
  };
}
