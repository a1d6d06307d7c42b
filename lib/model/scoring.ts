import { checkOptions } from '../check.ts';
import { Dataset } from '../data/dataset.ts';
import { TorchvaeError } from '../errors.ts';
import {
  type AnomalyThreshold,
  completeScoring,
  SCORE_OPTIONS,
  type ScoreOptions,
  type Scoring,
  type ThresholdOptions,
  thresholdOf,
} from './anomaly.ts';
import { type Labeled, readExamples } from './codes.ts';
import type { Core } from './core.ts';
import { lossesOf, negativeLogLikelihood } from './densities.ts';
import type { Examples } from './input.ts';

/** The result of `VAE.detect`, in the order of the examples. */
export interface Anomalies {
  /** In nats: higher is stranger. */
  scores: Float32Array;
  /** Whether each score lies above the threshold. */
  anomalous: boolean[];
}

/** See `VAE.score`. */
export async function score(core: Core, x: Examples, options: Labeled & ScoreOptions): Promise<Float32Array> {
  const given = checkOptions('options of score', options, [...SCORE_OPTIONS, 'labels']);
  return scores(core, x, completeScoring(given), given.labels);
}

/** See `VAE.fitThreshold`. */
export async function fitThreshold(
  core: Core,
  x: Examples,
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
  core.threshold = thresholdOf(await scores(core, x, scoring, labels), scoring, wanted);
  return core.threshold;
}

/** See `VAE.detect`. */
export async function detect(core: Core, x: Examples, options: Labeled): Promise<Anomalies> {
  const { labels } = checkOptions('options of detect', options, ['labels']);
  const { threshold } = core;
  if (!threshold) {
    throw new TorchvaeError(
      'ERR_STATE',
      'This VAE has no threshold for anomalies; set one: await vae.fitThreshold(normal, { falseAlarmRate: 0.01 })',
    );
  }
  const found = await scores(core, x, threshold, labels);
  return { scores: found, anomalous: Array.from(found, (value) => value > threshold.value) };
}

function isDrawn(x: Examples): boolean {
  return x instanceof Dataset && x.binarization === 'dynamic';
}

/** The scores of examples, [n], by a measure and a number of draws. */
async function scores(
  core: Core,
  x: Examples,
  { measure, draws, seed }: Scoring,
  labels: Labeled['labels'],
): Promise<Float32Array> {
  const given = labels && { labels };
  if (measure === 'likelihood') return negativeLogLikelihood(core, x, { samples: draws, seed, ...given });
  let read = readExamples(core, x, { seed, ...given });
  const total = new Float64Array(read.rows);
  for (let draw = 0; draw < draws; draw++) {
    const noise = seed + draw;
    // Dynamic binarization draws other values for each draw; all other examples were checked once.
    if (isDrawn(x)) read = readExamples(core, x, { seed: noise, ...given });
    const { reconstruction, kl } = await lossesOf(core, { ...read, noise });
    for (let i = 0; i < total.length; i++) {
      total[i]! += reconstruction[i]! + (measure === 'elbo' ? kl[i]! : 0);
    }
  }
  return Float32Array.from(total, (sum) => sum / draws);
}
