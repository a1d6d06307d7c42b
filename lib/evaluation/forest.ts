import { callAddon } from '../runtime/addon.ts';
import { Device } from '../runtime/device.ts';
import type { NativeForestOptions } from '../runtime/native.ts';

/** Rows of [rows, columns]; those to fit to with their classes, from 0. */
export interface ForestRows {
  columns: number;
  fit: { features: Float32Array; targets: Int32Array };
  judge: Float32Array;
}

/** What the trees found. */
export interface Forest {
  /** Of each feature, its share of the fall of impurity (Breiman 2001), averaged over the trees; they add up to 1 where any cut was made. */
  importances: Float64Array;
  /** The likeliest class of each row to judge. */
  classes: Int32Array;
}

/**
 * Bagged decision trees for classes (Breiman 1996; 2001, with all features at every decision), cut where the Gini impurity
 * falls most. DCI and SAP measure with them how much a code says about a factor. They grow on the CPU's threads.
 */
export function growForest(
  { columns, fit, judge }: ForestRows,
  options: NativeForestOptions,
): Promise<Forest> {
  const { addon, handle } = Device.open('cpu');
  return callAddon(() => addon.growForest(handle, fit.features, fit.targets, judge, columns, options));
}
