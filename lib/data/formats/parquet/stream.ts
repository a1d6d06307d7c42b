import { basename } from 'node:path';
import { checkNumber } from '../../../check.ts';
import type { CellCounts } from '../../examples/cells.ts';
import { badData, type FileVersion } from '../../files/source.ts';
import { only, refuseOthers } from '../../options.ts';
import type { Part } from '../../streams/part.ts';
import {
  addCells,
  type Blocks,
  BlockWalk,
  type EpochRequest,
  type ExampleBlock,
  emptyBlock,
  lengthsAsBlocks,
  type Reading,
  type StreamDescription,
  type StreamSource,
} from '../../streams/source.ts';
import { type ColumnType, checkColumnTypes } from '../../tables/column-types.ts';
import { checkSameNames } from '../../tables/join.ts';
import { checkMissing } from '../../tables/missing.ts';
import {
  checkGivenSchema,
  checkLearning,
  TABLE_SCHEMA_OPTIONS,
  TableSchema,
  type TableSchemaJson,
  type TableSchemaOptions,
} from '../../tables/schema.ts';
import { IMAGE_OPTIONS, type ImageFolderOptions } from '../images/folder.ts';
import type { Opened, OpenRequest, ParquetRequest, Surveyed } from './child.ts';
import { openParquetImages } from './image-stream.ts';
import { ParquetProcess, type ProcessLimits } from './process.ts';

/** How a Parquet file of rows or of images is streamed. */
export interface ParquetStreamOptions extends TableSchemaOptions, ImageFolderOptions {
  /** The types of columns, where the file does not show them. */
  columns?: Readonly<Record<string, ColumnType>>;
  /** The schema of the training data: nothing is learned then, and the options of learning have no effect. */
  schema?: TableSchema;
  /** The texts that stand for a missing value, beside null and NaN. */
  missing?: readonly string[];
  /** Seconds that reading one row group may take. Default 120. */
  timeLimit?: number;
}

/** The options for a file of rows, and for one of images. */
const OF_TABLES = ['columns', 'schema', 'missing', 'timeLimit', ...TABLE_SCHEMA_OPTIONS] as const;
const OF_IMAGES: readonly string[] = ['columns', 'timeLimit', 'labelColumn', ...IMAGE_OPTIONS];

export const PARQUET_STREAM_OPTIONS = [...OF_TABLES, ...IMAGE_OPTIONS] as const;

/** The files of a stream, which the pass before found so. */
interface StreamFiles {
  readonly paths: readonly string[];
  readonly versions: readonly FileVersion[];
  /** The file and the place in it of each row group. */
  readonly groups: readonly (readonly [file: number, group: number])[];
  readonly limits: Omit<ProcessLimits, 'signal'>;
  /** What is asked for when a file is opened. */
  readonly how: Pick<OpenRequest, 'columns' | 'missing' | 'onMissing'>;
}

/**
 * The rows or images of a Parquet file, read by a separate process with bounded memory and time, one row group at a time. A first pass over
 * all rows learns the schema, with the same numbers as in memory. A given schema needs that pass only where its numbers are not
 * standardized, or the rows have labels.
 *
 * @throws TorchvaeError as `readParquet` does, also where a row group takes longer than `timeLimit`; what `TableSchema.learn` throws
 */
export function openParquetStream(
  path: string,
  options: ParquetStreamOptions,
  signal: AbortSignal,
  training?: (length: number) => Part,
): Promise<StreamSource> {
  return openParquetFiles({ name: path, paths: [path] }, options, signal, training);
}

/**
 * The same of several files with the same columns, one after the other, by one process.
 *
 * @throws TorchvaeError as {@link openParquetStream} does
 */
