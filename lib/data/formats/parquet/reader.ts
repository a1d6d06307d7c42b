import { checkOptions, checkPath } from '../../../check.ts';
import { type ColumnType, checkColumnTypes } from '../../tables/column-types.ts';
import type { OnMissing } from '../../tables/encoding.ts';
import { checkMissing } from '../../tables/missing.ts';
import type { TableSchema } from '../../tables/schema.ts';
import type { Column, Table } from '../../tables/table.ts';
import type { ImageSource } from '../images/decoder.ts';
import type { Opened } from './child.ts';
import { imagesOfRows } from './images.ts';
import { ParquetProcess } from './process.ts';

const MAX_FILE = 2 ** 32;

/** How a Parquet file is read. */
export interface ParquetOptions {
  /** The types of columns, where the file does not show them. */
  columns?: Readonly<Record<string, ColumnType>> | undefined;
  /** Of a file of images, the column of the labels. */
  labelColumn?: string | undefined;
  /** The texts that stand for a missing value, beside null and NaN. */
  missing?: readonly string[] | undefined;
  /** As the schema's `encode` takes it. */
  onMissing?: OnMissing | undefined;
}

export const PARQUET_OPTIONS = ['columns', 'labelColumn', 'missing', 'onMissing'] as const;

/**
 * Reads a Parquet file: a table with columns of numbers, texts, truth values, points in time and lists of numbers of one length, with
 * any of the usual encodings and compressions; or images. It is read in a separate process with bounded memory, since a small file can
 * state any size.
 *
 * @param schema for which the table is read: it says what the columns are
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for a file that is truncated, corrupt, has nested columns or unpacks to more than a
 * file of its size may, naming the column and offset
 */
export async function readParquet(
  path: string,
  options: ParquetOptions,
  schema?: TableSchema,
): Promise<{ table: Table } | { images: ImageSource }> {
  checkPath('path', path);
  const {
    columns: given,
    labelColumn,
    missing,
    onMissing,
  } = checkOptions('options of readParquet', options, PARQUET_OPTIONS);
  const columns = checkColumnTypes(given);
  checkMissing(missing);
  const process = await ParquetProcess.start([path], { maxFile: MAX_FILE, timeLimit: Infinity });
  try {
    const opened = await process.ask<Opened>({
      type: 'open',
      path,
      columns,
      schema: schema?.toJSON(),
      missing,
      onMissing,
    });
    const { images, groupRows } = opened;
    if (images) {
      return { images: await imagesOfRows(process, path, { groupRows, images }, labelColumn) };
    }
    const found: Column[] = [];
    const table = await process.ask<Omit<Table, 'columns'>>({ type: 'table' }, (column) =>
      found.push(column),
    );
    return { table: { ...table, columns: found } };
  } finally {
    await process.close();
  }
}
