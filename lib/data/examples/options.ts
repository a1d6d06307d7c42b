import type { DataSchema } from '../schema.ts';
import type { Binarization } from './binarize.ts';
import type { CellCounts } from './cells.ts';
import type { DataKind, Factor } from './checks.ts';

/** The parts of a `Dataset`. */
export interface DatasetOptions {
  /** Shown in reports; `data` if not given. */
  name?: string;
  /** Of one example: `[channels, height, width]` for images, `[features]` for vectors. */
  shape: readonly number[];
  /** What the values are. */
  kind: DataKind;
  /**
   * The examples one after the other, row-major. A byte b means b/255, so bytes suit `unit` and `binary` (0 and 255)
   * only. Kept, not copied: do not write to it afterwards.
   */
  data: Uint8Array | Float32Array;
  /** The class of each example, from 0. */
  labels?: Int32Array;
  /** The names of the classes, by label. */
  classes?: readonly string[];
  /** The known causes of variation; goes with `factorValues`. */
  factors?: readonly Factor[];
  /** [examples, factors], row-major. */
  factorValues?: Int32Array | Float32Array;
  /** How the values became 0 and 1, or `dynamic` if every batch is to draw them; default `none`. See `Dataset.binarize`. */
  binarization?: Binarization;
  /** How the examples were made of rows or lines, which turns them back; see `TableSchema` and `TextSchema`. */
  schema?: DataSchema | undefined;
  /** What people should know of how the examples were read, such as files that were passed over; default nothing. */
  notes?: readonly string[];
  /** Of tables: the cells of each example that are not as in its row. Default: all are. */
  cells?: CellCounts | undefined;
}

/** How `Dataset.from` reads its values. */
export interface FromOptions {
  /** Shown in reports; `data` if not given. */
  name?: string;
  /** Of one example. Required for flat arrays; rows of numbers are vectors unless it says otherwise. */
  shape?: readonly number[];
  /** If not given: `binary` where all values are 0 or 1, else `unit` where all lie in [0, 1], else `real`. */
  kind?: DataKind;
  /** The class of each example, from 0. */
  labels?: Int32Array | readonly number[];
  /** The names of the classes, by label. */
  classes?: readonly string[];
}
