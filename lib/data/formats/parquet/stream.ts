import { basename } from 'node:path';
import { checkNumber } from '../../../check.ts';
import type { CellCounts } from '../../examples/cells.ts';
import { badData } from '../../files/source.ts';
import { only, refuseOthers } from '../../options.ts';
import {
  addCells,
  type Blocks,
  BlockWalk,
  type EpochRequest,
  type ExampleBlock,
  emptyBlock,
  type Reading,
  type StreamDescription,
  type StreamSource,
} from '../../streams/source.ts';
import { type ColumnType, checkColumnTypes } from '../../tables/column-types.ts';
import { checkMissing } from '../../tables/missing.ts';
import {
  checkGivenSchema,
  TABLE_SCHEMA_OPTIONS,
  TableSchema,
  type TableSchemaOptions,
} from '../../tables/schema.ts';
import { IMAGE_OPTIONS, type ImageFolderOptions } from '../images/folder.ts';
import { blocksOf } from './blocks.ts';
import type { Opened, Surveyed } from './child.ts';
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

/**
 * The rows or images of a Parquet file, read by a separate process with bounded memory and time, one row group at a time. A first pass over
 * all rows learns the schema, with the same numbers as in memory. A given schema needs that pass only where its numbers are not
 * standardized.
 *
 * @throws TorchvaeError as `readParquet` does, also where a row group takes longer than `timeLimit`; what `TableSchema.learn` throws
 */
export async function openParquetStream(
  path: string,
  options: ParquetStreamOptions,
  signal: AbortSignal,
): Promise<StreamSource> {
  const { columns: given, schema, missing, timeLimit = 120, ...others } = options;
  const learning = only(others, TABLE_SCHEMA_OPTIONS) as TableSchemaOptions;
  checkGivenSchema(schema);
  checkMissing(missing);
  checkNumber('timeLimit', timeLimit, 0.001, 1e6);
  const columns = checkColumnTypes(given);
  const start = (ends: AbortSignal): Promise<ParquetProcess> =>
    ParquetProcess.start(path, { maxFile: Infinity, timeLimit, signal: ends } satisfies ProcessLimits);
  const process = await start(signal);
  try {
    const { groupRows, wanted, version, images } = await process.ask<Opened>({
      type: 'open',
      path,
      columns,
      schema: schema?.toJSON(),
      missing,
      onMissing: learning.onMissing,
    });
    if (images) {
      refuseOthers('streamDataset', path, options, OF_IMAGES);
      const again = async (ends: AbortSignal) => {
        const reader = await start(ends);
        await reader.ask({ type: 'open', path, columns, version });
        return reader;
      };
      const wantedOptions = only(others, OF_IMAGES) as ImageFolderOptions;
      const found = { groupRows, wanted, version, images };
      return await openParquetImages(path, process, found, again, wantedOptions, signal);
    }
    refuseOthers('streamDataset', path, options, OF_TABLES);
    const length = groupRows.reduce((sum, rows) => sum + rows, 0);
    if (length === 0) throw badData(path, 'expected at least one row');
    const kind = schema?.kindOf(() => true);
    const found: Surveyed =
      schema && kind !== 'unit'
        ? {
            schema: schema.toJSON(),
            length,
            kind: kind!,
            hasLabels: wanted.includes(schema.label?.name ?? ''),
          }
        : await survey(process, groupRows.length, learning, schema);
    const learned = schema ?? TableSchema.fromJSON(found.schema);
    const description: StreamDescription = {
      name: basename(path),
      length: found.length,
      shape: [learned.size],
      kind: found.kind,
      isBytes: false,
      hasLabels: found.hasLabels,
      classes: found.hasLabels ? learned.label?.categories : undefined,
      schema: learned,
    };
    const blocks = blocksOf(groupRows);
    return {
      ...description,
      open: async (request) => {
        const reader = await start(request.signal);
        try {
          const { onMissing } = learning;
          await reader.ask({
            type: 'open',
            path,
            columns,
            schema: learned.toJSON(),
            missing,
            onMissing,
            version,
          });
          return parquetReading(reader, description, blocks, request, learning.onMissing);
        } catch (error) {
          await reader.close();
          throw error;
        }
      },
    };
  } finally {
    await process.close();
  }
}

async function survey(
  process: ParquetProcess,
  groups: number,
  learning: TableSchemaOptions,
  given: TableSchema | undefined,
): Promise<Surveyed> {
  const schema = given?.toJSON();
  for (let group = 0; group < groups; group++) await process.ask({ type: 'survey', group, learning, schema });
  return process.ask({ type: 'surveyed' });
}

function parquetReading(
  process: ParquetProcess,
  description: StreamDescription,
  blocks: Blocks,
  request: EpochRequest,
  onMissing: TableSchemaOptions['onMissing'],
): Reading {
  const walk = new BlockWalk(blocks, request);
  const schema = (description.schema as TableSchema).toJSON();
  const size = description.shape[0]!;
  return {
    read: async (count) => {
      const into = emptyBlock(description, count);
      let cells: CellCounts | undefined;
      for (const { block: group, first, count: rows, at } of walk.take(count)) {
        const part = await process.ask<ExampleBlock>({
          type: 'encode',
          schema,
          onMissing,
          group,
          first,
          count: rows,
        });
        into.data.set(part.data, at * size);
        if (part.labels) into.labels?.set(part.labels, at);
        cells = addCells(cells, part.cells, at, count);
      }
      return { ...into, cells };
    },
    close: () => process.close(),
  };
}
