import { stat } from 'node:fs/promises';
import { defined } from '../../check.ts';
import type { ColumnType } from '../tables/column-types.ts';
import { TABLE_ROWS_OPTIONS, type TableRowsOptions, tableRows, tableSchema } from '../tables/rows.ts';
import { beginsWith, type Format } from './format.ts';
import { openParquetStream, PARQUET_STREAM_OPTIONS, type ParquetStreamOptions } from './parquet/stream.ts';
import { readParquet } from './parquet/table.ts';

/** The size in memory as a rough multiple of the file's size. */
const RATIO = 8;

/** Parquet tables. */
export const parquet: Format<
  { columns?: Readonly<Record<string, ColumnType>> } & TableRowsOptions,
  ParquetStreamOptions
> = {
  name: 'Parquet file',
  extensions: ['.parquet'],
  detect: (found) => beginsWith(found, Buffer.from('PAR1')),
  options: ['columns', ...TABLE_ROWS_OPTIONS],
  read: async (path, { columns, ...learning }) =>
    tableRows(await readParquet(path, defined({ columns }), tableSchema(learning)), learning),
  stream: {
    options: PARQUET_STREAM_OPTIONS,
    open: openParquetStream,
    sizeInMemory: async (path) => RATIO * (await stat(path)).size,
  },
};
