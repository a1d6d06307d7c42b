import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { checkOptions, checkPath } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { checkColumnTypes } from './column-types.ts';
import type { ParquetAnswer, ParquetRequest } from './parquet-child.ts';
import { badData, checkFileSize, withFile } from './source.ts';
import type { Column, ColumnType, Table } from './table.ts';

const MAX_FILE = 2 ** 32;
/** MiB of JavaScript values that reading may take: a base, what a file of MiB adds, and the most. */
const HEAP = { base: 512, perFile: 64, most: 8192 };

/** What is run; tests run what was built of it, as Node 20 cannot run the source. */
const CHILD = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../dist/data/parquet-child.js' : './parquet-child.js',
    import.meta.url,
  ),
);

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
  return ask({ path, columns }, Math.min(HEAP.most, HEAP.base + (HEAP.perFile * size) / 2 ** 20));
}

function ask(request: ParquetRequest, megabytes: number): Promise<Table> {
  return new Promise((resolve, reject) => {
    const child = fork(CHILD, {
      execArgv: [`--max-old-space-size=${Math.ceil(megabytes)}`],
      env: { ...process.env, NODE_OPTIONS: '' },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const columns: Column[] = [];
    child.on('message', (answer: ParquetAnswer) => {
      if ('column' in answer) columns.push(answer.column);
      else if ('table' in answer) resolve({ ...answer.table, columns });
      else reject(new TorchvaeError(answer.code, answer.message));
    });
    child.on('error', (cause) => reject(badData(request.path, `reading it failed: ${cause.message}`, cause)));
    // V8 ends a process that has no memory left; after an answer this comes too late to matter.
    child.on('exit', (code, signal) => {
      const limit = `at most ${Math.ceil(megabytes)} MiB`;
      const trouble = `expected a whole Parquet file that unpacks to ${limit} but reading it ended with ${signal ?? code}`;
      reject(badData(request.path, `${trouble}; it is damaged, or divide it, or ignore columns`));
    });
    child.send(request);
  });
}
