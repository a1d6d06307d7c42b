import type { Random } from '../../data/random.ts';
import type { Observation } from './sampler.ts';

/**
 * One number for each finished trial, with mean 0 and variance 1, the less the better. The better half keeps its differences; of the
 * worse half, and of pruned trials behind it, only the order counts, so that a training that diverged does not flatten the rest
 * (the half-rank warping of Song et al. 2024).
 */
export function targetsOf(finished: readonly Observation[], random: Random): Float64Array {
  const losses = scalars(finished, random);
  const order = [...finished.keys()].sort((a, b) => {
    const [one, other] = [losses[a]!, losses[b]!];
    return Number.isFinite(one) || Number.isFinite(other)
      ? one - other
      : comparePruned(finished[a]!, finished[b]!);
  });
  const complete = losses.filter(Number.isFinite).length;
  const good = Math.max(1, Math.ceil(complete / 2));
  const middle = losses[order[good - 1]!] ?? 0;
  const spread =
    Math.sqrt(order.slice(0, good).reduce((sum, i) => sum + (losses[i]! - middle) ** 2, 0) / good) || 1;
  const targets = new Float64Array(finished.length);
  order.forEach((i, rank) => {
    const behind = (rank - good + 1) / (finished.length - good + 1);
    targets[i] = rank < good && Number.isFinite(losses[i]) ? losses[i]! : middle + 2 * spread * behind;
  });
  return standardized(targets);
}

/** Those that went further first, then by what they reported last. */
function comparePruned({ reported: one }: Observation, { reported: other }: Observation): number {
  return (other?.epochs ?? 0) - (one?.epochs ?? 0) || (one?.loss ?? 0) - (other?.loss ?? 0);
}

/**
 * The loss; of several, in another proportion for every trial that is proposed, the augmented Chebyshev norm of losses scaled to
 * [0, 1] (ParEGO, Knowles 2006). Infinity for pruned trials.
 */
function scalars(finished: readonly Observation[], random: Random): Float64Array {
  const complete = finished.filter(({ state }) => state === 'complete');
  const count = complete[0]?.losses.length ?? 1;
  const exponentials = Array.from({ length: count }, () => -Math.log(1 - random.uniform()));
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  const ranges = exponentials.map((weight, k) => {
    const all = complete.map(({ losses }) => losses[k]!);
    const low = Math.min(...all);
    return { low, scale: weight / total / (Math.max(...all) - low || 1) };
  });
  return Float64Array.from(finished, ({ state, losses }) => {
    if (state !== 'complete') return Number.POSITIVE_INFINITY;
    if (count === 1) return losses[0]!;
    const weighted = ranges.map(({ low, scale }, k) => scale * (losses[k]! - low));
    return Math.max(...weighted) + 0.05 * weighted.reduce((sum, value) => sum + value, 0);
  });
}

function standardized(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = Math.sqrt(variance) || 1;
  return values.map((value) => (value - mean) / deviation);
}
