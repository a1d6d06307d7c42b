import { types } from 'node:util';
import { expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';

/** How many cells of each example are not as they were in its row; each [examples]. */
export interface CellCounts {
  /** Missing cells that were filled in. */
  readonly imputed: Uint32Array;
  /**
   * Cells with a category that no training row had, whose places in the example are all 0, and cells that their column cannot have, such as a
   * word among numbers, in whose place is the usual value; of text, tokens that are not in the vocabulary, or were cut off.
   */
  readonly unseen: Uint32Array;
}

/** Counts of nothing. */
export function noCells(length: number): CellCounts {
  return { imputed: new Uint32Array(length), unseen: new Uint32Array(length) };
}

/** @throws TorchvaeError ERR_TYPE, ERR_SHAPE unless there are two counts for each of `length` examples */
export function checkCells(cells: CellCounts | undefined, length: number): CellCounts | undefined {
  if (cells === undefined) return undefined;
  for (const name of ['imputed', 'unseen'] as const) {
    const counts: unknown = cells?.[name];
    if (!types.isUint32Array(counts)) {
      throw new TorchvaeError('ERR_TYPE', expected('a Uint32Array', `cells.${name}`, counts));
    }
    if (counts.length === length) continue;
    throw new TorchvaeError(
      'ERR_SHAPE',
      expected(`${length} counts, one per example,`, `cells.${name}`, counts),
    );
  }
  return Object.freeze({ imputed: cells.imputed, unseen: cells.unseen });
}

/** The counts after `map` of each; undefined stays. */
export function mapCells(
  cells: CellCounts | undefined,
  map: (counts: Uint32Array) => Uint32Array,
): CellCounts | undefined {
  return cells && { imputed: map(cells.imputed), unseen: map(cells.unseen) };
}

/** Sums of all counts. */
export function totalCells({ imputed, unseen }: CellCounts): { imputed: number; unseen: number } {
  const sum = (counts: Uint32Array) => counts.reduce((total, count) => total + count, 0);
  return { imputed: sum(imputed), unseen: sum(unseen) };
}
