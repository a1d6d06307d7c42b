import { basename, extname } from 'node:path';
import { checkOneOf } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import type { Dataset } from '../dataset.ts';
import { PIXEL_OPTIONS, type PixelOptions } from '../examples/pixels.ts';
import { badData } from '../files/source.ts';
import { listed, type Npz, withNpz } from './arrays/npz-archive.ts';
import { datasetOf } from './arrays/numeric-array.ts';
import { beginsWith, type Format } from './format.ts';

/** Which arrays of a .npz file are read. */
export interface NpzOptions {
  /**
   * The array of the examples. Default: the only array; else `x_train` (of the split `test`, `x_test`), `x`, `X`, `data`,
   * `images`, `imgs` or `arr_0`, whichever is there first.
   */
  member?: string;
  /** The array of the labels. Default `y_train` beside `x_train` and so on, else `y`, `labels` or `label`; none if none is there. */
  labelMember?: string;
  /** Default `train`. */
  split?: 'train' | 'test';
}

/** NumPy's archives of arrays. */
export const npz: Format<NpzOptions & PixelOptions> = {
  name: '.npz file',
  extensions: ['.npz'],
  // Many other formats are archives too, but have an extension.
  detect: (found) => beginsWith(found, [0x50, 0x4b, 3, 4]) && extname(found.path) === '',
  options: ['member', 'labelMember', 'split', ...PIXEL_OPTIONS],
  read: loadNpz,
  hasTestSet: (path) => withNpz(path, async ({ names }) => names.includes('x_test')),
};

/**
 * The examples and labels of a .npz file.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT also where it is not clear which array is meant, naming all that are there;
 * ERR_RANGE for a name that is not there
 */
function loadNpz(
  path: string,
  { member, labelMember, split = 'train', ...pixels }: NpzOptions & PixelOptions,
): Promise<Dataset> {
  checkOneOf('split', split, ['train', 'test']);
  return withNpz(path, async (npz) => {
    const examples = member ?? defaultMember(npz, split, path);
    const labels = labelMember ?? labelNames(examples).find((name) => npz.names.includes(name));
    for (const [option, name] of Object.entries({ member: examples, labelMember: labels })) {
      if (name === undefined || npz.names.includes(name)) continue;
      throw new TorchvaeError(
        'ERR_RANGE',
        `Expected an array of ${path} (${listed(npz.names)}) for ${option} but received ${JSON.stringify(name)}`,
      );
    }
    return datasetOf(
      await npz.read(examples),
      {
        name: basename(path),
        file: `${path}, member ${examples}.npy`,
        ...(labels !== undefined && { labels: await npz.read(labels) }),
      },
      pixels,
    );
  });
}

function defaultMember({ names }: Npz, split: string, path: string): string {
  const usual = [`x_${split}`, 'x', 'X', 'data', 'images', 'imgs', 'arr_0'].find((name) =>
    names.includes(name),
  );
  const found = names.length === 1 ? names[0] : usual;
  if (found !== undefined) return found;
  throw badData(
    path,
    `expected one array, or one named x_${split}, x or data, but it has ${listed(names)}; name it (member: '${names[0]}')`,
  );
}

/** `x_train` goes with `y_train`. */
function labelNames(examples: string): string[] {
  const pair = /^x_(\w+)$/.exec(examples)?.[1];
  return [...(pair ? [`y_${pair}`] : []), 'y', 'labels', 'label'];
}
