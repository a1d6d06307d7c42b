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
import type { OnMissing } from '../../tables/encoding.ts';
import type { TableSchema } from '../../tables/schema.ts';
import { placeOf } from '../../tables/table.ts';
import { elementName, oddList, widthIn } from '../../tables/vectors.ts';
import { type CellReader, type ColumnShape, cellReader, classesOf, shapeOf } from './columns.ts';
import { checkPages } from './pages.ts';

/** First rows that are looked at for the length of their lists. */
const LOOKED_AT = 1000;

/** The types of columns that the caller sets. */
export type ColumnTypes = Readonly<Record<string, ColumnType>>;

/** A column of encoded images, as rows of it are read. */
export interface ImageRows {
  /** The encoded image; undefined where it is missing. */
  readonly bytes: (Uint8Array | undefined)[];
  readonly labels: unknown[];
}

/** What the columns of a table are made of. */
interface Layout {
  /** The names of all columns; those of the numbers of vectors are `emb[0]`, `emb[1]` and so on. */
  readonly names: readonly string[];
  readonly types: ColumnTypes;
  /** Where the value of each column is: in which column of the file, and in which place of its vector. */
  readonly places: readonly { readonly column: string; readonly element?: number }[];
  /** Numbers in the vectors of each column of vectors. */
  readonly widths: ReadonlyMap<string, number>;
  /** Whether bad cells are counted, instead of refusing the file. */
  readonly isLenient: boolean;
  readonly missing?: readonly string[] | undefined;
}

/** A Parquet file whose footer was read. The parser trusts the file, so use this in a separate process only. */
export class ParquetFile {
  /** Rows of each row group. */
  readonly groupRows: readonly number[];
  readonly #file: SourceFile;
  readonly #buffer: AsyncBuffer;
  readonly #metadata: FileMetaData;
  readonly #shapes: ReadonlyMap<string, ColumnShape>;
  /** What makes cells of the parser's values, where these are not. */
  readonly #cells: ReadonlyMap<string, CellReader>;
  #layout: Layout = { names: [], types: {}, places: [], widths: new Map(), isLenient: false };

