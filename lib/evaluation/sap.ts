import type { Dataset } from '../data/dataset.ts';
import type { Tensor } from '../model/input.ts';
import {
  codesAndFactors,
  columnOf,
  type DisentanglementOptions,
  type FactorColumn,
  halvesOf,
} from './factors.ts';
import { growForest } from './forest.ts';

/** The separated attribute predictability (Kumar et al. 2018). */
export interface SeparatedAttributePredictability {
  /** The mean over the factors. */
  score: number;
  /** For each factor, by its name: how much better its best dimension predicts it than the next one does. */
  factors: Record<string, number>;
}

/**
 * The separated attribute predictability (Kumar et al. 2018, section 3) of codes, the means of q(z|x): for each factor, the
 * difference between the scores of the two dimensions that predict it best. The score is R^2 of a straight line for a factor of
 * real numbers, and for others the share of held-out examples, averaged over the classes, that cuts of that dimension (those
 * of a decision tree) put into their class.
 *
 * @param codes [examples, dimensions]
 * @throws TorchvaeError as `dci` does
 */
export async function sap(
  codes: Tensor,
  data: Dataset,
  options: DisentanglementOptions = {},
): Promise<SeparatedAttributePredictability> {
  const given = codesAndFactors(codes, data);
  const { fit, judge, seed } = halvesOf(given, options);
  const columns = Array.from({ length: given.dimensions }, (_, j) =>
    columnOf(given.codes, given.dimensions, j),
  );
  const scores: Record<string, number> = {};
  const byTree = async (column: Float64Array, { values: classes, size }: FactorColumn) => {
    const targets = Int32Array.from(classes);
    const values = Float32Array.from(column);
    const options = { trees: 1, depth: Math.ceil(Math.log2(size)) + 1, leaf: 5, seed };
    const rows = {
      columns: 1,
      fit: { features: fit.rows(values, 1), targets: fit.values(targets) },
      judge: judge.rows(values, 1),
    };
    return balancedAccuracy((await growForest(rows, options)).classes, judge.values(targets));
  };
  for (const factor of given.factors) {
    const predicted: number[] = [];
    for (const column of columns) {
      predicted.push(
        factor.size === 0 ? squaredCorrelation(column, factor.values) : await byTree(column, factor),
      );
    }
    const [most = 0, next = 0] = predicted.sort((a, b) => b - a);
    scores[factor.name] = most - next;
  }
  const all = Object.values(scores);
  return { score: all.reduce((sum, value) => sum + value, 0) / all.length, factors: scores };
}

/** The mean over the classes of the share that was put into its class. */
function balancedAccuracy(found: Int32Array, targets: Int32Array): number {
  const seen = new Map<number, { right: number; all: number }>();
  targets.forEach((target, i) => {
    const { right, all } = seen.get(target) ?? { right: 0, all: 0 };
    seen.set(target, { right: right + (found[i] === target ? 1 : 0), all: all + 1 });
  });
  return [...seen.values()].reduce((sum, { right, all }) => sum + right / all, 0) / seen.size;
}

/** 0 where one of them does not vary. */
function squaredCorrelation(x: Float64Array, y: Float64Array): number {
  const [meanX, meanY] = [mean(x), mean(y)];
  let [xx, yy, xy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i]! - meanX, y[i]! - meanY];
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return xx > 0 && yy > 0 ? (xy * xy) / (xx * yy) : 0;
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
