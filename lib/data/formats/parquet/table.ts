import { checkOptions, checkPath } from '../../../check.ts';
import { checkColumnTypes } from '../../tables/column-types.ts';
import type { Column, ColumnType, Table } from '../../tables/table.ts';
import { ParquetProcess } from './process.ts';

const MAX_FILE = 2 ** 32;

/**
 * Reads a table from a Parquet file: columns of numbers, texts, truth values and points in time (as milliseconds), with any of
 * the usual encodings and compressions. It is read in a process of its own, whose memory is bounded, since a small file can promise a lot.
 *
 * @param options.columns what columns are taken for, where their type does not tell
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for a file that is truncated, corrupt, has nested columns or unpacks to more than a
 * file of its size may, naming the column and offset
 */
export async function readParquet(
  path: string,
  options: { columns?: Readonly<Record<string, ColumnType>> } = {},
): Promise<Table> {
  checkPath('path', path);
  const columns = checkColumnTypes(checkOptions('options of readParquet', options, ['columns']).columns);
  const process = await ParquetProcess.start(path, { maxFile: MAX_FILE, timeLimit: Infinity });
  try {
    await process.ask({ type: 'open', path, columns });
    const found: Column[] = [];
    const table = await process.ask<Omit<Table, 'columns'>>({ type: 'table' }, (column) =>
      found.push(column),
    );
    return { ...table, columns: found };
  } finally {
    await process.close();
  }
}
