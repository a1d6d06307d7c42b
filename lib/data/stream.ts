import { checkInteger, checkOneOf, checkOptions, checkPath, defined, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { DataKind } from './examples/checks.ts';
import { badData } from './files/source.ts';
import { splitPath } from './files/split-folders.ts';
import { openNpyStream } from './formats/arrays/npy-stream.ts';
import { kindOf } from './formats/detect.ts';
import { IMAGE_OPTIONS, type ImageFolderOptions } from './formats/images/folder.ts';
import { openImageStream } from './formats/images/stream.ts';
import {
  openParquetStream,
  PARQUET_STREAM_OPTIONS,
  type ParquetStreamOptions,
} from './formats/parquet/stream.ts';
import { STREAM_OPTIONS, StreamedDataset, type StreamOptions } from './streamed-dataset.ts';
import { NEVER } from './streams/source.ts';

/** How {@link streamDataset} reads. */
export interface StreamPathOptions extends StreamOptions, ImageFolderOptions, ParquetStreamOptions {
  /** Of a folder with the folders `train` and `test`. Default `train`. */
  split?: 'train' | 'test';
  /** .npy of numbers other than bytes and truth values: what they are, which spares a pass over all of them. */
  kind?: DataKind;
}

/**
 * The examples at a path as a stream, for data larger than memory: a .npy file, which is read by positions as examples are
 * needed; a folder of images, which are decoded anew in every epoch; or a Parquet file, whose row groups are decoded one by one
 * in a process of their own. They become the same examples as with `loadDataset`.
 *
 * @throws TorchvaeError ERR_RANGE for a path where there is nothing, and for an option of another kind of data; ERR_DATA_FORMAT for
 * what cannot be streamed; ERR_ABORTED; what `loadDataset` throws
 */
export async function streamDataset(
  folderOrFile: string,
  options: StreamPathOptions = {},
): Promise<StreamedDataset> {
  const known = [...STREAM_OPTIONS, ...IMAGE_OPTIONS, ...PARQUET_STREAM_OPTIONS, 'kind', 'split'];
  const {
    window,
    signal = NEVER,
    kind,
    split = 'train',
    ...others
  } = checkOptions('options of streamDataset', options, known);
  const { imageSize, channels, maxPixels, ...ofTable } = others;
  const ofImages = defined({ imageSize, channels, maxPixels });
  checkOneOf('split', split, ['train', 'test']);
  const path = splitPath(checkPath('path', folderOrFile), split);
  if (window !== undefined) checkInteger('window', window, 1);
  switch (await kindOf(path)) {
    case 'npy':
      refuseOptions(path, { ...ofImages, ...ofTable });
      return new StreamedDataset(await openNpyStream(path, { kind, signal }), { window });
    case 'images':
      refuseOptions(path, { kind, ...ofTable });
      return new StreamedDataset(await openImageStream(path, ofImages, signal), { window });
    case 'parquet':
      refuseOptions(path, { kind, ...ofImages });
      return new StreamedDataset(await openParquetStream(path, ofTable, signal), { window });
    case undefined: {
      const what = 'the path of a .npy or Parquet file or of a folder of images';
      throw new TorchvaeError('ERR_RANGE', `${expected(what, 'path', path)}, which does not exist`);
    }
    default:
      throw badData(
        path,
        `expected a .npy or Parquet file or a folder of images; read others by StreamedDataset.from, or whole`,
      );
  }
}

/** An option of another kind of data is a mistake. */
function refuseOptions(path: string, options: object): void {
  const name = Object.entries(options).find(([, value]) => value !== undefined)?.[0];
  if (name === undefined) return;
  throw new TorchvaeError(
    'ERR_RANGE',
    `The option ${name} of streamDataset has no meaning for ${path}; leave it out`,
  );
}
