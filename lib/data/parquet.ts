import { Worker } from 'node:worker_threads';
import { checkOptions, checkPath } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { checkColumnTypes } from './column-types.ts';
import type { ParquetAnswer, ParquetRequest } from './parquet-worker.ts';
import { badData, checkFileSize, withFile } from './source.ts';
import type { ColumnType, Table } from './table.ts';

const MAX_FILE = 2 ** 32;
/** MiB of JavaScript values that reading may take: a base, what a file of MiB adds, and the most. */
const HEAP = { base: 512, perFile: 64, most: 8192 };

/** What tests run instead of the sources, which Node 20 cannot. */
const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/data/parquet-worker.js' : './parquet-worker.js',
  import.meta.url,
);

/**
 * Reads a table from a Parquet file: columns of numbers, texts, truth values and points in time (as milliseconds), with any of
 * the usual encodings and compressions. The work is done by a worker whose memory is bounded, since a small file can promise a lot.
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
  const size = await withFile(path, async (file) => {
    checkFileSize(file, MAX_FILE);
    const start = await file.read(0, 4);
    if (file.size < 12 || Buffer.from(start).toString('latin1') !== 'PAR1') {
      throw badData(
        path,
        `expected PAR1 at offset 0 but received ${Buffer.from(start).toString('hex') || 'nothing'}; it is no Parquet file`,
      );
    }
    return file.size;
  });
  const answer = await ask(
    { path, columns },
    Math.min(HEAP.most, HEAP.base + (HEAP.perFile * size) / 2 ** 20),
  );
  if ('table' in answer) return answer.table;
  throw new TorchvaeError(answer.code, answer.message);
}

function ask(request: ParquetRequest, megabytes: number): Promise<ParquetAnswer> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(WORKER, {
      workerData: request,
      resourceLimits: { maxOldGenerationSizeMb: Math.ceil(megabytes) },
    });
    worker.once('message', resolve);
    worker.once('error', (cause: NodeJS.ErrnoException) => {
      const isMemory = cause.code === 'ERR_WORKER_OUT_OF_MEMORY' || cause instanceof RangeError;
      const trouble = isMemory
        ? `expected a file that unpacks to at most ${Math.ceil(megabytes)} MiB but it takes more; divide it, or ignore columns`
        : `expected a whole Parquet file but reading it failed: ${cause.message}`;
      reject(badData(request.path, trouble, cause));
    });
    worker.once('exit', () => reject(badData(request.path, 'reading it ended without a result')));
  });
}
