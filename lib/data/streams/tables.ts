import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { defined } from '../../check.ts';
import { ioError } from '../../files.ts';
import type { CellCounts } from '../examples/cells.ts';
import { badData, type FileVersion, reopenFile, versionOf } from '../files/source.ts';
import { checkSameColumns } from '../tables/join.ts';
import {
  checkGivenSchema,
  TABLE_SCHEMA_OPTIONS,
  type TableSchema,
  type TableSchemaOptions,
} from '../tables/schema.ts';
import { TableSurvey } from '../tables/survey.ts';
import { AS_ASKED, rowsOf, type Table } from '../tables/table.ts';
import type { Part } from './part.ts';
import {
  addCells,
  type Blocks,
  BlockWalk,
  checkGoesOn,
  type EpochRequest,
  emptyBlock,
  lengthsAsBlocks,
  type Reading,
  type StreamDescription,
  type StreamSource,
} from './source.ts';

/** Files of rows that are read from the beginning to the end. */
export interface RowFiles {
  /** Of the whole, for messages. */
  readonly name: string;
  readonly paths: readonly string[];
  /** For people: what was passed over. */
  readonly notes?: readonly string[];
  /** The rows of a file in pieces, each of which knows how many come before it. */
  tables(path: string, schema: TableSchema | undefined): AsyncGenerator<Table, void, undefined>;
}

/** How rows become examples. */
export interface RowOptions extends TableSchemaOptions {
  /** The schema of the training data: nothing is learned then, and the options of learning have no effect. */
  schema?: TableSchema | undefined;
}

/** The keys of {@link RowOptions}. */
export const ROW_OPTIONS = ['schema', ...TABLE_SCHEMA_OPTIONS] as const;

/** What a compressed byte of text holds, roughly. */
const PACKED = 5;

/** Bytes that the examples of a table of text would take in memory, roughly: as many as the text. */
export async function textSize(path: string): Promise<number> {
  const { size } = await stat(path).catch((cause) => {
    throw ioError('read', path, cause);
  });
  return size * (/\.gz$/i.test(path) ? PACKED : 1);
}

/**
 * The rows of files, read anew in every epoch, a piece at a time; the files come in a random order. A first pass over all rows learns the
 * schema, with the same numbers as in memory.
 *
 * @param training gives the rows that the schema is learned from; it takes a pass that counts them
 * @throws TorchvaeError what the files' readers and `TableSchema.learn` throw; ERR_ABORTED
 */
export async function openRowStream(
  files: RowFiles,
  { schema: given, ...learning }: RowOptions,
  signal: AbortSignal,
  training?: (length: number) => Part,
): Promise<StreamSource> {
  checkGivenSchema(given);
  const { name, paths } = files;
  const versions = await Promise.all(paths.map(versionOf));
  const forRows = given?.forRows(learning.labelColumn);
  const part = training?.((await countsOf(files, forRows, signal)).reduce((sum, count) => sum + count, 0));
  const survey = new TableSurvey(name, learning, given);
  let before = 0;
  const counts = await countsOf(files, forRows, signal, (table) => {
    survey.add(table, part?.rows(before, before + table.length));
    before += table.length;
  });
  const { schema, reading, ...found } = survey.finish();
  const leftOut = schema.leftOut.filter(({ reason }) => reason !== AS_ASKED);
  const description: StreamDescription = {
    ...found,
    name: basename(name),
    shape: [schema.size],
    isBytes: false,
    isSequential: true,
    schema,
    notes: [
      ...(files.notes ?? []),
      ...leftOut.map(({ name: column, reason }) => `column ${column} was left out: ${reason}`),
      ...found.notes,
    ],
  };
  const blocks = lengthsAsBlocks(counts);
  const { onMissing } = learning;
  return {
    ...description,
    open: async (request) =>
      new RowReading(files, versions, blocks, description, {
        ...request,
        reading,
        ...defined({ onMissing }),
      }),
  };
}

