import { checkInteger } from '../check.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Tensor } from '../model/input.ts';
import { Turns } from '../turns.ts';
import { codesAndFactors, columnOf, equalBins } from './factors.ts';

/** How much more one dimension of z says about a factor than the next best. */
export interface MutualInformationGap {
  /** The mean over the factors. */
  score: number;
  /** For each factor, by its name: the gap between the two most informative dimensions, divided by the factor's entropy. */
  factors: Record<string, number>;
}

/** Bins that a factor of real numbers is cut into. */
const FACTOR_BINS = 20;

/**
 * The mutual information gap (Chen et al. 2018, eq. 6) of codes, the means of q(z|x), for a data set whose factors are
 * known. The codes are cut into `bins` of equal width, as in disentanglement_lib (Locatello et al. 2019): values are
 * comparable only with others that were made in this way.
 *
 * @param codes [examples, dimensions], as `VAE.encode` gives the means
 * @param bins default 20
 * @throws TorchvaeError ERR_TYPE, ERR_STATE for data without factors, ERR_SHAPE for codes of other examples or of one
 * dimension, ERR_RANGE for codes that are not finite
 */
export async function mutualInformationGap(
  codes: Tensor,
  data: Dataset,
  bins = 20,
): Promise<MutualInformationGap> {
  checkInteger('bins', bins, 2, 1 << 16);
  const given = codesAndFactors(codes, data);
  const { dimensions, factors } = given;
  const columns = Array.from({ length: dimensions }, (_, j) => columnOf(given.codes, dimensions, j));
  const cut: Int32Array[] = [];
  const scores: Record<string, number> = {};
  const turns = new Turns();
  for (const column of columns) {
    await turns.pause();
    cut.push(equalBins(column, bins));
  }
  for (const factor of factors) {
    const values = factor.size > 0 ? Int32Array.from(factor.values) : equalBins(factor.values, FACTOR_BINS);
    const entropy = entropyOf(values);
    const information: number[] = [];
    for (const column of cut) {
      await turns.pause();
      information.push(entropyOf(column) + entropy - entropyOf(values, column, bins));
    }
    const [most = 0, next = 0] = information.sort((a, b) => b - a);
    // A factor that never varies has no entropy.
    scores[factor.name] = entropy > 0 ? (most - next) / entropy : 0;
  }
  const all = Object.values(scores);
  return { score: all.reduce((sum, value) => sum + value, 0) / all.length, factors: scores };
}

/** In nats: of whole numbers, or of pairs of them with numbers below `bound`. */
function entropyOf(values: Int32Array, others?: Int32Array, bound = 1): number {
  const counts = new Map<number, number>();
  values.forEach((value, i) => {
    const key = value * bound + (others?.[i] ?? 0);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  });
  let entropy = 0;
  for (const count of counts.values()) entropy -= (count / values.length) * Math.log(count / values.length);
  return entropy;
}
