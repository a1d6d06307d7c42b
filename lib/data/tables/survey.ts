import { defined } from '../../check.ts';
import type { TorchvaeError } from '../../errors.ts';
import type { DataKind } from '../examples/checks.ts';
import { CellNotes } from './cell-notes.ts';
import { missingValue, type OnMissing } from './encoding.ts';
import { TableLearner } from './learner.ts';
import { inOrder } from './learning.ts';
import { checkLearning, TableSchema, type TableSchemaOptions } from './schema.ts';
import { Suspicions } from './suspicions.ts';
import { columnsOf, emptyIn, rowsOf, type Table } from './table.ts';

/**
 * Surveys a stream of tables: its length, the schema of all rows (with the same numbers as from one table that held them all), and
 * the kind of the encoded values. With a given schema the rows are encoded, so that bad rows are found before training begins.
 */
export class TableSurvey {
  readonly #given: TableSchema | undefined;
  /** The given schema, as it reads these rows. */
  readonly #reading: TableSchema | undefined;
  readonly #learner: TableLearner;
  readonly #onMissing: 'refuse' | 'impute';
  readonly #encoding: { onMissing?: OnMissing };
  readonly #labelColumn: string | undefined;
  readonly #suspicions: Suspicions;
  #missing: TorchvaeError | undefined;
  #length = 0;
  #isUnit = true;
  #hasLabels = false;
  /** Of how the text is read. */
  #notes: readonly string[] = [];
  readonly #cells = new CellNotes();
  /** How many cells of each column of training rows are missing. */
  readonly #empty = new Map<string, number>();
  /** Labels that no training row has. */
  readonly #others = new Set<string>();

  /** @throws TorchvaeError ERR_TYPE, ERR_RANGE for options */
  constructor(name: string, options: TableSchemaOptions, given: TableSchema | undefined) {
    const { labelColumn, onMissing, standardize } = checkLearning(options);
    this.#given = given;
    this.#reading = given?.forRows(labelColumn);
    this.#encoding = defined({ onMissing: options.onMissing });
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
    if (table.notes) this.#notes = table.notes;
    const reading = this.#reading;
    if (!reading) {
      const training = rows ? rowsOf(table, rows) : table;
      this.#learner.add(training, table);
      for (const column of training.columns)
        this.#empty.set(column.name, (this.#empty.get(column.name) ?? 0) + emptyIn(column));
      this.#suspicions.add(table);
      this.#checkMissing(table);
      return;
    }
    // The label of training rows may be missing in others, but not what is asked for by name.
    if (reading !== this.#given) columnsOf(table)(this.#labelColumn!);
    const { kind, classes, cells } = reading.encode(table, this.#encoding);
    if (cells) this.#cells.add(cells, table, reading.fields);
    this.#cells.addColumns(table, reading.fields);
    this.#isUnit &&= kind !== 'real';
    this.#hasLabels = classes !== undefined;
    for (const name of classes?.slice(reading.label!.categories.length) ?? []) this.#others.add(name);
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
    /** The same with all classes of these rows, those that no training row has behind the others. */
    reading: TableSchema;
    length: number;
    kind: DataKind;
    hasLabels: boolean;
    classes: readonly string[] | undefined;
    /** Of columns that may be a mistake. */
    notes: readonly string[];
  } {
    const schema = this.#given ?? TableSchema.learned(this.#learner, this.#onMissing);
    if (this.#missing) throw this.#missing;
    if (!this.#given)
      for (const { name } of schema.fields) this.#cells.addImputed(this.#empty.get(name) ?? 0);
    const named = this.#reading ?? schema;
    const others = [...this.#others].sort(inOrder);
    const reading = others.length > 0 ? named.withClasses([...named.label!.categories, ...others]) : named;
    const hasLabels = this.#given ? this.#hasLabels : schema.label !== undefined;
    const isUnit = this.#given ? this.#isUnit : this.#learner.isUnit;
    return {
      schema,
      reading,
      length: this.#length,
      kind: schema.kindOf(() => isUnit),
      hasLabels,
      classes: hasLabels ? reading.label!.categories : undefined,
      notes: [...this.#notes, ...(this.#given ? [] : this.#suspicions.finish(schema)), ...this.#cells.notes],
    };
  }
}
