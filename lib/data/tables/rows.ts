import { basename } from 'node:path';
import { defined } from '../../check.ts';
import { Dataset } from '../dataset.ts';
import { type Learnable, learnable, otherSchema, type Rows } from '../learnable.ts';
import type { DataSchema } from '../schema.ts';
import { TABLE_SCHEMA_OPTIONS, TableSchema, type TableSchemaOptions } from './schema.ts';
import { AS_ASKED, rowsOf, type Table } from './table.ts';

/** How rows of a table become examples: by a schema that is given, or that is learned with these options. */
export interface TableRowsOptions extends TableSchemaOptions {
  schema?: DataSchema | undefined;
}

export const TABLE_ROWS_OPTIONS = ['schema', ...TABLE_SCHEMA_OPTIONS] as const;

/** What becomes of a table that was read. */
export function tableRows(table: Table, { schema, ...learning }: TableRowsOptions): Learnable {
  return learnable(new TableRows(table, learning), schema);
}

/** The given schema, if it is that of a table. */
export function tableSchema({ schema }: TableRowsOptions): TableSchema | undefined {
  return schema instanceof TableSchema ? schema : undefined;
}

class TableRows implements Rows<TableRows> {
  readonly #table: Table;
  readonly #options: TableSchemaOptions;

  constructor(table: Table, options: TableSchemaOptions) {
    this.#table = table;
    this.#options = options;
  }

  get name(): string {
    return this.#table.name;
  }

  get length(): number {
    return this.#table.length;
  }

  pick(indices: Uint32Array): TableRows {
    return new TableRows(rowsOf(this.#table, indices), this.#options);
  }

  learn(all: TableRows): DataSchema {
    return TableSchema.learn(this.#table, defined(this.#options), all.#table);
  }

  encode(schema: DataSchema): Dataset {
    if (!(schema instanceof TableSchema)) throw otherSchema('table', schema);
    const leftOut = (this.#table.leftOut ?? []).filter(({ reason }) => reason !== AS_ASKED);
    return new Dataset({
      name: basename(this.name),
      ...schema.encode(this.#table),
      schema,
      notes: leftOut.map(({ name, reason }) => `column ${name} was left out: ${reason}`),
    });
  }
}
