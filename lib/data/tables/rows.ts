import { basename } from 'node:path';
import { checkInteger, defined } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { Dataset } from '../dataset.ts';
import { type Learnable, learnable, otherSchema, type Rows } from '../learnable.ts';
import type { DataSchema } from '../schema.ts';
import { TABLE_SCHEMA_OPTIONS, TableSchema, type TableSchemaOptions } from './schema.ts';
import { risingNotes, seriesNotes, suspicionsOf } from './suspicions.ts';
import { AS_ASKED, columnsOf, rowsOf, type Table } from './table.ts';

/** How rows of a table become examples: by a schema that is given, or that is learned with these options. */
export interface TableRowsOptions extends TableSchemaOptions {
  schema?: DataSchema | undefined;
  /**
   * Consecutive rows that make one example, of shape [windowLength, columns]; see `Dataset.windows`. Such rows are divided in their order.
   * Default: each row is one.
   */
  windowLength?: number;
  /** Rows between the starts of two windows. Default 1. */
  stride?: number;
}

export const TABLE_ROWS_OPTIONS = ['schema', 'windowLength', 'stride', ...TABLE_SCHEMA_OPTIONS] as const;

/** What becomes of a table that was read. */
export function tableRows(
  table: Table,
  { schema, windowLength, stride, ...learning }: TableRowsOptions,
): Learnable {
  if (windowLength !== undefined) checkInteger('windowLength', windowLength, 1);
  if (stride !== undefined) checkInteger('stride', stride, 1);
  if (stride !== undefined && windowLength === undefined) {
    throw strideAlone();
  }
  const windows =
    windowLength === undefined
      ? undefined
      : { length: windowLength, ...(stride !== undefined && { stride }) };
  return learnable(new TableRows(table, learning, windows), schema);
}

/** The error for a stride without a length. */
export function strideAlone(): TorchvaeError {
  return new TorchvaeError('ERR_RANGE', 'The option stride is for windowLength; leave it out, or give both');
}

/**
 * @param rows that there are
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE for fewer rows than make up a window
 */
export function checkWindowLength(source: string, windowLength: number, rows: number): void {
  checkInteger('windowLength', windowLength, 1);
  if (rows >= windowLength) return;
  throw new TorchvaeError(
    'ERR_RANGE',
    `Expected at most ${rows} for windowLength, the rows of ${basename(source)} or of the part of it that is divided off, but received ` +
      `${windowLength}; make it shorter, or give more rows`,
  );
}

/** The given schema, if it is that of a table, as it reads other rows. */
export function tableSchema({ schema, labelColumn }: TableRowsOptions): TableSchema | undefined {
  return schema instanceof TableSchema ? schema.forRows(labelColumn) : undefined;
}

class TableRows implements Rows<TableRows> {
  readonly #table: Table;
  readonly #options: TableSchemaOptions;
  readonly #windows: { length: number; stride?: number } | undefined;
  /** Of the rows that a schema was learned from. */
  #suspicions: readonly string[] = [];

  constructor(
    table: Table,
    options: TableSchemaOptions,
    windows: { length: number; stride?: number } | undefined,
  ) {
    this.#table = table;
    this.#options = options;
    this.#windows = windows;
  }

  get name(): string {
    return this.#table.name;
  }

  get length(): number {
    return this.#table.length;
  }

  get isSeries(): boolean {
    return this.#windows !== undefined;
  }

  pick(indices: Uint32Array): TableRows {
    return new TableRows(rowsOf(this.#table, indices), this.#options, this.#windows);
  }

  learn(all: TableRows): DataSchema {
    const schema = TableSchema.learn(this.#table, defined(this.#options), all.#table);
    this.#suspicions = [
      ...suspicionsOf(all.#table, this.#options.labelColumn),
      ...(this.#windows ? risingNotes(all.#table.columns) : []),
    ];
    return schema;
  }

  encode(schema: DataSchema, isHeldOut = false): Dataset {
    if (!(schema instanceof TableSchema)) throw otherSchema(this.name, 'table', schema);
    if (this.#windows) checkWindowLength(this.name, this.#windows.length, this.length);
    const { onMissing, labelColumn } = this.#options;
    const reading = schema.forRows(labelColumn);
    // The label of training rows may be missing in others, but not what is asked for by name.
    if (reading !== schema) columnsOf(this.#table)(labelColumn!);
    const encoded = reading.encode(this.#table, {
      ...(onMissing !== undefined && { onMissing }),
      ...(isHeldOut && { onUnseen: 'leave' }),
    });
    const leftOut = (this.#table.leftOut ?? []).filter(({ reason }) => reason !== AS_ASKED);
    const notes = leftOut.map(({ name, reason }) => `column ${name} was left out: ${reason}`);
    const data = new Dataset({
      name: basename(this.name),
      ...encoded,
      schema,
      notes: [
        ...(this.#table.notes ?? []),
        ...notes,
        ...this.#suspicions,
        ...(this.#windows ? seriesNotes(this.#table.columns) : []),
        ...encoded.notes,
      ],
    });
    return this.#windows ? data.windows(this.#windows) : data;
  }
}
