import { basename, extname } from 'node:path';
import { checkOneOf } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { Dataset, type DatasetOptions } from '../dataset.ts';
import { PIXEL_OPTIONS, type PixelOptions } from '../examples/pixels.ts';
import { badData } from '../files/source.ts';
import { inOrder } from '../tables/learning.ts';
import type { TextArray } from './arrays/npy-file.ts';
import { listed, type Npz, withNpz } from './arrays/npz-archive.ts';
import { datasetOf, type NumericArray } from './arrays/numeric-array.ts';
import { beginsWith, type Format } from './format.ts';

/** Which arrays of a .npz file are read. */
export interface NpzOptions {
  /**
   * The array of the examples. Default: the only array; else `x_train`, `X_train`, `train_x`, `train_images` or `train_data` (of the split
   * `test`, `x_test` and so on), `x`, `X`, `data`, `images`, `imgs` or `arr_0`, whichever is there first.
   */
  member?: string;
  /**
   * The array of the labels. Default `y_train` beside `x_train` and so on, else `y`, `labels`, `label` or `target`, if it has classes; else there
   * are none, and a note says so.
   */
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
  hasTestSet: (path) =>
    withNpz(path, async ({ names }) => examplesOf('test').some((name) => names.includes(name))),
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
    const array = await npz.read(examples);
    const names = { name: basename(path), file: `${path}, member ${examples}.npy` };
    if (labels === undefined) return datasetOf(array, names, pixels);
    const read = await npz.readLabels(labels);
    if ('texts' in read) {
      const { numbers, classes } = numbered(read);
      return datasetOf(array, { ...names, labels: numbers, classes }, pixels);
    }
    const found = read;
    if (labelMember !== undefined || hasClasses(found, array))
      return datasetOf(array, { ...names, labels: found }, pixels);
    const data = datasetOf(array, names, pixels);
    const notes = [
      ...data.notes,
      `array ${labels} was left out: labels are whole numbers from 0, one an example`,
    ];
    return new Dataset({ ...data, notes } as DatasetOptions);
  });
}

/** Texts as labels that count their sorted names. */
function numbered({ shape, texts }: TextArray): { numbers: NumericArray; classes: string[] } {
  const classes = [...new Set(texts)].sort(inOrder);
  const places = new Map(classes.map((name, i) => [name, i]));
  return { numbers: { shape, data: Int32Array.from(texts, (text) => places.get(text)!) }, classes };
}

/** Arrays of these names may also hold measures, or -1 for an anomaly. */
function hasClasses({ data }: NumericArray, { shape }: NumericArray): boolean {
  // Several numbers an example are no class.
  if (data.length > 1 && data.length !== shape[0] && data.length % shape[0]! === 0) return false;
  return data.every((value) => Number.isInteger(Number(value)) && value >= 0);
}

function defaultMember({ names }: Npz, split: string, path: string): string {
  const usual = [...examplesOf(split), 'x', 'X', 'data', 'images', 'imgs', 'arr_0'].find((name) =>
    names.includes(name),
  );
  const found = names.length === 1 ? names[0] : usual;
  if (found !== undefined) return found;
  const advice = names.length > 0 ? `; name it (member: '${names[0]}')` : '';
  throw badData(
    path,
    `expected one array, or one named x_${split}, x or data, but it has ${listed(names)}${advice}`,
  );
}

/** The usual names of the examples of a split. */
function examplesOf(split: string): string[] {
  return [`x_${split}`, `X_${split}`, `${split}_x`, `${split}_X`, `${split}_images`, `${split}_data`];
}

/** `x_train` goes with `y_train`, `train_images` with `train_labels`. */
function labelNames(examples: string): string[] {
  const first = /^[xX]_(\w+)$/.exec(examples)?.[1];
  const last = /^(train|test)_/.exec(examples)?.[1];
  return [
    ...(first ? [`y_${first}`] : []),
    ...(last ? [`${last}_y`, `${last}_labels`] : []),
    'y',
    'labels',
    'label',
    'target',
  ];
}
