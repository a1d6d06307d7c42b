import { stat } from 'node:fs/promises';
import { badData } from '../files/source.ts';
import { only, refuseOthers } from '../options.ts';
import { TABLE_ROWS_OPTIONS, type TableRowsOptions, tableRows, tableSchema } from '../tables/rows.ts';
import { beginsWith, type Format } from './format.ts';
import { IMAGE_OPTIONS, type ImageFolderOptions, loadImages } from './images/folder.ts';
import { PARQUET_OPTIONS, type ParquetOptions, readParquet } from './parquet/reader.ts';
import { openParquetStream, PARQUET_STREAM_OPTIONS, type ParquetStreamOptions } from './parquet/stream.ts';

/** The size in memory as a rough multiple of the file's size. */
const RATIO = 8;

/** The options for a file of rows, and for one of images. */
const OF_TABLES: readonly string[] = ['columns', 'missing', ...TABLE_ROWS_OPTIONS];
const OF_IMAGES: readonly string[] = ['columns', 'labelColumn', ...IMAGE_OPTIONS];

/** Parquet files of rows, or of images as the library datasets of Hugging Face writes them. */
export const parquet: Format<ParquetOptions & TableRowsOptions & ImageFolderOptions, ParquetStreamOptions> = {
  name: 'Parquet file',
  extensions: ['.parquet'],
  detect: (found) => beginsWith(found, Buffer.from('PAR1')),
  options: [...OF_TABLES, ...IMAGE_OPTIONS],
  read: async (path, options) => {
    const found = await readParquet(path, only(options, PARQUET_OPTIONS), tableSchema(options));
    if ('table' in found) {
      refuseOthers('loadDataset', path, options, OF_TABLES);
      return tableRows(found.table, only(options, TABLE_ROWS_OPTIONS));
    }
    refuseOthers('loadDataset', path, options, OF_IMAGES);
    return loadImages(found.images, only(options, IMAGE_OPTIONS));
  },
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