  private constructor(file: SourceFile, metadata: FileMetaData, columns: readonly SchemaTree[]) {
    this.#file = file;
    this.#buffer = asyncBuffer(file);
    this.#metadata = metadata;
    this.#shapes = new Map(columns.map((column) => [column.element.name, shapeOf(column)]));
    this.#cells = new Map(
      columns.flatMap(({ element }) => {
        const read = cellReader(element);
        return read ? [[element.name, read] as const] : [];
      }),
    );
    this.groupRows = metadata.row_groups.map(({ num_rows: rows }) => Number(rows));
  }

  /** @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT */
  static async open(file: SourceFile): Promise<ParquetFile> {
    const { path } = file;
    const [metadata, columns] = await attempt(path, 'its footer', async () => {
      const footer = await parquetMetadataAsync(asyncBuffer(file), { geoparquet: false });
      return [footer, parquetSchema(footer).children] as const;
    });
    const names = columns.map(({ element }) => element.name);
    const twice = names.find((name, i) => names.indexOf(name) < i);
    if (twice === undefined) return new ParquetFile(file, metadata, columns);
    throw badData(
      path,
      `expected columns of different names but ${JSON.stringify(twice)} comes twice; rename one`,
    );
  }

  /** The columns of encoded images. */
  get imageColumns(): string[] {
    return [...this.#shapes.keys()].filter((name) => this.#shapes.get(name) === 'image');
  }

  /** The names of all columns of the file. */
  get columnNames(): string[] {
    return [...this.#shapes.keys()];
  }

  /** The names of the classes of a column, if the file has them. */
  classesOf(column: string): string[] | undefined {
    return classesOf(this.#metadata, column);
  }

  /**
   * Settles what the columns of tables are. The first row says how long vectors are.
   *
   * @param given the types of columns
   * @param cells the texts that stand for a missing value, and what missing values do
   * @param schema for which the rows are read: it says what the columns are
   * @returns the names of the columns that are read
   * @throws TorchvaeError ERR_RANGE for a column that the file does not have, ERR_DATA_FORMAT for one that is nested
   */
  async settle(
    given: ColumnTypes,
    { missing, onMissing }: { missing?: readonly string[] | undefined; onMissing?: OnMissing | undefined },
    schema?: TableSchema,
  ): Promise<string[]> {
    const isIgnored = (name: string) => Object.hasOwn(given, name) && given[name] === 'ignore';
    const vectors = this.columnNames.filter(
      (name) => this.#shapes.get(name) === 'vector' && !isIgnored(name),
    );
    const widths = await this.#widthsOf(vectors, new Set(schema?.fields.map((field) => field.name)));
    const places = this.columnNames.flatMap((column): Layout['places'] => {
      const width = widths.get(column);
      if (width === undefined) return [{ column }];
      return Array.from({ length: width }, (_, element) => ({ column, element }));
    });
    const names = places.map(({ column, element }) =>
      element === undefined ? column : elementName(column, element),
    );
    const types = schema?.typesOf(this.#file.path, names, given) ?? { ...ignoredIndex(names), ...given };
    const wanted = names.filter((name) => !Object.hasOwn(types, name) || types[name] !== 'ignore');
    const nested = wanted.find((name) => ['image', 'nested'].includes(this.#shapes.get(name) ?? 'value'));
    if (nested !== undefined) throw nestedColumn(this.#file.path, nested);
    this.#layout = {
      names,
      types,
      places,
      widths,
      isLenient: schema?.isLenient(onMissing) ?? false,
      missing,
    };
    return wanted;
  }

  /** Collects rows of this file from row `first` on. */
  builder(first = 0): TableBuilder {
    const { names, types, isLenient, missing } = this.#layout;
    return new TableBuilder(this.#file.path, names, { types, first, isLenient, missing });
  }

  /** The place of a row group's first row. */
  start(group: number): number {
    return this.groupRows.slice(0, group).reduce((sum, rows) => sum + rows, 0);
  }

  /** @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT naming the row group, and the column and offset or row */
  async addGroup(index: number, builder: TableBuilder): Promise<void> {
    const { names, types, places, widths, isLenient } = this.#layout;
    const isWanted = (name: string) => !Object.hasOwn(types, name) || types[name] !== 'ignore';
    const columns = [...new Set(places.filter((_, i) => isWanted(names[i]!)).map(({ column }) => column))];
    const rows = await this.#rowsOf(index, columns, names.length);
    const cells = places.map(({ column, element }) => ({ at: columns.indexOf(column), element }));
    const vectors = columns.map((column) => widths.get(column));
    const readers = columns.map((column) => this.#cells.get(column));
    rows.forEach((row, i) => {
      readers.forEach((read, at) => {
        if (!read) return;
        const place = () => placeOf(this.start(index) + i, columns[at]!);
        row[at] = read(row[at], (trouble) => badData(this.#file.path, `${place()}: ${trouble}`));
      });
      vectors.forEach((width, at) => {
        const { length = 0 } = (row[at] ?? {}) as { length?: number };
        if (width === undefined || length === width) return;
        // A list of nothing is a vector of missing numbers.
        if (length === 0) row[at] = null;
        else if (isLenient) row[at] = oddList(width, length);
        else throw otherWidth(this.#file.path, placeOf(this.start(index) + i, columns[at]!), width, length);
      });
      builder.add(
        cells.map(({ at, element }) =>
          element === undefined ? row[at] : (row[at] as ArrayLike<unknown> | null)?.[element],
        ),
      );
    });
  }

  /** The images of a row group, with the values of another column. */
  async images(index: number, column: string, label: string | undefined): Promise<ImageRows> {
    const columns = label === undefined ? [column] : [column, label];
    const rows = await this.#rowsOf(index, columns, columns.length);
    return {
      bytes: rows.map(([image]) => (image as { bytes?: Uint8Array } | null)?.bytes ?? undefined),
      labels: rows.map(([, value]) => value),
    };
  }

  /** @param known the columns of a schema, which say how many numbers the lists have; else the first list does */
  async #widthsOf(
    columns: readonly string[],
    known: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, number>> {
    const group = this.groupRows.findIndex((rows) => rows > 0);
    if (columns.length === 0 || group < 0) return new Map();
    const rows = await this.#rowsOf(group, columns, columns.length, LOOKED_AT);
    return new Map(
      columns.map((column, i) => {
        const lengths = rows.map((row) => ((row[i] ?? []) as ArrayLike<unknown>).length);
        const width = widthIn(known, column) ?? lengths.find((length) => length > 0);
        if (width !== undefined) return [column, width];
        throw badData(
          this.#file.path,
          `${placeOf(this.start(group), column)}: expected a list of numbers, which says how many there are, but the first ` +
            `${rows.length} rows have none; ignore the column, or put a row that has one first`,
        );
      }),
    );
  }

  /** @param width cells that a row becomes */
  #rowsOf(index: number, columns: readonly string[], width: number, most = Infinity): Promise<unknown[][]> {
    const count = this.groupRows[index]!;
    return attempt(this.#file.path, `row group ${index}`, async () => {
      if (!(count >= 0 && count * width <= MAX_CELLS)) throw new Error(`it promises ${count} rows`);
      await checkGroup(this.#buffer, this.#metadata.row_groups[index]!, columns, count);
      if (count === 0) return [];
      const wanted = Math.min(count, most);
      let found: unknown[][] = [];
      await parquetRead({
        file: this.#buffer,
        metadata: this.#metadata,
        columns: [...columns],
        rowStart: this.start(index),
        rowEnd: this.start(index) + wanted,
        compressors,
        // Only the bytes of images have to stay bytes; texts are marked as such beside them.
        utf8: columns.every((column) => this.#shapes.get(column) !== 'image'),
        rowFormat: 'array',
        onComplete: (rows: unknown[][]) => {
          found = rows;
        },
      });
      if (found.length !== wanted) throw new Error(`it has ${found.length} rows where ${wanted} should be`);
      return found;
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
    const [name, ...inner] = chunk?.path_in_schema ?? [];
    if (!chunk || !wanted.includes(name!)) continue;
    const start = Number(chunk.dictionary_page_offset || chunk.data_page_offset);
    const length = Number(chunk.total_compressed_size);
    try {
      // Of a list there are more values than rows; the footer says how many.
      const values = inner.length === 0 ? rows : Number(chunk.num_values);
      if (!(values <= MAX_CELLS)) throw new Error(`it promises ${values} values`);
      checkPages((await file.slice(start, start + length)) as ArrayBuffer, chunk, values);
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

function nestedColumn(path: string, name: string): TorchvaeError {
  const what = 'expected one value or a list of numbers a row but it is nested';
  return badData(path, `column ${JSON.stringify(name)}: ${what}; ignore it, or write it out`);
}

function otherWidth(path: string, place: string, width: number, found: number): TorchvaeError {
  const advice = 'cut or fill the lists to one length, or ignore the column';
  return badData(path, `${place}: expected ${width} numbers, as before, but received ${found}; ${advice}`);
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
