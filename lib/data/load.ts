import { stat } from 'node:fs/promises';
import { withFile } from './files/source.ts';
import { splitPath } from './files/split-folders.ts';
import { openNpy } from './formats/arrays/npy-file.ts';
import { kindOf } from './formats/detect.ts';
import { imageFolderSize } from './formats/images/folder.ts';

/** What a Parquet file unpacks to, as a multiple of its own size, roughly. */
const PARQUET_RATIO = 8;

/**
 * The bytes that the examples at a path would take in memory, roughly; undefined for what cannot be streamed, so that the
 * question does not matter.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT as the readers do
 */
export async function sizeInMemory(
  folderOrFile: string,
  split: 'train' | 'test',
  imageSize?: number,
): Promise<number | undefined> {
  const path = splitPath(folderOrFile, split);
  switch (await kindOf(path)) {
    case 'npy':
      return withFile(path, async (file) => {
        const { shape, isBytes, isBoolean } = await openNpy(file);
        return shape.reduce((product, extent) => product * extent, isBytes || isBoolean ? 1 : 4);
      });
    case 'parquet':
      return PARQUET_RATIO * (await stat(path)).size;
    case 'images':
      return imageFolderSize(path, imageSize);
    default:
      return undefined;
  }
}
