import { defined } from '../../check.ts';
import type { TorchvaeError } from '../../errors.ts';
import type { DataKind } from '../examples/checks.ts';
import { missingValue, type OnMissing } from './encoding.ts';
import { TableLearner } from './learner.ts';
import { checkLearning, TableSchema, type TableSchemaOptions } from './schema.ts';
import { Suspicions } from './suspicions.ts';
import { rowsOf, type Table } from './table.ts';

/**
 * Surveys a stream of tables: its length, the schema of all rows (with the same numbers as from one table that held them all), and
 * the kind of the encoded values. With a given schema the rows are encoded, so that bad rows are found before training begins.
 */
export class TableSurvey {
  readonly #given: TableSchema | undefined;
  readonly #learner: TableLearner;
  readonly #onMissing: 'refuse' | 'impute';
  readonly #encoding: { onMissing?: OnMissing };
  readonly #labelColumn: string | undefined;
  readonly #suspicions: Suspicions;
  #missing: TorchvaeError | undefined;
  #length = 0;
  #isUnit = true;
  #hasLabels = false;

  /** @throws TorchvaeError ERR_TYPE, ERR_RANGE for options */
  constructor(name: string, options: TableSchemaOptions, given: TableSchema | undefined) {
    const { labelColumn, onMissing, standardize } = checkLearning(options);
    this.#given = given;
    this.#encoding = defined({ onMissing: options.onMissing, onUnknownLabel: 'other' as const });
    this.#onMissing = onMissing;
    this.#labelColumn = labelColumn;
    this.#suspicions = new Suspicions(labelColumn);
    this.#learner = new TableLearner(name, { labelColumn, standardize });
  }

  /**
   * @param rows those that are learned from; default all
   * @throws TorchvaeError what `TableSchema.learn` or, with a given schema, `encode` throws
   */
  add(table: Table, rows?: Uint32Array): void {
    this.#length += table.length;
    if (!this.#given) {
      this.#learner.add(rows ? rowsOf(table, rows) : table, table);
      this.#suspicions.add(table);
      this.#checkMissing(table);
      return;
    }
    const { kind, labels } = this.#given.encode(table, this.#encoding);
    this.#isUnit &&= kind !== 'real';
    this.#hasLabels = labels !== undefined;
  }

  /** Notes what `encode` would refuse later, which is known better when all rows were seen: a column may have no values at all. */
  #checkMissing(table: Table): void {
    if (this.#missing) return;
    for (const column of table.columns) {
      if (this.#onMissing === 'impute' || column.name === this.#labelColumn) continue;
      const row =
        column.type === 'categorical' ? column.values.indexOf(-1) : column.values.findIndex(Number.isNaN);
      if (row >= 0) this.#missing ??= missingValue(table, row, column.name);
    }
  }

  finish(): {
    schema: TableSchema;
    length: number;
    kind: DataKind;
    hasLabels: boolean;
    /** Of columns that may be a mistake. */
    notes: readonly string[];
  } {
    const schema = this.#given ?? TableSchema.learned(this.#learner, this.#onMissing);
    if (this.#missing) throw this.#missing;
    const isUnit = this.#given ? this.#isUnit : this.#learner.isUnit;
    return {
      schema,
      length: this.#length,
      kind: schema.kindOf(() => isUnit),
      hasLabels: this.#given ? this.#hasLabels : schema.label !== undefined,
      notes: this.#given ? [] : this.#suspicions.finish(schema),
    };
  }
}
