import { basename } from 'node:path';
import type { DataKind } from '../examples/checks.ts';
import { withFile } from '../files/source.ts';
import { NPY_MAGIC, openNpy, readNpy } from './arrays/npy-file.ts';
import { openNpyStream } from './arrays/npy-stream.ts';
import { datasetOf } from './arrays/numeric-array.ts';
import { beginsWith, type Format } from './format.ts';

/** NumPy's format of one array, whose first extent counts the examples. */
export const npy: Format<object, { kind?: DataKind }> = {
  name: '.npy file',
  extensions: ['.npy'],
  detect: (found) => beginsWith(found, NPY_MAGIC),
  options: [],
  read: async (path) => datasetOf(await readNpy(path), { name: basename(path), file: path }),
  stream: {
    options: ['kind'],
    open: (path, { kind }, signal) => openNpyStream(path, { kind, signal }),
    sizeInMemory: (path) =>
      withFile(path, async (file) => {
        const { shape, isBytes, isBoolean } = await openNpy(file);
        return shape.reduce((product, extent) => product * extent, isBytes || isBoolean ? 1 : 4);
      }),
  },
};