/** The rows of each file, in a pass that `visit` may look on at. */
async function countsOf(
  files: RowFiles,
  schema: TableSchema | undefined,
  signal: AbortSignal,
  visit: (table: Table) => void = () => {},
): Promise<number[]> {
  let first: Pick<Table, 'name' | 'columns'> | undefined;
  const counts: number[] = [];
  for (const path of files.paths) {
    let count = 0;
    for await (const table of files.tables(path, schema)) {
      checkGoesOn(files.name, signal);
      first ??= { name: table.name, columns: table.columns };
      if (!schema) checkSameColumns(first, table);
      visit(table);
      count += table.length;
    }
    counts.push(count);
  }
  return counts;
}

/** Gives the rows of a file after another, in the order of the request. */
class RowReading implements Reading {
  readonly #files: RowFiles;
  readonly #versions: readonly FileVersion[];
  readonly #blocks: Blocks;
  readonly #description: StreamDescription;
  readonly #schema: TableSchema;
  readonly #how: Parameters<TableSchema['encode']>[1];
  readonly #signal: AbortSignal;
  readonly #walk: BlockWalk;
  /** The file that is being read, the piece of it that was read last, and the rows before that. */
  #file = -1;
  #pieces: AsyncGenerator<Table, void, undefined> | undefined;
  #piece: Table | undefined;
  #before = 0;

  constructor(
    files: RowFiles,
    versions: readonly FileVersion[],
    blocks: Blocks,
    description: StreamDescription,
    {
      onMissing,
      reading,
      ...request
    }: EpochRequest & Pick<TableSchemaOptions, 'onMissing'> & { reading: TableSchema },
  ) {
    this.#files = files;
    this.#versions = versions;
    this.#blocks = blocks;
    this.#description = description;
    this.#schema = reading;
    const onUnseen = request.isHeldOut ? ('leave' as const) : undefined;
    this.#how = { ...defined({ onMissing, onUnseen }), onUnknownLabel: 'other' };
    this.#signal = request.signal;
    this.#walk = new BlockWalk(blocks, request);
  }

  async read(count: number) {
    const into = emptyBlock(this.#description, count);
    const size = this.#description.shape[0]!;
    let cells: CellCounts | undefined;
    for (const { block, first, span, rows, at: start } of this.#walk.take(count)) {
      let at = start;
      let next = 0;
      for (let row = first; row < first + span; ) {
        const table = await this.#pieceAt(block, row);
        const end = Math.min(first + span, this.#before + table.length);
        const wanted: number[] = [];
        if (!rows) for (let i = row; i < end; i++) wanted.push(i - this.#before);
        else
          for (; next < rows.length && first + rows[next]! < end; next++)
            wanted.push(first + rows[next]! - this.#before);
        row = end;
        if (wanted.length === 0) continue;
        const part = this.#schema.encode(rowsOf(table, wanted), this.#how);
        into.data.set(part.data, at * size);
        if (part.labels) into.labels?.set(part.labels, at);
        cells = addCells(cells, part.cells, at, count);
        at += wanted.length;
      }
    }
    return { ...into, cells };
  }

  async close(): Promise<void> {
    await this.#pieces?.return().catch(() => {});
    this.#pieces = undefined;
  }

  /** The piece of the file that holds this row. */
  async #pieceAt(file: number, row: number): Promise<Table> {
    if (file !== this.#file || row < this.#before) await this.#begin(file);
    while (!this.#piece || row >= this.#before + this.#piece.length) {
      checkGoesOn(this.#files.name, this.#signal);
      const { value, done } = await this.#pieces!.next();
      if (done) throw this.#shorter(file, row);
      this.#before += this.#piece?.length ?? 0;
      this.#piece = value;
    }
    return this.#piece;
  }

  async #begin(file: number): Promise<void> {
    await this.close();
    const path = this.#files.paths[file]!;
    await (await reopenFile(path, this.#versions[file]!)).close();
    this.#file = file;
    this.#pieces = this.#files.tables(path, this.#schema);
    this.#piece = undefined;
    this.#before = 0;
  }

  #shorter(file: number, row: number): Error {
    const rows = this.#blocks.start(file + 1) - this.#blocks.start(file);
    return badData(
      this.#files.paths[file]!,
      `expected ${rows} rows, as at first, but there is no row ${row + 1}; leave the file alone until the end`,
    );
  }
}
