import { checkInteger, checkOneOf, checkOptions, checkPath, defined, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { badData } from './files/source.ts';
import { splitPath } from './files/split-folders.ts';
import { formatOf } from './formats/detect.ts';
import type { ImageFolderOptions } from './formats/images/folder.ts';
import { FORMATS } from './formats/list.ts';
import type { ParquetStreamOptions } from './formats/parquet/stream.ts';
import { refuseOthers } from './options.ts';
import { STREAM_OPTIONS, StreamedDataset, type StreamOptions } from './streamed-dataset.ts';
import { NEVER } from './streams/source.ts';
import { checkWindowLength, strideAlone } from './tables/rows.ts';

/** How {@link streamDataset} reads. */
export interface StreamPathOptions extends StreamOptions, ImageFolderOptions, ParquetStreamOptions {
  /** Of a folder with the folders `train` and `test`. Default `train`. */
  split?: 'train' | 'test';
  /** Of rows: consecutive ones that make one example; see `StreamedDataset.windows`. Default: each row is one. */
  windowLength?: number;
  /** Rows between the starts of two windows. Default 1. */
  stride?: number;
}

const STREAMED = FORMATS.filter(({ stream }) => stream);
/** `.npy file, Parquet file or folder of images`. */
const STREAMED_NAMES = STREAMED.map(({ name }) => name)
  .join(', ')
  .replace(/, ([^,]*)$/, ' or $1');
/** The options that make windows of rows. */
const WINDOWS: readonly string[] = ['windowLength', 'stride'];
const OPTIONS = STREAMED.flatMap(({ stream }): readonly string[] => stream!.options);

/**
 * The examples at a path as a stream, for data larger than memory: a .npy file, which is read by positions as examples are
 * needed; a folder of images, which are decoded anew in every epoch; or a Parquet file, whose row groups are decoded one by one
 * in a separate process. They become the same examples as with `loadDataset`.
 *
 * @throws TorchvaeError ERR_RANGE for a path where there is nothing, and for an option of another kind of data; ERR_DATA_FORMAT for
 * what cannot be streamed; ERR_ABORTED; what `loadDataset` throws
 */
export async function streamDataset(
  folderOrFile: string,
  options: StreamPathOptions = {},
): Promise<StreamedDataset> {
  const {
    window,
    signal = NEVER,
    split = 'train',
    windowLength,
    stride,
    ...others
  } = checkOptions('options of streamDataset', options, ['split', ...WINDOWS, ...STREAM_OPTIONS, ...OPTIONS]);
  checkOneOf('split', split, ['train', 'test']);
  const path = splitPath(checkPath('path', folderOrFile), split);
  if (window !== undefined) checkInteger('window', window, 1);
  const format = await formatOf(path);
  if (!format) {
    const what = `the path of a ${STREAMED_NAMES}`;
    throw new TorchvaeError('ERR_RANGE', `${expected(what, 'path', path)}, which does not exist`);
  }
  if (!format.stream) {
    const advice =
      'read it whole (loadDataset, or without --stream), or hand its examples over (StreamedDataset.from)';
    throw badData(path, `expected a ${STREAMED_NAMES} but it is a ${format.name}; ${advice}`);
  }
  if (stride !== undefined && windowLength === undefined) throw strideAlone();
  const rows = format.options.filter((option) => WINDOWS.includes(option));
  refuseOthers('streamDataset', path, { ...others, windowLength }, [...format.stream.options, ...rows]);
  const stream = new StreamedDataset(await format.stream.open(path, defined(others), signal), { window });
  if (windowLength === undefined) return stream;
  // The format may also hold images.
  if (!stream.schema) refuseOthers('streamDataset', path, { windowLength }, []);
  checkWindowLength(path, windowLength, stream.length);
  return stream.windows({ length: windowLength, ...(stride !== undefined && { stride }) });
}
