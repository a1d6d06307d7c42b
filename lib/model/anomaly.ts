import { checkInteger, checkNumber, checkOneOf, checkOptions } from '../check.ts';
import type { CellCounts } from '../data/dataset.ts';
import { TorchvaeError } from '../errors.ts';

/** What an anomaly score measures; a higher score is stranger. */
export const MEASURES = ['elbo', 'reconstruction', 'likelihood'] as const;

/** How examples are scored. */
export interface ScoreOptions {
  /**
   * `elbo` (default): -ELBO, reconstruction + kl, averaged over the draws; `reconstruction`: -log p(x|z) alone (An and Cho
   * 2015); `likelihood`: the importance-weighted -log p(x). All in nats.
   */
  measure?: (typeof MEASURES)[number];
  /** Draws of z for each example; more draws give a steadier score. Default 10. */
  draws?: number;
  /** Seed of the draws; default 0. */
  seed?: number;
}

/** {@link ScoreOptions} with their defaults. */
export type Scoring = Required<ScoreOptions>;

/** Where to put a threshold: give exactly one of `falseAlarmRate` and `quantile`. */
export interface ThresholdOptions extends ScoreOptions {
  /**
   * The share of normal examples that may be flagged as anomalies. The threshold is the smallest that keeps this rate for new
   * examples of the same kind: the score of rank ceil((n + 1) (1 - rate)) of n (split conformal prediction; Vovk et al. 2005).
   */
  falseAlarmRate?: number;
  /** The quantile of the scores, such as 0.99, interpolated between two scores. */
  quantile?: number;
}

/** The score above which an example is an anomaly, and how examples are scored. Checkpoints keep it. */
export interface AnomalyThreshold extends Scoring {
  /** Examples that score above it are anomalies. */
  value: number;
  falseAlarmRate?: number;
  quantile?: number;
  /** Number of normal examples that the threshold was set from. */
  examples: number;
  /** Those of them without a finite score, which count as the strangest; missing where there are none. */
  nonFinite?: number;
}

/**
 * What a score is worth. `scored`: it is that of the row. `infinite`: the row is so far from the training data that its density
 * vanishes, or it has a value that the likelihood cannot give, such as 1.2 with `bernoulli`. `imputed`: missing cells were filled in with
 * usual values, so that the score hides what is missing. `unseen`: a cell of a table has a category that no training row had, or what
 * its column cannot have, such as a word among numbers, and the score is +Infinity; or a line of text has tokens that are not in the
 * vocabulary, or too many, and the score is that of unknown tokens and of those that fit. `invalid`: the row holds NaN or an infinity,
 * and the score is NaN.
 */
export type RowState = 'scored' | 'infinite' | 'imputed' | 'unseen' | 'invalid';

/** The state of each score. */
export function rowStates(scores: Float32Array, cells: CellCounts | undefined): RowState[] {
  return Array.from(scores, (score, i) => {
    if (Number.isNaN(score)) return 'invalid';
    if (cells && cells.unseen[i]! > 0) return 'unseen';
    if (score === Infinity) return 'infinite';
    return cells && cells.imputed[i]! > 0 ? 'imputed' : 'scored';
  });
}

/** The keys of {@link ScoreOptions}. */
export const SCORE_OPTIONS = ['measure', 'draws', 'seed'] as const;

/** @throws TorchvaeError ERR_TYPE or ERR_RANGE naming the option */
export function completeScoring({ measure = 'elbo', draws = 10, seed = 0 }: ScoreOptions): Scoring {
  return {
    measure: checkOneOf('measure', measure, MEASURES),
    draws: checkInteger('draws', draws, 1, 1 << 20),
    seed: checkInteger('seed', seed, 0),
  };
}

/**
 * The threshold over scores of normal examples.
 *
 * @throws TorchvaeError ERR_TYPE unless exactly one of `falseAlarmRate` and `quantile` is given, ERR_RANGE for one outside [0, 1],
 * ERR_SHAPE for too few examples to keep a false-alarm rate, ERR_NONFINITE where the threshold falls among scores that are not finite
 */
export function thresholdOf(
  scores: Float32Array,
  scoring: Scoring,
  options: Pick<ThresholdOptions, 'falseAlarmRate' | 'quantile'>,
): AnomalyThreshold {
  const { falseAlarmRate, quantile } = checkOptions('options', options, ['falseAlarmRate', 'quantile']);
  if ((falseAlarmRate === undefined) === (quantile === undefined)) {
    throw new TorchvaeError(
      'ERR_TYPE',
      'Expected either falseAlarmRate or quantile for the threshold, and not both',
    );
  }
  // NaN comes last: what cannot be scored is as strange as can be.
  const sorted = Float32Array.from(scores).sort();
  const examples = sorted.length;
  const nonFinite = sorted.reduce((count, score) => count + (Number.isFinite(score) ? 0 : 1), 0);
  const base = { ...scoring, examples, ...(nonFinite > 0 && { nonFinite }) };
  if (quantile !== undefined) {
    const place = checkNumber('quantile', quantile, 0, 1) * (examples - 1);
    const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
    const value = place % 1 === 0 ? low : low + (high - low) * (place % 1);
    return { ...base, value: checkThreshold(value, scores, nonFinite), quantile };
  }
  const rate = checkNumber('falseAlarmRate', falseAlarmRate, 0, 1);
  const rank = Math.ceil((examples + 1) * (1 - rate) - 1e-9);
  if (rank <= examples) {
    const value = sorted[Math.max(1, rank) - 1]!;
    return { ...base, value: checkThreshold(value, scores, nonFinite), falseAlarmRate: rate };
  }
  const needed = rate > 0 ? `at least ${Math.ceil(1 / rate - 1 - 1e-9)} examples` : 'a rate above 0';
  throw new TorchvaeError(
    'ERR_SHAPE',
    `Expected ${needed} to keep a false-alarm rate of ${rate} but received ${examples} examples; give more, or ask for a quantile`,
  );
}

function checkThreshold(value: number, scores: Float32Array, nonFinite: number): number {
  if (Number.isFinite(value)) return value;
  const first = scores.findIndex((score) => !Number.isFinite(score));
  throw new TorchvaeError(
    'ERR_NONFINITE',
    `Expected a finite threshold but ${nonFinite} of ${scores.length} normal examples have no finite score, the first at index ` +
      `${first}; leave them out, or allow more false alarms than these`,
  );
}

/** The threshold that a checkpoint's JSON describes; undefined where it is damaged. */
export function thresholdFromJson(value: Record<string, unknown>): AnomalyThreshold | undefined {
  const { value: at, measure, draws, seed, falseAlarmRate, quantile, examples, nonFinite } = value;
  const isCount = (count: unknown): count is number => Number.isSafeInteger(count) && Number(count) >= 0;
  const known = MEASURES.find((name) => name === measure);
  if (
    !Number.isFinite(at) ||
    !known ||
    !isCount(draws) ||
    draws < 1 ||
    !isCount(seed) ||
    !isCount(examples) ||
    (nonFinite !== undefined && !isCount(nonFinite))
  ) {
    return undefined;
  }
  const isShare = (share: unknown) => typeof share === 'number' && share >= 0 && share <= 1;
  if (![falseAlarmRate, quantile].every((share) => share === undefined || isShare(share))) return undefined;
  return {
    value: Number(at),
    measure: known,
    draws,
    seed,
    ...(falseAlarmRate !== undefined && { falseAlarmRate: Number(falseAlarmRate) }),
    ...(quantile !== undefined && { quantile: Number(quantile) }),
    examples,
    ...(nonFinite !== undefined && { nonFinite }),
  };
}
