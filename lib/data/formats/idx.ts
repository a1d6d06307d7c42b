import { basename } from 'node:path';
import { PIXEL_OPTIONS, type PixelOptions } from '../examples/pixels.ts';
import { openArrayStream } from './arrays/array-stream.ts';
import { readIdx } from './arrays/idx-file.ts';
import { idxArray, idxBytes } from './arrays/idx-stream.ts';
import { datasetOf } from './arrays/numeric-array.ts';
import { beginsWith, type Format } from './format.ts';

/** The format of MNIST's files. */
export const idx: Format<PixelOptions, PixelOptions> = {
  name: 'IDX file',
  // What looks compressed and cannot be unpacked was once an IDX file, most likely; reading it says what is wrong.
  detect: (found) =>
    beginsWith(found, [0, 0]) || (found.type === 'file' && found.isPacked && found.start.length === 0),
  takesGzip: true,
  options: PIXEL_OPTIONS,
  read: async (path, options) =>
    datasetOf(await readIdx(path), { name: basename(path).replace(/\.gz$/, ''), file: path }, options),
  stream: {
    options: PIXEL_OPTIONS,
    open: async (path, options, signal) => openArrayStream(await idxArray(path), options, signal),
    sizeInMemory: idxBytes,
  },
};
