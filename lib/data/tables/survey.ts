import type { DataKind } from '../examples/checks.ts';
import { TableLearner } from './learner.ts';
import { checkLearning, missingLabel, missingValue, TableSchema, type TableSchemaOptions } from './schema.ts';
import type { Table } from './table.ts';

/**
 * What a stream of tables is: its length, its schema, learned from all rows in their order with the same numbers as from one
 * table that held them, and the kind of the values that this makes of them. With a given schema the rows are encoded by it, which
 * shows what does not fit before training begins.
 */
export class TableSurvey {
  readonly #given: TableSchema | undefined;
  readonly #learner: TableLearner;
  readonly #onMissing: 'refuse' | 'impute';
  readonly #labelColumn: string | undefined;
  #length = 0;
  #isUnit = true;
  #hasLabels = false;

  /** @throws TorchvaeError ERR_TYPE, ERR_RANGE for options */
  constructor(name: string, options: TableSchemaOptions, given: TableSchema | undefined) {
    const { labelColumn, onMissing, standardize } = checkLearning(options);
    this.#given = given;
    this.#onMissing = onMissing;
    this.#labelColumn = labelColumn;
    this.#learner = new TableLearner(name, { labelColumn, standardize });
  }

  /** @throws TorchvaeError what `TableSchema.learn` or, with a given schema, `encode` throws */
  add(table: Table): void {
    this.#length += table.length;
    if (!this.#given) {
      this.#learner.add(table);
      this.#checkMissing(table);
      return;
    }
    const { kind, labels } = this.#given.encode(table);
    this.#isUnit &&= kind !== 'real';
    this.#hasLabels = labels !== undefined;
  }

  /** What `encode` will refuse is refused now. */
  #checkMissing(table: Table): void {
    for (const column of table.columns) {
      const isLabel = column.name === this.#labelColumn;
      if (this.#onMissing === 'impute' && !isLabel) continue;
      const row =
        column.type === 'numeric' ? column.values.findIndex(Number.isNaN) : column.values.indexOf(-1);
      if (row >= 0)
        throw isLabel ? missingLabel(table, row, column.name) : missingValue(table, row, column.name);
    }
  }

  finish(): {
    schema: TableSchema;
    length: number;
    kind: DataKind;
    hasLabels: boolean;
  } {
    const schema = this.#given ?? TableSchema.learned(this.#learner, this.#onMissing);
    const isUnit = this.#given ? this.#isUnit : this.#learner.isUnit;
    return {
      schema,
      length: this.#length,
      kind: schema.kindOf(() => isUnit),
      hasLabels: this.#given ? this.#hasLabels : schema.label !== undefined,
    };
  }
}