export async function openParquetFiles(
  { name, paths, notes = [] }: { name: string; paths: readonly string[]; notes?: readonly string[] },
  options: ParquetStreamOptions,
  signal: AbortSignal,
  training?: (length: number) => Part,
): Promise<StreamSource> {
  const { columns, schema, missing, timeLimit = 120, ...others } = options;
  const learning = only(others, TABLE_SCHEMA_OPTIONS) as TableSchemaOptions;
  checkGivenSchema(schema);
  // They are sent to another process, which not all values can be.
  checkLearning(learning);
  checkMissing(missing);
  checkNumber('timeLimit', timeLimit, 0.001, 1e6);
  const limits = { maxFile: Infinity, timeLimit };
  const { onMissing, labelColumn } = learning;
  const forRows = schema?.forRows(labelColumn);
  const how = { columns: checkColumnTypes(columns), missing, onMissing };
  const process = await ParquetProcess.start(paths, { ...limits, signal });
  try {
    const found: Opened[] = [];
    for (const path of paths)
      found.push(await process.ask<Opened>({ type: 'open', path, ...how, schema: forRows?.toJSON() }));
    const files: StreamFiles = {
      paths,
      versions: found.map(({ version }) => version),
      groups: found.flatMap(({ groupRows }, file) => groupRows.map((_, group) => [file, group] as const)),
      limits,
      how,
    };
    const pictures = found.filter(({ images }) => images).length;
    if (pictures > 0 && pictures < found.length)
      throw badData(
        name,
        'expected rows or images in all of its files but some have others; name one of them',
      );
    const passes = new Passes(process, files, forRows);
    if (pictures > 0) {
      refuseOthers('streamDataset', name, options, OF_IMAGES);
      const again = async (ends: AbortSignal) =>
        new Passes(await ParquetProcess.start(paths, { ...limits, signal: ends }), files, undefined);
      const wanted = only(others, OF_IMAGES) as ImageFolderOptions;
      const opened = found.map(({ groupRows, images }) => ({ groupRows, images: images! }));
      return await openParquetImages({ name, paths, notes }, passes, opened, again, wanted, signal);
    }
    refuseOthers('streamDataset', name, options, OF_TABLES);
    if (!schema)
      found.forEach(({ wanted }, i) => {
        checkSameNames(paths[0]!, found[0]!.wanted, paths[i]!, wanted);
      });
    const groupRows = found.flatMap((file) => file.groupRows);
    const blocks = lengthsAsBlocks(groupRows);
    if (blocks.length === 0) throw badData(name, 'expected at least one row');
    const part = training?.(blocks.length);
    const kind = schema?.kindOf(() => true);
    const surveyed: Surveyed =
      schema && kind !== 'unit' && !forRows?.label
        ? {
            schema: schema.toJSON(),
            reading: schema.toJSON(),
            length: blocks.length,
            kind: kind!,
            hasLabels: false,
            classes: undefined,
          }
        : await survey(passes, blocks, learning, { schema, part });
    const learned = schema ?? TableSchema.fromJSON(surveyed.schema);
    const reading = TableSchema.fromJSON(surveyed.reading);
    const description: StreamDescription = {
      name: basename(name),
      length: surveyed.length,
      shape: [learned.size],
      kind: surveyed.kind,
      isBytes: false,
      hasLabels: surveyed.hasLabels,
      classes: surveyed.classes,
      schema: learned,
      notes: [...notes, ...(surveyed.notes ?? [])],
    };
    return {
      ...description,
      open: async (request) => {
        const reader = await ParquetProcess.start(paths, { ...limits, signal: request.signal });
        const rows = new Passes(reader, files, reading);
        try {
          await rows.begin();
        } catch (error) {
          await rows.close();
          throw error;
        }
        return parquetReading(rows, description, blocks, request, {
          schema: reading.toJSON(),
          onMissing,
        });
      },
    };
  } finally {
    await process.close();
  }
}

/** Asks one process about the row groups of all files, one request at a time. */
export class Passes {
  readonly #process: ParquetProcess;
  readonly #files: StreamFiles;
  readonly #schema: TableSchemaJson | undefined;
  #file: number;
  #last: Promise<unknown> = Promise.resolve();

  constructor(process: ParquetProcess, files: StreamFiles, schema: TableSchema | undefined) {
    this.#process = process;
    this.#files = files;
    this.#schema = schema?.toJSON();
    this.#file = -1;
  }

  /** Opens the first file, so that what is wrong with it shows at once. */
  async begin(): Promise<void> {
    await this.#open(0);
  }

  /** The answer to a request about a row group of the whole. */
  ask<T>(group: number, request: (group: number) => ParquetRequest): Promise<T> {
    const [file, within] = this.#files.groups[group]!;
    const answer = this.#last.then(async () => {
      await this.#open(file);
      return this.#process.ask<T>(request(within));
    });
    this.#last = answer.catch(() => {});
    return answer;
  }

  /** The answer to a request about all that was asked before. */
  sum<T>(request: ParquetRequest): Promise<T> {
    return this.#process.ask<T>(request);
  }

  close(): Promise<void> {
    return this.#process.close();
  }

  async #open(file: number): Promise<void> {
    if (file === this.#file) return;
    const { paths, versions, how } = this.#files;
    const [path, version] = [paths[file]!, versions[file]!];
    await this.#process.ask({ type: 'open', path, version, ...how, schema: this.#schema });
    this.#file = file;
  }
}

async function survey(
  passes: Passes,
  blocks: Blocks,
  learning: TableSchemaOptions,
  { schema: given, part }: { schema: TableSchema | undefined; part: Part | undefined },
): Promise<Surveyed> {
  const schema = given?.toJSON();
  for (let block = 0; block < blocks.count; block++) {
    const rows = part?.rows(blocks.start(block), blocks.start(block + 1));
    await passes.ask(block, (group) => ({ type: 'survey', group, rows, learning, schema }));
  }
  return passes.sum({ type: 'surveyed' });
}

function parquetReading(
  passes: Passes,
  description: StreamDescription,
  blocks: Blocks,
  request: EpochRequest,
  how: { schema: TableSchemaJson; onMissing: TableSchemaOptions['onMissing'] },
): Reading {
  const walk = new BlockWalk(blocks, request);
  const size = description.shape[0]!;
  return {
    read: async (count) => {
      const into = emptyBlock(description, count);
      let cells: CellCounts | undefined;
      for (const { block, first, count: taken, rows, at } of walk.take(count)) {
        const part = await passes.ask<ExampleBlock>(block, (group) => ({
          type: 'encode',
          ...how,
          onUnseen: request.isHeldOut ? 'leave' : undefined,
          group,
          rows: Uint32Array.from({ length: taken }, (_, i) => first + (rows ? rows[i]! : i)),
        }));
        into.data.set(part.data, at * size);
        if (part.labels) into.labels?.set(part.labels, at);
        cells = addCells(cells, part.cells, at, count);
      }
      return { ...into, cells };
    },
    close: () => passes.close(),
  };
}
