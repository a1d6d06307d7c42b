/** Epoch by epoch, what a trial reported, the less the better. */
export type Curve = ReadonlyMap<number, number>;

/** A trial that others are compared with. */
export interface Peer {
  state: 'complete' | 'pruned' | 'running';
  curve: Curve;
}

/** Whether a trial is to end early, after the last epoch in its curve. */
type Pruner = (curve: Curve, peers: readonly Peer[]) => boolean;

/** Completed trials that the median needs. */
const MEDIAN_OF = 5;
/** Of successive halving: one trial in so many goes on, and a rung is so many times as far as the one before. */
const REDUCTION = 3;

/** The pruners by their names. */
export const PRUNERS = {
  none: () => false,
  /** Ends a trial whose best value so far is worse than the median of completed trials at the same epoch (Golovin et al. 2017). */
  median: (curve, peers) => {
    const epoch = lastEpoch(curve);
    const complete = peers.filter(({ state }) => state === 'complete');
    const values = complete.flatMap(({ curve: other }) => other.get(epoch) ?? []).sort((a, b) => a - b);
    if (values.length < MEDIAN_OF) return false;
    const middle = values.length / 2;
    const median = (values[Math.ceil(middle) - 1]! + values[Math.floor(middle)]!) / 2;
    return Math.min(...curve.values()) > median;
  },
  /**
   * Asynchronous successive halving (Li et al. 2020): after 1, 3, 9, ... epochs a trial goes on if it is among the best third of
   * those that came so far.
   */
  asha: (curve, peers) => {
    const epoch = lastEpoch(curve);
    if (!isRung(epoch)) return false;
    const here = curve.get(epoch)!;
    const others = peers.flatMap(({ curve: other }) => other.get(epoch) ?? []);
    const count = others.length + 1;
    if (count < REDUCTION) return false;
    const better = others.filter((value) => value < here).length;
    return better >= Math.floor(count / REDUCTION);
  },
} as const satisfies Record<string, Pruner>;

/** Which trials are ended early. */
export type PrunerName = keyof typeof PRUNERS;

function lastEpoch(curve: Curve): number {
  return Math.max(...curve.keys());
}

function isRung(epoch: number): boolean {
  let rung = 1;
  while (rung < epoch) rung *= REDUCTION;
  return rung === epoch;
}
