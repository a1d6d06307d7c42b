import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { checkOneOf, checkOptions, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { ioError } from '../../files.ts';
import { Dataset } from '../dataset.ts';
import { checkInside } from '../files/inside.ts';
import { allocate, badData, withFile } from '../files/source.ts';
import type { Format } from './format.ts';

/** Bytes of an image: [3, 32, 32]. */
const PIXELS = 3 * 32 * 32;
/** Far more than the 60,000 of the originals, and still in one array. */
const MAX_IMAGES = 1_000_000;
/** Bytes of a file with the names of classes. */
const MAX_META = 1 << 16;

/** One of the two published sets. */
interface Layout {
  readonly name: string;
  /** Bytes before the pixels: the label, or the superclass and the label. */
  readonly labelBytes: 1 | 2;
  readonly classes: number;
  readonly classFile: string;
  readonly files: Readonly<Record<'train' | 'test', readonly string[]>>;
}

const CIFAR_10: Layout = {
  name: 'cifar-10',
  labelBytes: 1,
  classes: 10,
  classFile: 'batches.meta.txt',
  files: { train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`), test: ['test_batch.bin'] },
};
const CIFAR_100: Layout = {
  name: 'cifar-100',
  labelBytes: 2,
  classes: 100,
  classFile: 'fine_label_names.txt',
  files: { train: ['train.bin'], test: ['test.bin'] },
};
const LAYOUTS = [CIFAR_10, CIFAR_100];
/** Superclasses of CIFAR-100, which become the factor `superclass`. */
const SUPERCLASSES = 20;

/** How {@link loadCifar} reads. */
export interface CifarOptions {
  /** Of a folder. Default `train`. */
  split?: 'train' | 'test';
}

const CIFAR_OPTIONS = ['split'] as const;

/** CIFAR's binary version: its folder by the names in it, one of its files by its extension and length. */
export const cifar: Format<CifarOptions> = {
  name: 'folder or file of CIFAR',
  detect: (found) =>
    found.type === 'folder'
      ? layoutOf(found.names) !== undefined
      : found.extension === '.bin' && found.size > 0 && LAYOUTS.some((layout) => isWhole(found.size, layout)),
  options: CIFAR_OPTIONS,
  read: loadCifar,
  hasTestSet: async (path) => {
    const names = await readdir(path).catch((): string[] => []);
    return !!layoutOf(names)?.files.test.every((name) => names.includes(name));
  },
};

/**
 * CIFAR-10 or CIFAR-100 (Krizhevsky 2009) in its binary version: its folder, or one or several of its files. CIFAR-100's
 * labels are the 100 classes; its 20 superclasses come as the factor `superclass`. Class names are read from the `.txt` file
 * beside the images if it is there.
 *
 * @returns bytes of kind `unit`, shape [3, 32, 32]
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE for arguments, ERR_IO, ERR_DATA_FORMAT for files that are truncated, have labels
 * outside the classes, or are links that lead out of their folder, naming the byte offset
 */
export async function loadCifar(
  source: string | readonly string[],
  options: CifarOptions = {},
): Promise<Dataset> {
  const { split = 'train' } = checkOptions('options of loadCifar', options, CIFAR_OPTIONS);
  checkOneOf('split', split, ['train', 'test']);
  const { layout, files, folder, name } = await find(source, split);
  const sizes = await Promise.all(files.map((file) => withFile(file, async ({ size }) => size)));
  const length = recordLength(layout);
  sizes.forEach((size, i) => {
    if (size > 0 && size % length === 0) return;
    const whole = `whole records of ${length} bytes, as ${layout.name} has,`;
    throw badData(
      files[i]!,
      `expected ${whole} but it has ${size} bytes: ${size % length} too many; it is truncated`,
    );
  });
  const count = sizes.reduce((sum, size) => sum + size / length, 0);
  if (count > MAX_IMAGES)
    throw badData(files[0]!, `expected at most ${MAX_IMAGES} images but there are ${count}`);
  const data = allocate(files[0]!, count * PIXELS, () => new Uint8Array(count * PIXELS));
  const labels = new Int32Array(count);
  const superclasses = new Int32Array(count);
  let start = 0;
  for (const file of files) {
    const bytes = await withFile(file, (opened) => opened.read(0, opened.size));
    // The file may have become shorter since its length was taken.
    const records = Math.min(Math.floor(bytes.length / length), count - start);
    for (let i = 0; i < records; i++, start++) {
      const at = i * length;
      const pixels = at + layout.labelBytes;
      labels[start] = label(bytes, pixels - 1, layout.classes, file);
      if (layout.labelBytes === 2) superclasses[start] = label(bytes, at, SUPERCLASSES, file);
      data.set(bytes.subarray(pixels, at + length), start * PIXELS);
    }
  }
  const classes = await classNames(folder, layout);
  return new Dataset({
    name,
    shape: [3, 32, 32],
    kind: 'unit',
    data,
    labels,
    ...(classes && { classes }),
    ...(layout.labelBytes === 2 && {
      factors: [{ name: 'superclass', size: SUPERCLASSES }],
      factorValues: superclasses,
    }),
  });
}

interface Found {
  layout: Layout;
  files: string[];
  folder: string;
  name: string;
}

async function find(source: string | readonly string[], split: 'train' | 'test'): Promise<Found> {
  if (typeof source !== 'string') return fromFiles(source);
  const found = await stat(source).catch((cause) => {
    throw ioError('read', source, cause);
  });
  if (!found.isDirectory()) return fromFiles([source]);
  const names = await readdir(source).catch((cause) => {
    throw ioError('read', source, cause);
  });
  const layout = layoutOf(names);
  if (!layout) {
    throw badData(
      source,
      'expected a folder with data_batch_1.bin to data_batch_5.bin (CIFAR-10) or train.bin (CIFAR-100)',
    );
  }
  const files = layout.files[split].filter((name) => names.includes(name)).map((name) => join(source, name));
  if (files.length === 0)
    throw badData(source, `expected ${layout.files[split].join(', ')} but none of them is there`);
  for (const file of files) await checkInside(file, source);
  return { layout, files, folder: source, name: `${layout.name} (${split})` };
}

async function fromFiles(files: readonly string[]): Promise<Found> {
  const [first] = Array.isArray(files) ? files : [];
  if (first === undefined || !files.every((file) => typeof file === 'string')) {
    throw new TorchvaeError('ERR_TYPE', expected('a folder or the paths of files', 'source', files));
  }
  const size = await withFile(first, async (file) => file.size);
  const layout = LAYOUTS.find((known) => isWhole(size, known)) ?? CIFAR_10;
  return { layout, files: [...files], folder: dirname(first), name: basename(first) };
}

function layoutOf(names: readonly string[]): Layout | undefined {
  return LAYOUTS.find(({ files }) => [...files.train, ...files.test].some((name) => names.includes(name)));
}

function isWhole(size: number, layout: Layout): boolean {
  return size % recordLength(layout) === 0;
}

function recordLength({ labelBytes }: Layout): number {
  return labelBytes + PIXELS;
}

function label(bytes: Uint8Array, offset: number, classes: number, file: string): number {
  const value = bytes[offset]!;
  if (value < classes) return value;
  throw badData(file, `expected a label from 0 to ${classes - 1} at offset ${offset} but received ${value}`);
}

async function classNames(folder: string, { classFile, classes }: Layout): Promise<string[] | undefined> {
  const path = join(folder, classFile);
  const size = await stat(path).then(
    (found) => (found.isFile() ? found.size : undefined),
    () => undefined,
  );
  if (size === undefined || size > MAX_META) return undefined;
  await checkInside(path, folder);
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw ioError('read', path, cause);
  });
  const names = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (names.length === classes) return names;
  throw badData(path, `expected ${classes} names of classes, one a line, but it has ${names.length}`);
}
