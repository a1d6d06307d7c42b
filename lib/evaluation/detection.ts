import { types } from 'node:util';
import { expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';

/** How well a score separates two classes, over all thresholds. */
export interface Detection {
  /**
   * Area under the receiver operating characteristic: the chance that a positive example scores above a negative one, ties
   * counting half (Hanley and McNeil 1982). 0.5 is guessing.
   */
  auroc: number;
  /**
   * Area under the precision-recall curve as average precision, the sum of precision times gain in recall. Guessing has the
   * share of positive examples.
   */
  auprc: number;
}

/**
 * AUROC and AUPRC of scores. A higher score should mean positive, such as anomalous.
 *
 * @param scores [n]; +Infinity is the strangest
 * @param positive [n], whether each example is
 * @throws TorchvaeError ERR_SHAPE for different lengths or examples of one class alone, ERR_TYPE, ERR_RANGE for NaN
 */
export function detection(
  scores: Float32Array | Float64Array | readonly number[],
  positive: readonly boolean[] | Uint8Array,
): Detection {
  checkScores(scores, positive);
  const order = Uint32Array.from(scores, (_, i) => i).sort(
    (a, b) => Number(scores[b]! > scores[a]!) - Number(scores[b]! < scores[a]!),
  );
  const positives = order.reduce((sum, i) => sum + (positive[i] ? 1 : 0), 0);
  const negatives = scores.length - positives;
  if (positives === 0 || negatives === 0) {
    throw new TorchvaeError(
      'ERR_SHAPE',
      `Expected examples of both classes but received ${positives} positive and ${negatives} negative ones`,
    );
  }
  let [hits, alarms, above, precisions] = [0, 0, 0, 0];
  for (let first = 0; first < order.length; ) {
    // Equal scores pass a threshold together.
    let [newHits, newAlarms, next] = [0, 0, first];
    for (; next < order.length && scores[order[next]!] === scores[order[first]!]; next++) {
      if (positive[order[next]!]) newHits++;
      else newAlarms++;
    }
    above += newAlarms * (hits + newHits / 2);
    hits += newHits;
    alarms += newAlarms;
    precisions += newHits * (hits / (hits + alarms));
    first = next;
  }
  return { auroc: above / (positives * negatives), auprc: precisions / positives };
}

function checkScores(scores: ArrayLike<number>, positive: ArrayLike<unknown>): void {
  const isNumbers = types.isTypedArray(scores) || Array.isArray(scores);
  if (!isNumbers) throw new TorchvaeError('ERR_TYPE', expected('an array of numbers', 'scores', scores));
  if (!types.isTypedArray(positive) && !Array.isArray(positive)) {
    throw new TorchvaeError('ERR_TYPE', expected('an array of booleans', 'positive', positive));
  }
  if (positive.length !== scores.length) {
    throw new TorchvaeError(
      'ERR_SHAPE',
      expected(`${scores.length} truth values, one per score,`, 'positive', positive),
    );
  }
  const bad = Array.prototype.findIndex.call(
    scores,
    (score: unknown) => typeof score !== 'number' || Number.isNaN(score),
  );
  if (bad < 0) return;
  throw new TorchvaeError('ERR_RANGE', expected('numbers', `scores[${bad}]`, scores[bad]));
}
