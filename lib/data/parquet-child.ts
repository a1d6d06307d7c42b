/** Reads a Parquet file in a process of its own, which may run out of memory without harm to that of the user. */
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { TorchvaeError } from '../errors.ts';
import { checkPages } from './parquet-pages.ts';
import { badData, type SourceFile, withFile } from './source.ts';
import { type Column, type ColumnType, MAX_CELLS, type Table, TableBuilder } from './table.ts';

/** What `parquet.ts` asks for. */
export interface ParquetRequest {
  path: string;
  columns: Readonly<Record<string, ColumnType>>;
}

/** What it gets: the columns one by one and then the rest of the table, or the error's code and message. */
export type ParquetAnswer =
  | { column: Column }
  | { table: Omit<Table, 'columns'> }
  | { code: TorchvaeError['code']; message: string };

async function readTable({ path, columns }: ParquetRequest): Promise<Table> {
  return withFile(path, async (file) => {
    const buffer = asyncBuffer(file);
    const metadata = await attempt(path, 'its footer', () =>
      parquetMetadataAsync(buffer, { geoparquet: false }),
    );
    const names = await attempt(path, 'its footer', async () => columnNames(metadata, columns, path));
    const builder = new TableBuilder(path, names, columns);
    const wanted = names.filter((name) => !Object.hasOwn(columns, name) || columns[name] !== 'ignore');
    let first = 0;
    for (const [i, group] of metadata.row_groups.entries()) {
      const rows = Number(group.num_rows);
      await attempt(path, `row group ${i}`, async () => {
        if (!(rows >= 0 && rows * names.length <= MAX_CELLS)) throw new Error(`it promises ${rows} rows`);
        await checkGroup(buffer, group, wanted, rows);
        if (rows > 0) await addRows(buffer, metadata, names, wanted, first, first + rows, builder);
      });
      first += rows;
    }
    return builder.build();
  });
}

async function addRows(
  file: AsyncBuffer,
  metadata: FileMetaData,
  names: readonly string[],
  columns: string[],
  rowStart: number,
  rowEnd: number,
  builder: TableBuilder,
): Promise<void> {
  const places = names.map((name) => columns.indexOf(name));
  const onComplete = (rows: unknown[][]) => {
    if (rows.length !== rowEnd - rowStart)
      throw new Error(`it has ${rows.length} rows where ${rowEnd - rowStart} should be`);
    for (const row of rows) builder.add(places.map((place) => cellOf(row[place])));
  };
  await parquetRead({
    file,
    metadata,
    columns,
    rowStart,
    rowEnd,
    compressors,
    rowFormat: 'array',
    onComplete,
  });
}

/** Points in time become milliseconds. */
function cellOf(value: unknown): unknown {
  return value instanceof Date ? value.getTime() : value;
}

async function checkGroup(
  file: AsyncBuffer,
  { columns }: FileMetaData['row_groups'][number],
  wanted: readonly string[],
  rows: number,
): Promise<void> {
  for (const { meta_data: chunk } of columns) {
    const name = chunk?.path_in_schema.join('.');
    if (!chunk || !wanted.includes(name!)) continue;
    const start = Number(chunk.dictionary_page_offset || chunk.data_page_offset);
    const length = Number(chunk.total_compressed_size);
    try {
      checkPages((await file.slice(start, start + length)) as ArrayBuffer, chunk, rows);
    } catch (cause) {
      throw new Error(`column ${JSON.stringify(name)} at offset ${start}: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
}

/** @throws TorchvaeError for a column that holds more than one value a row */
function columnNames(metadata: FileMetaData, types: ParquetRequest['columns'], path: string): string[] {
  return parquetSchema(metadata).children.map(({ element, children }) => {
    const { name, repetition_type: repetition } = element;
    const isFlat = children.length === 0 && repetition !== 'REPEATED';
    if (isFlat || (Object.hasOwn(types, name) && types[name] === 'ignore')) return name;
    throw badData(
      path,
      `column ${JSON.stringify(name)}: expected one value a row but it is nested; ignore it, or write it out`,
    );
  });
}

/** The file as the library reads it, which asks for what the file says, right or wrong. */
function asyncBuffer(file: SourceFile): AsyncBuffer {
  return {
    byteLength: file.size,
    slice: async (start, end = file.size) => {
      const isWithin = start >= 0 && start <= end && end <= file.size;
      if (!isWithin)
        throw new Error(`it refers to the bytes ${start} to ${end}, but the file has ${file.size}`);
      const bytes = await file.read(start, end - start);
      return bytes.buffer;
    },
  };
}

async function attempt<T>(path: string, place: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof TorchvaeError) throw cause;
    throw badData(
      path,
      `expected a whole Parquet file but ${place} is damaged: ${(cause as Error).message}`,
      cause,
    );
  }
}

/** One message each, as one for all could be longer than a message may be. */
async function answer(request: ParquetRequest): Promise<void> {
  try {
    const { columns, ...table } = await readTable(request);
    for (const column of columns) await send({ column });
    await send({ table });
  } catch (cause) {
    const error = cause instanceof TorchvaeError ? cause : badData(request.path, String(cause), cause);
    await send({ code: error.code, message: error.message });
  }
}

function send(message: ParquetAnswer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send!(message, undefined, undefined, (error) => (error ? reject(error) : resolve()));
  });
}

process.once('disconnect', () => process.exit());
process.once('message', (request: ParquetRequest) => {
  void answer(request).finally(() => process.exit());
});
