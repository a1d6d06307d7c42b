import { readdir, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { ioError } from '../../files.ts';
import { withFile } from '../files/source.ts';
import { NPY_MAGIC } from './arrays/npy-file.ts';
import { isCifarFile, isCifarFolder } from './cifar.ts';

/** What a path can hold. */
export type SourceKind = 'npy' | 'npz' | 'cifar' | 'csv' | 'parquet' | 'text' | 'images' | 'idx';

const EXTENSIONS: Readonly<Record<string, SourceKind>> = {
  '.npy': 'npy',
  '.npz': 'npz',
  '.csv': 'csv',
  '.tsv': 'csv',
  '.parquet': 'parquet',
  '.txt': 'text',
};

/** What files begin with, for those whose name does not tell. */
const MAGICS: readonly (readonly [readonly number[], SourceKind])[] = [
  [[...NPY_MAGIC], 'npy'],
  [[0x50, 0x4b, 3, 4], 'npz'],
  [[0x50, 0x41, 0x52, 0x31], 'parquet'],
];

/**
 * What is at the path, by the extension of a file, else by its first bytes, else IDX; a folder by the names in it: CIFAR, else
 * images. Undefined where there is nothing.
 *
 * @throws TorchvaeError ERR_IO
 */
export async function kindOf(path: string): Promise<SourceKind | undefined> {
  const fail = (cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw ioError('read', path, cause);
  };
  const found = await stat(path).catch(fail);
  if (!found) return undefined;
  if (found.isDirectory()) return isCifarFolder((await readdir(path).catch(fail)) ?? []) ? 'cifar' : 'images';
  const extension = EXTENSIONS[extname(path).toLowerCase()];
  if (extension) return extension;
  if (isCifarFile(path, found.size)) return 'cifar';
  const start = await withFile(path, (file) => file.read(0, 8));
  return MAGICS.find(([magic]) => magic.every((byte, i) => start[i] === byte))?.[1] ?? 'idx';
}
