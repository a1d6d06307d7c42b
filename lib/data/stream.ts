import {
  checkInteger,
  checkOneOf,
  checkOptions,
  checkPath,
  checkSignal,
  defined,
  expected,
} from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { checkFractions, SPLIT_OPTIONS, type SplitOptions } from './examples/split.ts';
import type { WindowOptions } from './examples/windows.ts';
import { badData } from './files/source.ts';
import { splitPath } from './files/split-folders.ts';
import type { CsvOptions } from './formats/csv/reader.ts';
import { formatOf } from './formats/detect.ts';
import type { ImageFolderOptions } from './formats/images/folder.ts';
import { FORMATS } from './formats/list.ts';
import type { NpzOptions } from './formats/npz.ts';
import type { ParquetStreamOptions } from './formats/parquet/stream.ts';
import { inOrder } from './learnable.ts';
import { refuseOthers } from './options.ts';
import type { DataSchema } from './schema.ts';
import { STREAM_OPTIONS, StreamedDataset, type StreamOptions } from './streamed-dataset.ts';
import { checkStreamDivision, divide, type Part } from './streams/part.ts';
import { NEVER, partOf, type StreamSource } from './streams/source.ts';
import { checkWindowLength, strideAlone } from './tables/rows.ts';
import type { TextSchemaOptions } from './text/learner.ts';

/** How {@link streamDataset} reads. */
export interface StreamPathOptions
  extends StreamOptions,
    CsvOptions,
    ImageFolderOptions,
    NpzOptions,
    TextSchemaOptions,
    Omit<ParquetStreamOptions, 'schema'> {
  /** The schema of the training data: nothing is learned then. Default: learned from these data. */
  schema?: DataSchema | undefined;
  /** Of a folder with the folders `train` and `test`, and of a .npz file with `x_train` and `x_test`. Default `train`. */
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
/** Those of what is not streamed have no meaning here, as one of another format has none. */
const OPTIONS = [
  ...new Set(FORMATS.flatMap(({ options, stream }) => [...options, ...(stream?.options ?? [])])),
].filter((option) => option !== 'split' && !WINDOWS.includes(option));

/**
 * The examples at a path as a stream, for data larger than memory: a .npy, .npz or IDX file, which is read by positions as examples are
 * needed, or from the beginning to the end if it is compressed; a folder of images, which are decoded anew in every epoch; a Parquet file, whose
 * row groups are decoded one by one in a separate process; a table of text, JSON lines or lines of text, which are read from the beginning to
 * the end; or a folder of such tables. They become the same examples as with `loadDataset`.
 *
 * @throws TorchvaeError ERR_RANGE for a path where there is nothing, and for an option of another kind of data; ERR_DATA_FORMAT for
 * what cannot be streamed; ERR_ABORTED; what `loadDataset` throws
 */
export async function streamDataset(
  folderOrFile: string,
  options: StreamPathOptions = {},
): Promise<StreamedDataset> {
  const { source, window, windows } = await open('streamDataset', folderOrFile, options);
  const stream = new StreamedDataset(source, { window });
  if (!windows) return stream;
  checkWindowLength(source.name, windows.length, stream.length);
  return stream.windows(windows);
}

/**
 * What {@link streamDataset} streams, divided as `StreamedDataset.split` does, or in its order if it makes up windows. Means and categories of
 * tables are learned from the training part alone.
 *
 * @throws TorchvaeError what `streamDataset` and `StreamedDataset.split` throw
 */
export async function streamSplit(
  folderOrFile: string,
  split: SplitOptions & { validation: number },
  options: StreamPathOptions = {},
): Promise<{ train: StreamedDataset; validation: StreamedDataset }> {
  const { validation, ...rest } = checkOptions('split', split, ['validation', ...SPLIT_OPTIONS]);
  const fractions = checkFractions(validation, undefined);
  const isSeries = options.windowLength !== undefined;
  const name = checkPath('path', folderOrFile);
  const division = checkStreamDivision(name, isSeries ? inOrder(rest, name) : rest);
  let parts: Part[] | undefined;
  const divided = (length: number): Part[] => {
    parts ??= divide(name, length, fractions, division);
    return parts;
  };
  const { source, window, windows } = await open(
    'streamSplit',
    name,
    options,
    (length) => divided(length)[0]!,
  );
  const [train, held] = divided(source.length).map((part, i) => {
    const stream = new StreamedDataset(partOf(source, part, i === 1), { window });
    if (!windows) return stream;
    checkWindowLength(source.name, windows.length, stream.length);
    return stream.windows(windows);
  });
  return { train: train!, validation: held! };
}

async function open(
  what: string,
  folderOrFile: string,
  options: StreamPathOptions,
  training?: (length: number) => Part,
): Promise<{ source: StreamSource; window: number | undefined; windows: WindowOptions | undefined }> {
  const {
    window,
    signal = NEVER,
    split = 'train',
    windowLength,
    stride,
    ...others
  } = checkOptions(`options of ${what}`, options, ['split', ...WINDOWS, ...STREAM_OPTIONS, ...OPTIONS]);
  checkOneOf('split', split, ['train', 'test']);
  checkSignal(signal);
  const path = splitPath(checkPath('path', folderOrFile), split);
  if (window !== undefined) checkInteger('window', window, 1);
  const format = await formatOf(path, others.schema?.type);
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
  refuseOthers(what, path, { ...others, windowLength }, [...format.stream.options, ...rows]);
  // Of the format of all files of a folder, their names say which split they are of.
  const ofSplit = format.stream.options.includes('split') && { split };
  const source = await format.stream.open(path, { ...defined(others), ...ofSplit }, signal, training);
  if (windowLength === undefined) return { source, window, windows: undefined };
  // The format may also hold images.
  if (!source.schema) refuseOthers(what, path, { windowLength }, []);
  return { source, window, windows: { length: windowLength, ...(stride !== undefined && { stride }) } };
}
