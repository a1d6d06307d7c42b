import type { Dataset } from '../data/dataset.ts';
import type { Tensor } from '../model/input.ts';
import { classesOf, codesAndFactors, type DisentanglementOptions, halvesOf } from './factors.ts';
import { growForest } from './forest.ts';

/** How codes represent known factors (Eastwood and Williams 2018); each from 0 to 1, more is better. */
export interface Dci {
  /** Whether each dimension of z informs about one factor: 1 - entropy of its importances, weighted by their sum. */
  disentanglement: number;
  /** Whether one dimension alone informs about each factor. */
  completeness: number;
  /** Share of held-out examples whose factor is predicted rightly, averaged over the factors. */
  informativeness: number;
  /** [dimensions, factors], row-major: the importance of a dimension for a factor; those of a factor add up to 1. */
  importances: Float64Array;
}

/** With leaves of at least five rows, ten trees agree with a hundred to the second digit. */
const FOREST = { trees: 10, depth: 12, leaf: 5 };

/**
 * Disentanglement, completeness and informativeness (Eastwood and Williams 2018, section 3) of codes, the means of q(z|x), for
 * a data set whose factors are known. The weight of a dimension for a factor is its importance to bagged decision trees
 * (disentanglement_lib takes boosted ones); a factor of real numbers is cut into 20 classes. The trees grow on the CPU's
 * threads.
 *
 * @param codes [examples, dimensions]
 * @throws TorchvaeError ERR_TYPE, ERR_STATE for data without factors, ERR_SHAPE for codes of other examples or of one
 * dimension, ERR_RANGE for codes that are not finite
 */
export async function dci(codes: Tensor, data: Dataset, options: DisentanglementOptions = {}): Promise<Dci> {
  const given = codesAndFactors(codes, data);
  const { dimensions, factors } = given;
  const { fit, judge, seed } = halvesOf(given, options);
  const importances = new Float64Array(dimensions * factors.length);
  const features = fit.rows(given.codes, dimensions);
  const judged = judge.rows(given.codes, dimensions);
  let informativeness = 0;
  for (const [k, factor] of factors.entries()) {
    const targets = classesOf(factor);
    const rows = { columns: dimensions, fit: { features, targets: fit.values(targets) }, judge: judged };
    const forest = await growForest(rows, { ...FOREST, seed });
    informativeness += accuracy(forest.classes, judge.values(targets)) / factors.length;
    forest.importances.forEach((share, j) => {
      importances[j * factors.length + k] = share;
    });
  }
  const rows = Array.from({ length: dimensions }, (_, j) =>
    importances.subarray(j * factors.length, (j + 1) * factors.length),
  );
  return {
    disentanglement: concentration(rows),
    completeness: concentration(factors.map((_, k) => Float64Array.from(rows, (row) => row[k]!))),
    informativeness,
    importances,
  };
}

/**
 * The mean over the rows of 1 - H(row) / log(its length), weighted by the rows' sums (Eastwood and Williams 2018, section 3.1).
 */
function concentration(rows: readonly Float64Array[]): number {
  let [sum, weights] = [0, 0];
  for (const row of rows) {
    const weight = row.reduce((total, share) => total + share, 0);
    if (weight === 0) continue;
    let entropy = 0;
    for (const share of row) if (share > 0) entropy -= (share / weight) * Math.log(share / weight);
    sum += weight * (row.length > 1 ? 1 - entropy / Math.log(row.length) : 1);
    weights += weight;
  }
  return weights > 0 ? sum / weights : 0;
}

function accuracy(found: Int32Array, targets: Int32Array): number {
  return found.reduce((sum, value, i) => sum + (value === targets[i] ? 1 : 0), 0) / targets.length;
}
