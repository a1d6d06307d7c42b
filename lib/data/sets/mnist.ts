import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory } from '../../cache.ts';
import { checkBoolean, checkOneOf, checkOptions, checkPath, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { Dataset } from '../dataset.ts';
import { type IdxArray, readIdx } from '../formats/arrays/idx-file.ts';
import { download } from './download.ts';
import { FASHION_MNIST, type IdxFile, type IdxSet, MNIST } from './mnist-files.ts';

/** Where {@link mnist} and {@link fashionMnist} find their files. */
export interface MnistOptions {
  /** The 60,000 examples for training or the 10,000 for testing. Default `train`. */
  split?: 'train' | 'test';
  /**
   * The folder with the files, or the folder above it. Default: `TORCHVAE_DATA` if it is set and has them, else the
   * cache (see `cacheDirectory`). A folder given here is the only one looked into, and nothing is downloaded.
   */
  directory?: string;
  /** Whether files found nowhere are downloaded into the cache. Default true, but false where `directory` is given. */
  download?: boolean;
  /** Addresses of folders to download from, tried in this order, instead of the well-known public ones. */
  mirrors?: readonly string[];
}

export const MNIST_OPTIONS = ['split', 'directory', 'download', 'mirrors'] as const;

/**
 * MNIST: 28x28 gray images of handwritten digits, with their labels (LeCun, Cortes and Burges). Looks for the four
 * original files, compressed or not, and downloads what is missing. Whatever is used is checked by its SHA-256.
 *
 * @returns bytes of kind `unit`, shape [1, 28, 28], 60,000 or 10,000 examples, labels 0 to 9
 * @throws TorchvaeError ERR_IO where a file is missing and may not be downloaded, listing where it was looked for;
 * ERR_DATA_FORMAT where a file is damaged or another one of the same name; ERR_DOWNLOAD; ERR_TYPE, ERR_RANGE
 */
export function mnist(options: MnistOptions = {}): Promise<Dataset> {
  return load(MNIST, options);
}

/**
 * Fashion-MNIST: 28x28 gray images of clothing in ten classes, a drop-in for MNIST (Xiao, Rasul and Vollgraf 2017,
 * "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms"). Found, downloaded and checked
 * as {@link mnist} is, with the same result and errors.
 */
export function fashionMnist(options: MnistOptions = {}): Promise<Dataset> {
  return load(FASHION_MNIST, options);
}

async function load(set: IdxSet, options: MnistOptions): Promise<Dataset> {
  const checked = checkOptions(`options of ${set.name}`, options, MNIST_OPTIONS);
  const { directory, download: wanted, mirrors } = checked;
  if (directory !== undefined) checkPath('directory', directory);
  if (wanted !== undefined) checkBoolean('download', wanted);
  if (mirrors !== undefined && !(Array.isArray(mirrors) && mirrors.every((url) => typeof url === 'string'))) {
    throw new TorchvaeError('ERR_TYPE', expected('an array of addresses', 'mirrors', mirrors));
  }
  const split = checkOneOf('split', checked.split ?? 'train', ['train', 'test']);
  const { images, labels } = set.splits[split];
  const pixels = await loadFile(set, images, checked);
  const classes = await loadFile(set, labels, checked);
  return new Dataset({
    name: `${set.name} (${split})`,
    shape: [1, ...images.shape.slice(1)],
    kind: 'unit',
    data: pixels as Uint8Array,
    labels: Int32Array.from(classes as Uint8Array),
    classes: set.classes,
  });
}

async function loadFile(set: IdxSet, file: IdxFile, options: MnistOptions): Promise<IdxArray['data']> {
  const path = (await find(set, file, options)) ?? (await fetchToCache(set, file, options));
  const { shape, data } = await readIdx(path);
  if (shape.join() !== file.shape.join()) {
    fail(path, set, `expected ${file.shape.join(' x ')} elements but received ${shape.join(' x ')}`);
  }
  const found = createHash('sha256').update(data).digest('hex');
  if (found !== file.dataSha256) {
    fail(path, set, `expected data with the SHA-256 ${file.dataSha256} but received ${found}`);
  }
  return data;
}

function fail(path: string, set: IdxSet, trouble: string): never {
  const advice = `It is not the original file of ${set.name}: move it away, or load it by its path instead`;
  throw new TorchvaeError('ERR_DATA_FORMAT', `${path}: ${trouble}. ${advice}.`);
}

/** The first of the places that has the file. */
async function find(set: IdxSet, file: IdxFile, options: MnistOptions): Promise<string | undefined> {
  for (const path of places(set, file, options.directory)) {
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

function places(set: IdxSet, file: IdxFile, directory: string | undefined): string[] {
  const roots = directory ? [directory] : [process.env.TORCHVAE_DATA || undefined, cacheDirectory()];
  return roots
    .filter((root) => root !== undefined)
    .flatMap((root) => [join(root, set.name), root])
    .flatMap((folder) => [join(folder, `${file.name}.gz`), join(folder, file.name)]);
}

async function fetchToCache(set: IdxSet, file: IdxFile, options: MnistOptions): Promise<string> {
  const { directory, download: wanted = directory === undefined, mirrors = set.mirrors } = options;
  if (!wanted || directory !== undefined) {
    const looked = places(set, file, directory).map((path) => `  ${path}`);
    const advice = directory
      ? 'Name the folder that has it'
      : 'Allow the download, or set TORCHVAE_DATA to its folder';
    const message = `Could not find ${file.name} of ${set.name}. ${advice}. Looked for\n${looked.join('\n')}`;
    throw new TorchvaeError('ERR_IO', message);
  }
  const path = join(cacheDirectory(), set.name, `${file.name}.gz`);
  const urls = mirrors.map((mirror) => `${mirror.replace(/\/*$/, '/')}${file.name}.gz`);
  await download({ urls, path, sha256: file.sha256, length: file.length });
  return path;
}
