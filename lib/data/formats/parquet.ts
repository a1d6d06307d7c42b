import { stat } from 'node:fs/promises';
import type { Dataset } from '../dataset.ts';
import { badData } from '../files/source.ts';
import type { Learnable } from '../learnable.ts';
import { only, refuseOthers } from '../options.ts';
import { joinedTables } from '../tables/join.ts';
import { TABLE_ROWS_OPTIONS, type TableRowsOptions, tableRows, tableSchema } from '../tables/rows.ts';
import { checkLearning, TABLE_SCHEMA_OPTIONS } from '../tables/schema.ts';
import type { Table } from '../tables/table.ts';
import { beginsWith, type Format } from './format.ts';
import type { ImageSource } from './images/decoder.ts';
import { IMAGE_OPTIONS, type ImageFolderOptions, loadImages } from './images/folder.ts';
import { joinedImages } from './images/join.ts';
import { PARQUET_OPTIONS, type ParquetOptions, readParquet } from './parquet/reader.ts';
import { openParquetStream, PARQUET_STREAM_OPTIONS, type ParquetStreamOptions } from './parquet/stream.ts';

/** The size in memory as a rough multiple of the file's size. */
const RATIO = 8;

/** The options for a file of rows, and for one of images. */
const OF_TABLES: readonly string[] = ['columns', 'missing', ...TABLE_ROWS_OPTIONS];
const OF_IMAGES: readonly string[] = ['columns', 'labelColumn', ...IMAGE_OPTIONS];

/**
 * The rows or images of all files, one after the other.
 *
 * @param name of the whole
 * @param notes for people, of the files
 * @throws TorchvaeError what `readParquet` throws; ERR_DATA_FORMAT for rows beside images, or other columns than those of the first file
 */
export async function readFiles(
  name: string,
  paths: readonly string[],
  options: ParquetOptions & TableRowsOptions & ImageFolderOptions,
  notes: readonly string[] = [],
): Promise<Dataset | Learnable> {
  // They are sent to another process, which not all values can be.
  checkLearning(only(options, TABLE_SCHEMA_OPTIONS));
  const tables: Table[] = [];
  const sources: ImageSource[] = [];
  for (const path of paths) {
    const found = await readParquet(path, only(options, PARQUET_OPTIONS), tableSchema(options));
    if ('table' in found) tables.push(found.table);
    else sources.push(found.images);
    if (tables.length > 0 && sources.length > 0)
      throw badData(
        name,
        `expected rows or images in all of its files but ${path} has others; name one of them`,
      );
  }
  refuseOthers('loadDataset', name, options, tables.length > 0 ? OF_TABLES : OF_IMAGES);
  if (tables.length > 0)
    return tableRows({ ...joinedTables(name, tables), notes }, only(options, TABLE_ROWS_OPTIONS));
  return loadImages(joinedImages(name, sources, notes), only(options, IMAGE_OPTIONS));
}

/** Parquet files of rows, or of images as the library datasets of Hugging Face writes them. */
export const parquet: Format<ParquetOptions & TableRowsOptions & ImageFolderOptions, ParquetStreamOptions> = {
  name: 'Parquet file',
  extensions: ['.parquet'],
  detect: (found) => beginsWith(found, Buffer.from('PAR1')),
  options: [...OF_TABLES, ...IMAGE_OPTIONS],
  read: (path, options) => readFiles(path, [path], options),
  readTable: async (path, options) => {
    const found = await readParquet(path, only(options, PARQUET_OPTIONS), tableSchema(options));
    if ('table' in found) return found.table;
    throw badData(path, 'expected rows of a table but it holds images; name the file of images itself');
  },
  stream: {
    options: PARQUET_STREAM_OPTIONS,
    open: openParquetStream,
    sizeInMemory: async (path) => RATIO * (await stat(path)).size,
  },
};
