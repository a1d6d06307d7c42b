import type { DataKind } from './dataset-checks.ts';
import type { Table } from './table.ts';
import { TableLearner } from './table-learner.ts';
import { TableSchema, type TableSchemaOptions } from './table-schema.ts';

/**
 * What a stream of tables is: its length, its schema, learnt from all rows in their order with the same numbers as from one
 * table that held them, and the kind of the values that this makes of them. With a given schema the rows are encoded by it, which
 * shows what does not fit before training begins.
 */
export class TableSurvey {
  readonly #given: TableSchema | undefined;
  readonly #learner: TableLearner;
  #length = 0;
  #isUnit = true;
  #hasLabels = false;

  constructor(
    name: string,
    { labelColumn, standardise = true }: TableSchemaOptions,
    given: TableSchema | undefined,
  ) {
    this.#given = given;
    this.#learner = new TableLearner(name, { labelColumn, standardise });
  }

  /** @throws TorchvaeError what `TableSchema.learn` or, with a given schema, `encode` throws */
  add(table: Table): void {
    this.#length += table.length;
    if (!this.#given) {
      this.#learner.add(table);
      return;
    }
    const { kind, labels } = this.#given.encode(table);
    this.#isUnit &&= kind !== 'real';
    this.#hasLabels = labels !== undefined;
  }

  finish(onMissing: 'refuse' | 'impute'): {
    schema: TableSchema;
    length: number;
    kind: DataKind;
    hasLabels: boolean;
  } {
    const schema = this.#given ?? TableSchema.learnt(this.#learner, onMissing);
    const isUnit = this.#given ? this.#isUnit : this.#learner.isUnit;
    return {
      schema,
      length: this.#length,
      kind: schema.kindOf(() => isUnit),
      hasLabels: this.#given ? this.#hasLabels : schema.label !== undefined,
    };
  }
}
