/** The program of the process that reads a Parquet file; it may run out of memory without harm to the user's process. */
import { defined } from '../../../check.ts';
import { TorchvaeError } from '../../../errors.ts';
import type { DataKind } from '../../examples/checks.ts';
import { badData, type FileVersion, type OpenFile, openFile } from '../../files/source.ts';
import type { ExampleBlock } from '../../streams/source.ts';
import type { OnMissing, OnUnseen } from '../../tables/encoding.ts';
import { TableSchema, type TableSchemaJson, type TableSchemaOptions } from '../../tables/schema.ts';
import { TableSurvey } from '../../tables/survey.ts';
import { type Column, rowsOf, type Table } from '../../tables/table.ts';
import { type ColumnTypes, ParquetFile } from './file.ts';

/** Opens a file, which the requests behind it are about. */
export interface OpenRequest {
  type: 'open';
  path: string;
  columns: ColumnTypes;
  schema?: TableSchemaJson | undefined;
  missing?: readonly string[] | undefined;
  onMissing?: OnMissing | undefined;
  /** That of a pass before, if there was one. */
  version?: FileVersion | undefined;
}

/** The requests of `process.ts`, one at a time. */
export type ParquetRequest =
  | OpenRequest
  /** All rows. */
  | { type: 'table' }
  /** The images of a row group. */
  | { type: 'images'; group: number; column: string; label?: string | undefined }
  /** Adds a row group to the survey; then asks for the survey's result. */
  | {
      type: 'survey';
      group: number;
      /** The rows of the group that are learned from; default all. */
      rows?: Uint32Array | undefined;
      learning: TableSchemaOptions;
      schema?: TableSchemaJson | undefined;
    }
  | { type: 'surveyed' }
  /** Rows of a row group as examples. */
  | {
      type: 'encode';
      schema: TableSchemaJson;
      onMissing?: OnMissing | undefined;
      onUnseen?: OnUnseen | undefined;
      group: number;
      /** By their places in the row group. */
      rows: Uint32Array;
    };

/** The description of an opened file. */
export interface Opened {
  /** Rows of each row group. */
  groupRows: number[];
  /** The columns that a table of it has; none for a file of images. */
  wanted: string[];
  /** The column of encoded images, if there is one alone, with the columns and classes that labels can come from. */
  images?: { column: string; others: string[]; classes: Record<string, string[]> };
  version: FileVersion;
}

/** The result of a survey of all rows. */
export interface Surveyed {
  schema: TableSchemaJson;
  /** The same with all classes of these rows. */
  reading: TableSchemaJson;
  length: number;
  kind: DataKind;
  hasLabels: boolean;
  classes: readonly string[] | undefined;
  /** For people. */
  notes?: readonly string[];
}

/** The answers: for a table the columns one by one before the rest, or an error's code and message. */
export type ParquetAnswer =
  /** Once, when the program has been loaded. */
  { ready: true } | { column: Column } | { done: unknown } | { code: TorchvaeError['code']; message: string };

let file: OpenFile | undefined;
let parquet: ParquetFile;
let version: FileVersion;
let survey: TableSurvey | undefined;
let schema: { json: string; schema: TableSchema } | undefined;
/** The row group that was read last, whose examples are asked for in parts. */
let group: { index: number; table: Table } | undefined;

async function answer(request: ParquetRequest): Promise<unknown> {
  switch (request.type) {
    case 'open': {
      await file?.close();
      group = undefined;
      file = await openFile(request.path);
      version = request.version ?? file.version;
      await file.checkUnchanged(version);
      const given = request.schema && TableSchema.fromJSON(request.schema);
      parquet = await ParquetFile.open(file);
      const images = given ? undefined : imagesIn(parquet, request.columns);
      const wanted = images ? [] : await parquet.settle(request.columns, request, given);
      return {
        groupRows: [...parquet.groupRows],
        wanted,
        version,
        ...(images && { images }),
      } satisfies Opened;
    }
    case 'table': {
      const builder = parquet.builder();
      for (const index of parquet.groupRows.keys()) await parquet.addGroup(index, builder);
      const { columns, ...table } = builder.build();
      // One message each, as one for all could be longer than a message may be.
      for (const column of columns) await send({ column });
      return table;
    }
    case 'images':
      return parquet.images(request.group, request.column, request.label);
    case 'survey': {
      const given = request.schema && TableSchema.fromJSON(request.schema);
      survey ??= new TableSurvey(file!.path, request.learning, given);
      if (parquet.groupRows[request.group]! > 0) survey.add(await tableOf(request.group), request.rows);
      return undefined;
    }
    case 'surveyed': {
      const { schema: found, reading, ...rest } = survey!.finish();
      return { ...rest, schema: found.toJSON(), reading: reading.toJSON() } satisfies Surveyed;
    }
    case 'encode': {
      const json = JSON.stringify(request.schema);
      if (schema?.json !== json) schema = { json, schema: TableSchema.fromJSON(request.schema) };
      const { onMissing, onUnseen } = request;
      const rows = rowsOf(await tableOf(request.group), request.rows);
      const { data, labels, cells } = schema.schema.encode(rows, {
        ...defined({ onMissing, onUnseen }),
        onUnknownLabel: 'other',
      });
      return { data, labels, cells } satisfies ExampleBlock;
    }
  }
}

function imagesIn(parquet: ParquetFile, columns: ColumnTypes): Opened['images'] {
  const names = parquet.columnNames.filter((name) => columns[name] !== 'ignore');
  const [column, ...more] = parquet.imageColumns.filter((name) => names.includes(name));
  if (column === undefined || more.length > 0) return undefined;
  const others = names.filter((name) => name !== column);
  const classes = others.flatMap((name) => {
    const found = parquet.classesOf(name);
    return found ? [[name, found] as const] : [];
  });
  return { column, others, classes: Object.fromEntries(classes) };
}

async function tableOf(index: number): Promise<Table> {
  if (group?.index === index) return group.table;
  group = undefined;
  const builder = parquet.builder(parquet.start(index));
  await parquet.addGroup(index, builder);
  await file!.checkUnchanged(version);
  group = { index, table: builder.build() };
  return group.table;
}

function send(message: ParquetAnswer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send!(message, undefined, undefined, (error) => (error ? reject(error) : resolve()));
  });
}

process.once('disconnect', () => process.exit());
process.on('message', (request: ParquetRequest) => {
  answer(request).then(
    (done) => send({ done }),
    (cause) => {
      const error = cause instanceof TorchvaeError ? cause : badData(file?.path ?? '', String(cause), cause);
      return send({ code: error.code, message: error.message });
    },
  );
});
send({ ready: true });
