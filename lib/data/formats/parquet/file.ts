import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
  type SchemaTree,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { TorchvaeError } from '../../../errors.ts';
import { badData, type SourceFile } from '../../files/source.ts';
import { MAX_CELLS, TableBuilder } from '../../tables/builder.ts';
import { type ColumnType, isPandasIndex } from '../../tables/column-types.ts';
import type { TableSchema } from '../../tables/schema.ts';
import { checkPages } from './pages.ts';

/** The types of columns that the caller sets. */
export type ColumnTypes = Readonly<Record<string, ColumnType>>;

/** A Parquet file whose footer was read. The parser trusts the file, so use this in a separate process only. */
export class ParquetFile {
  /** Rows of each row group. */
  readonly groupRows: readonly number[];
  /** The names of all columns. */
  readonly names: readonly string[];
  /** The names of the columns that are read. */
  readonly wanted: readonly string[];
  readonly #file: SourceFile;
  readonly #buffer: AsyncBuffer;
  readonly #metadata: FileMetaData;
  readonly #columns: ColumnTypes;

  private constructor(file: SourceFile, metadata: FileMetaData, names: string[], columns: ColumnTypes) {
    this.#file = file;
    this.#buffer = asyncBuffer(file);
    this.#metadata = metadata;
    this.names = names;
    this.wanted = names.filter((name) => !Object.hasOwn(columns, name) || columns[name] !== 'ignore');
    this.#columns = columns;
    this.groupRows = metadata.row_groups.map(({ num_rows: rows }) => Number(rows));
  }

  /**
   * @param schema for which the rows are read: it says what the columns are
   * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT
   */
  static async open(file: SourceFile, given: ColumnTypes, schema?: TableSchema): Promise<ParquetFile> {
    const { path } = file;
    const metadata = await attempt(path, 'its footer', () =>
      parquetMetadataAsync(asyncBuffer(file), { geoparquet: false }),
    );
    const { children } = await attempt(path, 'its footer', async () => parquetSchema(metadata));
    const names = children.map(({ element }) => element.name);
    const columns = schema?.typesOf(path, names, given) ?? { ...ignoredIndex(names), ...given };
    for (const child of children) checkFlat(child, columns, path);
    return new ParquetFile(file, metadata, names, columns);
  }

  /** Collects rows of this file from row `first` on. */
  builder(first = 0): TableBuilder {
    return new TableBuilder(this.#file.path, this.names, { types: this.#columns, first });
  }

  /** The place of a row group's first row. */
  start(group: number): number {
    return this.groupRows.slice(0, group).reduce((sum, rows) => sum + rows, 0);
  }

  /** @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT naming the row group, and the column and offset or row */
  addGroup(index: number, builder: TableBuilder): Promise<void> {
    const { names, wanted } = this;
    const rows = this.groupRows[index]!;
    return attempt(this.#file.path, `row group ${index}`, async () => {
      if (!(rows >= 0 && rows * names.length <= MAX_CELLS)) throw new Error(`it promises ${rows} rows`);
      await checkGroup(this.#buffer, this.#metadata.row_groups[index]!, wanted, rows);
      if (rows > 0) await this.#addRows(wanted, this.start(index), rows, builder);
    });
  }

  async #addRows(
    columns: readonly string[],
    first: number,
    count: number,
    builder: TableBuilder,
  ): Promise<void> {
    const places = this.names.map((name) => columns.indexOf(name));
    await parquetRead({
      file: this.#buffer,
      metadata: this.#metadata,
      columns: [...columns],
      rowStart: first,
      rowEnd: first + count,
      compressors,
      rowFormat: 'array',
      onComplete: (rows: unknown[][]) => {
        if (rows.length !== count) throw new Error(`it has ${rows.length} rows where ${count} should be`);
        for (const row of rows) builder.add(places.map((place) => row[place]));
      },
    });
  }
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

/** pandas keeps the index of a table as a column. */
function ignoredIndex(names: readonly string[]): ColumnTypes {
  return Object.fromEntries(names.filter(isPandasIndex).map((name) => [name, 'ignore']));
}

/** @throws TorchvaeError ERR_DATA_FORMAT for a column that holds more than one value a row */
function checkFlat({ element, children }: SchemaTree, types: ColumnTypes, path: string): void {
  const { name, repetition_type: repetition } = element;
  const isFlat = children.length === 0 && repetition !== 'REPEATED';
  if (isFlat || (Object.hasOwn(types, name) && types[name] === 'ignore')) return;
  throw badData(
    path,
    `column ${JSON.stringify(name)}: expected one value a row but it is nested; ignore it, or write it out`,
  );
}

/** The file for the parser, which asks for any offset that the file states, right or wrong. */
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
