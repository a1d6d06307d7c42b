import { checkOptions, checkPath } from '../../../check.ts';
import { type ColumnType, checkColumnTypes } from '../../tables/column-types.ts';
import type { TableSchema } from '../../tables/schema.ts';
import type { Column, Table } from '../../tables/table.ts';
import { ParquetProcess } from './process.ts';

const MAX_FILE = 2 ** 32;

/**
 * Reads a table from a Parquet file: columns of numbers, texts, truth values and points in time (as milliseconds), with any of
 * the usual encodings and compressions. It is read in a separate process with bounded memory, since a small file can state any size.
 *
 * @param options.columns the types of columns, where the file does not show them
 * @param schema for which the table is read: it says what the columns are
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for a file that is truncated, corrupt, has nested columns or unpacks to more than a
 * file of its size may, naming the column and offset
 */
export async function readParquet(
  path: string,
  options: { columns?: Readonly<Record<string, ColumnType>> } = {},
  schema?: TableSchema,
): Promise<Table> {
  checkPath('path', path);
  const columns = checkColumnTypes(checkOptions('options of readParquet', options, ['columns']).columns);
  const process = await ParquetProcess.start(path, { maxFile: MAX_FILE, timeLimit: Infinity });
  try {
    await process.ask({ type: 'open', path, columns, schema: schema?.toJSON() });
    const found: Column[] = [];
    const table = await process.ask<Omit<Table, 'columns'>>({ type: 'table' }, (column) =>
      found.push(column),
    );
    return { ...table, columns: found };
  } finally {
    await process.close();
  }
}
