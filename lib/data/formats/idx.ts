import { basename } from 'node:path';
import { readIdx } from './arrays/idx-file.ts';
import { datasetOf } from './arrays/numeric-array.ts';
import { beginsWith, type Format } from './format.ts';

/** The format of MNIST's files. */
export const idx: Format = {
  name: 'IDX file',
  // What looks compressed and cannot be unpacked was once an IDX file, most likely; reading it says what is wrong.
  detect: (found) =>
    beginsWith(found, [0, 0]) || (found.type === 'file' && found.isPacked && found.start.length === 0),
  takesGzip: true,
  options: [],
  read: async (path) =>
    datasetOf(await readIdx(path), { name: basename(path).replace(/\.gz$/, ''), file: path }),
};
