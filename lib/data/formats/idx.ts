import { basename } from 'node:path';
import { readIdx } from './arrays/idx-file.ts';
import { datasetOf } from './arrays/numeric-array.ts';
import type { Format } from './format.ts';

/** The format of MNIST's files, compressed or not. What has no other format is taken for it. */
export const idx: Format = {
  name: 'IDX file',
  detect: (found) => found.type === 'file',
  options: [],
  read: async (path) =>
    datasetOf(await readIdx(path), { name: basename(path).replace(/\.gz$/, ''), file: path }),
};
