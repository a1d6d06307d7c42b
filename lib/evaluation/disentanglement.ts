import { checkInteger, expected } from '../check.ts';
import type { Dataset } from '../data/dataset.ts';
import { TorchvaeError } from '../errors.ts';
import type { Tensor } from '../model/input.ts';

/** How well single dimensions of z tell single factors. */
export interface MutualInformationGap {
  /** The mean over the factors. */
  score: number;
  /** For each factor, by its name: the gap between the two dimensions that tell most of it, over its entropy. */
  factors: Record<string, number>;
}

/**
 * The mutual information gap (Chen et al. 2018, eq. 6) of codes, the means of q(z|x), for a data set whose factors are
 * known. The codes are cut into `bins` of equal width, as in disentanglement_lib (Locatello et al. 2019): values are
 * comparable only with others that were come by so.
 *
 * @param codes [examples, dimensions], as `VAE.encode` gives the means
 * @param bins default 20
 * @throws TorchvaeError ERR_STATE for data without factors, ERR_SHAPE for codes of other examples or of one dimension
 */
export function mutualInformationGap(codes: Tensor, data: Dataset, bins = 20): MutualInformationGap {
  checkInteger('bins', bins, 2, 1 << 16);
  const { factors, factorValues, length } = data;
  if (!factorValues || factors.length === 0) {
    throw new TorchvaeError(
      'ERR_STATE',
      `Expected data with known factors, such as sprites, but ${data.name} has none`,
    );
  }
  const [rows, dimensions = 0] = codes.shape;
  if (rows !== length || dimensions < 2) {
    throw new TorchvaeError(
      'ERR_SHAPE',
      expected(`${length} codes of at least two dimensions`, 'codes', codes.shape),
    );
  }
  const cut = Array.from({ length: dimensions }, (_, j) => binned(codes.data, dimensions, j, bins));
  const scores: Record<string, number> = {};
  for (const [k, factor] of factors.entries()) {
    const values = Int32Array.from({ length }, (_, i) => factorValues[i * factors.length + k]!);
    const entropy = entropyOf(values);
    const told = cut.map((column) => entropyOf(column) + entropy - entropyOf(values, column, bins));
    const [most = 0, next = 0] = told.sort((a, b) => b - a);
    // A factor that never varies cannot be told.
    scores[factor.name] = entropy > 0 ? (most - next) / entropy : 0;
  }
  const all = Object.values(scores);
  return { score: all.reduce((sum, value) => sum + value, 0) / all.length, factors: scores };
}

/** Column `j` of the codes, as numbers of equal bins between its ends. */
function binned(codes: Float32Array, dimensions: number, j: number, bins: number): Int32Array {
  const column = Float64Array.from(
    { length: codes.length / dimensions },
    (_, i) => codes[i * dimensions + j]!,
  );
  const low = column.reduce((least, value) => Math.min(least, value), Infinity);
  const high = column.reduce((most, value) => Math.max(most, value), -Infinity);
  const scale = high > low ? bins / (high - low) : 0;
  return Int32Array.from(column, (value) => Math.min(bins - 1, Math.floor((value - low) * scale)));
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
