import { checkOptions } from '../check.ts';
import { type CellCounts, Dataset } from '../data/dataset.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import { TorchvaeError } from '../errors.ts';
import {
  type AnomalyThreshold,
  completeScoring,
  type RowState,
  rowStates,
  SCORE_OPTIONS,
  type ScoreOptions,
  type Scoring,
  type ThresholdOptions,
  thresholdOf,
} from './anomaly.ts';
import { withKnownLabels } from './classes.ts';
import { type Labeled, readExamples } from './codes.ts';
import type { Core } from './core.ts';
import { negativeLogLikelihood } from './densities.ts';
import { inParts, joined } from './in-parts.ts';
import type { Examples } from './input.ts';
import { withoutOddRows } from './odd-rows.ts';
import { infiniteForNaN } from './output.ts';
import { checkSameSchema } from './same-schema.ts';

/** The result of `VAE.detect`, in the order of the examples. */
export interface Anomalies {
  /** In nats: higher is stranger. See `VAE.score` for those that are not finite. */
  scores: Float32Array;
  /** Whether each example may not pass as normal: its score lies above the threshold, or it has none. */
  anomalous: boolean[];
  /** What each score is worth. */
  states: RowState[];
  /** The cells of each example that are not as in its row, where a table has such cells. */
  cells?: CellCounts;
}

/** See `VAE.score`. */
export async function score(
  core: Core,
  x: Examples | StreamedDataset,
  options: Labeled & ScoreOptions,
): Promise<Float32Array> {
  const given = checkOptions('options of score', options, [...SCORE_OPTIONS, 'labels']);
  return (await scored(core, x, completeScoring(given), given.labels)).scores;
}

/** See `VAE.fitThreshold`. */
export async function fitThreshold(
  core: Core,
  x: Examples | StreamedDataset,
  options: Labeled & ThresholdOptions,
): Promise<AnomalyThreshold> {
  const known = [...SCORE_OPTIONS, 'labels', 'falseAlarmRate', 'quantile'];
  const given = checkOptions('options of fitThreshold', options, known);
  const { labels, falseAlarmRate, quantile, ...rest } = given;
  const scoring = completeScoring(rest);
  const wanted = {
    ...(falseAlarmRate !== undefined && { falseAlarmRate }),
    ...(quantile !== undefined && { quantile }),
  };
  const { scores } = await scored(core, x, scoring, labels);
  core.threshold = thresholdOf(scores, scoring, wanted);
  return core.threshold;
}

/** See `VAE.detect`. */
export async function detect(
  core: Core,
  x: Examples | StreamedDataset,
  options: Labeled,
): Promise<Anomalies> {
  const { labels } = checkOptions('options of detect', options, ['labels']);
  const { threshold } = core;
  if (!threshold) {
    throw new TorchvaeError(
      'ERR_STATE',
      'This VAE has no threshold for anomalies; set one: await vae.fitThreshold(normal, { falseAlarmRate: 0.01 })',
    );
  }
  const { scores, cells } = await scored(core, x, threshold, labels);
  return {
    scores,
    // Not `>`: what has no score is not known to be normal.
    anomalous: Array.from(scores, (value) => !(value <= threshold.value)),
    states: rowStates(scores, cells),
    ...(cells && { cells }),
  };
}

interface Scored {
  scores: Float32Array;
  cells: CellCounts | undefined;
}

/** The scores of examples, [n], by a measure and a number of draws, and what was not as in their rows. */
async function scored(
  core: Core,
  x: Examples | StreamedDataset,
  scoring: Scoring,
  labels: Labeled['labels'],
): Promise<Scored> {
  if (!(x instanceof StreamedDataset)) return scoredPart(core, x, scoring, labels);
  const parts: Scored[] = [];
  for await (const window of inParts(core, x, labels, 'all')) {
    parts.push(await scoredPart(core, window.part, scoring, window.labels));
  }
  return joined(parts);
}

async function scoredPart(
  core: Core,
  given: Examples,
  scoring: Scoring,
  labels: Labeled['labels'],
): Promise<Scored> {
  const x = withKnownLabels(given, core, labels);
  if (x instanceof Dataset) checkSameSchema('x', x.schema, core.schema);
  const cells = x instanceof Dataset ? x.cells : undefined;
  const { readable, unread, outside, invalid } = withoutOddRows(core, x);
  const scores = await average(core, readable, scoring, labels);
  // Of what it never saw the model knows nothing, the density of what the likelihood cannot give is 0, and what is not a number has none.
  for (const row of [...unread, ...outside]) scores[row] = Infinity;
  for (const row of invalid) scores[row] = Number.NaN;
  return { scores, cells };
}

/** The average over the draws of z. */
async function average(
  core: Core,
  x: Examples,
  { measure, draws, seed }: Scoring,
  known: Labeled['labels'],
): Promise<Float32Array> {
  const given = known && { labels: known };
  if (measure === 'likelihood') return negativeLogLikelihood(core, x, { samples: draws, seed, ...given });
  // Dynamic binarization draws other values for each draw; all other examples are read once.
  const isDrawn = x instanceof Dataset && x.binarization === 'dynamic';
  const [reads, drawsOfEach] = isDrawn ? [draws, 1] : [1, draws];
  let total: Float64Array | undefined;
  for (let read = 0; read < reads; read++) {
    const { values, labels, seed: noise } = readExamples(core, x, { seed: seed + read, ...given });
    const { reconstruction, kl } = await core.call((addon, handle) =>
      addon.meanLosses(handle, values, noise, drawsOfEach, labels),
    );
    total ??= new Float64Array(reconstruction.length);
    for (let i = 0; i < total.length; i++) {
      total[i]! += reconstruction[i]! + (measure === 'elbo' ? kl[i]! : 0);
    }
  }
  return infiniteForNaN(Float32Array.from(total ?? [], (sum) => sum / reads));
}
