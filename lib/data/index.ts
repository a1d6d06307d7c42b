import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { ioError } from '../files.ts';
import { Dataset } from './dataset.ts';
import { type IdxArray, readIdx } from './idx.ts';
import { fashionMnist, type MnistOptions, mnist } from './mnist.ts';
import { type SpritesOptions, sprites } from './sprites.ts';

export {
  type Binarisation,
  type BinariseOptions,
  type DataKind,
  Dataset,
  type DatasetOptions,
  type Factor,
  type FromOptions,
  type SplitOptions,
} from './dataset.ts';
export type { Values } from './dataset-values.ts';
export { type IdxArray, readIdx } from './idx.ts';
export { fashionMnist, type MnistOptions, mnist } from './mnist.ts';
export { Random } from './random.ts';
export { type SpritesOptions, sprites } from './sprites.ts';

/** Options of {@link loadDataset}; each data set takes its own part of them. */
export interface LoadOptions extends MnistOptions, SpritesOptions {}

/**
 * The `test` split of sprites. Its images are drawn from a seed far from those that people choose, so that they are
 * other draws than the training images; the 737,280 combinations are few enough that some come in both.
 */
const SPRITES_TEST = { count: 5_000, seedOffset: 2 ** 40 };

const KNOWN: Readonly<Record<string, (options: LoadOptions) => Dataset | Promise<Dataset>>> = {
  sprites: loadSprites,
  mnist: ({ size: _size, count: _count, seed: _seed, ...options }) => mnist(options),
  'fashion-mnist': ({ size: _size, count: _count, seed: _seed, ...options }) => fashionMnist(options),
};

/**
 * The data set that a name or a path stands for: `sprites`, `mnist`, `fashion-mnist`, or an IDX file of examples,
 * compressed or not. Bytes of a file are pixels (kind `unit`); other numbers are `binary`, `unit` or `real` by their
 * range. Images get a channel: 60000 x 28 x 28 elements are examples of [1, 28, 28].
 *
 * @throws TorchvaeError ERR_RANGE for a name that is neither known nor a file, and what the data sets throw
 */
export async function loadDataset(nameOrPath: string, options: LoadOptions = {}): Promise<Dataset> {
  const known = ['split', 'directory', 'download', 'mirrors', 'size', 'count', 'seed'];
  const checked = checkOptions('options of loadDataset', options, known);
  if (typeof nameOrPath !== 'string') {
    throw new TorchvaeError('ERR_TYPE', expected('a name or a path', 'data', nameOrPath));
  }
  const load = Object.hasOwn(KNOWN, nameOrPath) ? KNOWN[nameOrPath] : undefined;
  return load ? load(checked) : loadFile(nameOrPath);
}

function loadSprites({ split, size, count, seed = 0 }: LoadOptions): Dataset {
  const test = split === 'test';
  return sprites({
    ...(size !== undefined && { size }),
    ...(count !== undefined ? { count } : test && { count: SPRITES_TEST.count }),
    seed: test && Number.isInteger(seed) ? seed + SPRITES_TEST.seedOffset : seed,
  });
}

async function loadFile(path: string): Promise<Dataset> {
  const found = await stat(path).catch((cause) => {
    if (cause.code !== 'ENOENT') throw ioError('read', path, cause);
  });
  if (!found?.isFile()) {
    const names = Object.keys(KNOWN).join(', ');
    const message = expected(`a known data set (${names}) or the path of an IDX file`, 'data', path);
    throw new TorchvaeError(
      'ERR_RANGE',
      found ? `${message}, which is no file` : `${message}, which does not exist`,
    );
  }
  return fromIdx(await readIdx(path), path);
}

function fromIdx({ shape, data }: IdxArray, path: string): Dataset {
  if (shape.length < 2 || data.length === 0) {
    const message = `${path}: expected examples of at least one number but received an array of ${shape.join(' x ')}`;
    throw new TorchvaeError(
      'ERR_DATA_FORMAT',
      `${message}. Name the file of the examples, not that of the labels.`,
    );
  }
  const inner = shape.slice(1);
  const example = inner.length === 2 ? [1, ...inner] : inner;
  const name = basename(path).replace(/\.gz$/, '');
  if (data instanceof Uint8Array) return new Dataset({ name, shape: example, kind: 'unit', data });
  return Dataset.from(Float64Array.from(data), { name, shape: example });
}
