import { types } from 'node:util';
import { checkInteger, checkOptions, defined, expected } from '../check.ts';
import { type Binarization, type DataKind, Dataset } from '../data/dataset.ts';
import { spread } from '../data/spread.ts';
import { TorchvaeError } from '../errors.ts';
import { completeScoring, SCORE_OPTIONS, type ScoreOptions } from '../model/anomaly.ts';
import { encode, reconstruct, sample } from '../model/codes.ts';
import type { Core } from '../model/core.ts';
import { negativeLogLikelihood } from '../model/densities.ts';
import type { Losses } from '../model/losses.ts';
import { hasDensity } from '../model/parts/posteriors.ts';
import { checkSameSchema } from '../model/same-schema.ts';
import { score } from '../model/scoring.ts';
import type { DeviceName } from '../runtime/device.ts';
import { type LatentHealth, surveyLatents } from './collapse.ts';
import { type Dci, dci } from './dci.ts';
import { type Detection, detection } from './detection.ts';
import { frechetDistance } from './frechet.ts';
import { type PrecisionRecall, precisionRecall } from './manifold.ts';
import { type MutualInformationGap, mutualInformationGap } from './mutual-information-gap.ts';
import { type SeparatedAttributePredictability, sap } from './sap.ts';
import { SSIM_WINDOW, structuralSimilarity } from './similarity.ts';
import { drawnColumns, readTable } from './table-columns.ts';
import { compareTables, type TableComparison } from './table-comparison.ts';

/** What to evaluate. Measures that the data (images, factors, labels) or the model do not allow are left out. */
export interface EvaluateOptions {
  /**
   * Draws for each example of the importance-weighted likelihood, such as 5,000; default 0, which leaves it out, as does a posterior
   * without a density.
   */
  likelihoodSamples?: number;
  /** Draws from the model to compare with as many examples; default 10,000, 0 leaves it out. */
  samples?: number;
  /** Data to compare samples with, such as the training set; default the evaluated data. */
  reference?: Dataset;
  /** Labels, or names of classes, that count as anomalies; the others are normal. Default: no detection. */
  anomalous?: readonly (number | string)[];
  /** How anomalies are scored; its seed is by default that of all draws. */
  scoring?: ScoreOptions;
  /** Seed of all draws; default 0. */
  seed?: number;
}

/** How good a model is on a data set; in nats where no unit is named. */
export interface Evaluation {
  data: {
    name: string;
    examples: number;
    /** Rows of a table that are not among these, since they cannot be read or have no finite loss; missing where there are none. */
    leftOut?: number;
    shape: readonly number[];
    kind: DataKind;
    /** Likelihoods of data that were binarized in different ways cannot be compared. */
    binarization: Binarization;
  };
  seed: number;
  /** Averages with one draw of z per example. */
  losses: Losses & {
    /** Of -elbo; missing for a model without that bound. */
    bitsPerDimension?: number;
  };
  likelihood?: {
    /** -log p(x) by importance weighting with `samples` draws of z per example (Burda et al. 2016, eq. 8), averaged. */
    negativeLogLikelihood: number;
    /** Of that average, over the examples. */
    standardError: number;
    bitsPerDimension: number;
    samples: number;
  };
  reconstruction?: {
    /** Between x and the mean of p(x|z) at the mean of q(z|x), averaged over dimensions. */
    meanSquaredError: number;
    /** Peak signal-to-noise ratio of that error in decibels, for values in [0, 1]. */
    peakSignalToNoise?: number;
    /** Images of at least 11 x 11 pixels: see `structuralSimilarity`. */
    structuralSimilarity?: number;
  };
  /** Over up to 2,000 evenly spaced examples. */
  latent: LatentHealth;
  samples?: PrecisionRecall & {
    /** See `frechetDistance`. */
    frechetDistance: number;
    /** The features that distances are computed from. */
    features: string;
    /** Examples, and as many draws. */
    examples: number;
    /** Name of the data that they are compared with. */
    reference: string;
    /** What is compared: means of p(x|z), or draws from it where the data are 0 and 1, levels, or rows of a table. */
    kind: 'mean' | 'sample';
    /** What is to be said where the figures mislead. */
    alarm?: string;
    /** Of a table whose examples are rows, and not windows of these. */
    columns?: TableComparison;
  };
  /** Data with known factors: of the means of q(z|x). */
  disentanglement?: {
    mutualInformationGap: MutualInformationGap;
    dci: Omit<Dci, 'importances'>;
    sap: SeparatedAttributePredictability;
    /** Number of evenly spaced examples that were used. */
    examples: number;
  };
  detection?: Detection & { anomalous: number; normal: number; measure: string; draws: number };
}

/** Examples of one call of the engine, which bounds the memory of a result. */
const STRETCH = 4096;

/** Examples for measures whose cost grows with the square of their number, or that gain nothing from more. */
const SURVEYED = 2000;
const DISENTANGLED = 10_000;

/** Principal components and neighbors for the quality of samples. */
const COMPONENTS = 64;
const NEIGHBORS = 5;

/**
 * See `VAE.evaluate`.
 *
 * @param meansOf gives the losses over the examples that have an answer, with one draw of z for each from this seed, and these examples
 */
export async function evaluateModel(
  model: Core,
  all: Dataset,
  options: EvaluateOptions,
  meansOf: (seed: number) => Promise<{ losses: Losses; counted: Dataset; leftOut: number }>,
): Promise<Evaluation> {
  const known = ['likelihoodSamples', 'samples', 'reference', 'anomalous', 'scoring', 'seed'];
  const given = checkOptions('options of evaluate', options, known);
  const seed = checkInteger('seed', given.seed ?? 0, 0);
  const draws = checkInteger('likelihoodSamples', given.likelihoodSamples ?? 0, 0, 1 << 24);
  const samples = checkInteger('samples', given.samples ?? 10_000, 0, 1 << 20);
  if (given.reference !== undefined) checkReference(given.reference, all);
  const isAnomalous = given.anomalous === undefined ? undefined : anomalousExamples(all, given.anomalous);
  const wanted = checkOptions('options.scoring of evaluate', given.scoring ?? {}, SCORE_OPTIONS);
  const scoring = completeScoring({ seed, ...defined(wanted) });
  const { losses, counted: data, leftOut } = await meansOf(seed);
  const { name, length, shape, kind, binarization } = data;
  const perDimension = data.size * Math.LN2;
  const result: Evaluation = {
    data: { name, examples: length, ...(leftOut > 0 && { leftOut }), shape, kind, binarization },
    seed,
    losses: {
      ...losses,
      ...(losses.elbo !== undefined && { bitsPerDimension: -losses.elbo / perDimension }),
    },
    latent: await surveyLatents(model, spread(data, SURVEYED), seed),
  };
  if (draws > 0 && hasDensity(model.spec.posterior)) {
    const values = await inStretches(data, (part, first) =>
      negativeLogLikelihood(model, part, { samples: draws, seed: seedOf(data, seed, first) }),
    );
    const { mean, standardError } = meanOf(values);
    result.likelihood = {
      negativeLogLikelihood: mean,
      standardError,
      bitsPerDimension: mean / perDimension,
      samples: draws,
    };
  }
  if (kind !== 'categorical') result.reconstruction = await judgeReconstructions(model, data);
  if (samples > 0 && kind !== 'categorical') {
    const judged = await judgeSamples(model, given.reference ?? data, samples, seed);
    if (judged) result.samples = judged;
  }
  if (data.factors.length > 0 && data.length > 1) {
    const some = spread(data, DISENTANGLED);
    const { mean } = await encode(model, some, {});
    if (mean.shape[1]! > 1) {
      const { importances: _, ...scores } = await dci(mean, some, { seed });
      result.disentanglement = {
        mutualInformationGap: await mutualInformationGap(mean, some),
        dci: scores,
        sap: await sap(mean, some, { seed }),
        examples: some.length,
      };
    }
  }
  if (isAnomalous) {
    const scores = await inStretches(all, (part, first) =>
      score(model, part, { ...scoring, seed: seedOf(all, scoring.seed, first) }),
    );
    const anomalous = isAnomalous.filter(Boolean).length;
    result.detection = {
      // What has no score is as strange as can be.
      ...detection(
        scores.map((value) => (Number.isNaN(value) ? Infinity : value)),
        isAnomalous,
      ),
      anomalous,
      normal: all.length - anomalous,
      measure: scoring.measure,
      draws: scoring.draws,
    };
  }
  return result;
}

async function judgeReconstructions(
  model: Core,
  data: Dataset,
): Promise<NonNullable<Evaluation['reconstruction']>> {
  const { shape, kind } = data;
  const isUnit = kind === 'unit' || kind === 'binary';
  const isImage = isUnit && shape.length === 3 && Math.min(shape[1]!, shape[2]!) >= SSIM_WINDOW;
  const similar: Float32Array[] = [];
  const errors = await inStretches(data, async (part) => {
    const { data: found } = await reconstruct(model, part, {});
    const values = toFloats(part.drawn(0));
    const device = model.device.name as DeviceName;
    if (isImage) similar.push(await structuralSimilarity(values, found, { shape, device }));
    return squaredErrors(values, found, data.size);
  });
  const meanSquaredError = meanOf(errors).mean;
  return {
    meanSquaredError,
    ...(isUnit && { peakSignalToNoise: -10 * Math.log10(meanSquaredError) }),
    ...(isImage && { structuralSimilarity: meanOf(joined(similar)).mean }),
  };
}

/** Undefined where there are too few examples. */
async function judgeSamples(
  model: Core,
  reference: Dataset,
  count: number,
  seed: number,
): Promise<Evaluation['samples'] | undefined> {
  const data = spread(reference, count);
  if (data.length <= NEIGHBORS) return undefined;
  const kind = comparedKind(model, data);
  const { data: drawn } = await sample(model, data.length, {
    seed,
    kind,
    ...(data.labels && { labels: data.labels }),
  });
  const components = Math.min(COMPONENTS, data.size);
  const options = { columns: data.size, components, device: model.device.name as DeviceName };
  const manifold = await precisionRecall(data, drawn, { ...options, neighbors: NEIGHBORS });
  const alarm = crowdingAlarm(manifold);
  const compared = await compareColumns(model, data, drawn, seed);
  return {
    frechetDistance: await frechetDistance(data, drawn, options),
    ...manifold,
    features: `the first ${components} principal components of the data`,
    examples: data.length,
    reference: reference.name,
    kind,
    ...(alarm && { alarm }),
    ...(compared && { columns: compared }),
  };
}

/** Undefined unless the model draws rows of a table, and there are enough to compare. */
async function compareColumns(
  { schema }: Core,
  { shape, data, cells }: Dataset,
  drawn: Float32Array,
  seed: number,
): Promise<TableComparison | undefined> {
  if (schema?.type !== 'table' || shape.length !== 1 || !types.isFloat32Array(data)) return undefined;
  const found = await compareTables(readTable(schema, data, cells), drawnColumns(schema, drawn), { seed });
  return Object.keys(found).length > 0 ? found : undefined;
}

/** Means have no noise, so they are compared only with data that have none either. */
function comparedKind({ spec }: Core, { kind, binarization, schema }: Dataset): 'mean' | 'sample' {
  const isBinary = kind === 'binary' || binarization === 'dynamic';
  const isLevels = ['categorical', 'logistic-mixture'].includes(spec.likelihood.type);
  return isBinary || isLevels || schema?.type === 'table' ? 'sample' : 'mean';
}

/** Of good samples it is about 1. */
const CROWDED = 2;

function crowdingAlarm({ density }: PrecisionRecall): string | undefined {
  if (density < CROWDED) return undefined;
  return (
    `A density of ${density.toPrecision(3)} is far above 1: the samples crowd into few places, such as blurred ones amid the ` +
    'data, and their precision says little; look at coverage and recall'
  );
}

/** @throws TorchvaeError ERR_TYPE unless `reference` is a Dataset, ERR_SHAPE for examples of another size */
function checkReference(reference: unknown, data: Dataset): void {
  if (!(reference instanceof Dataset)) {
    throw new TorchvaeError('ERR_TYPE', expected('a Dataset', 'reference', reference));
  }
  checkSameSchema('reference', reference.schema, data.schema);
  if (reference.size === data.size) return;
  throw new TorchvaeError(
    'ERR_SHAPE',
    `Expected examples of ${data.size} values, as the evaluated ones have, for reference but received examples of ` +
      `${reference.size} (${reference.name})`,
  );
}

/** Whether each example has one of the labels or classes. */
function anomalousExamples(data: Dataset, anomalous: unknown): boolean[] {
  const { labels, classes, name } = data;
  if (!Array.isArray(anomalous) || anomalous.length === 0) {
    throw new TorchvaeError('ERR_TYPE', expected('an array of labels', 'anomalous', anomalous));
  }
  if (!labels) {
    throw new TorchvaeError(
      'ERR_STATE',
      `Expected data with labels, which say what is an anomaly, but ${name} has none; of a table, give the column (labelColumn)`,
    );
  }
  const numbers = new Set(
    anomalous.map((wanted) => {
      const label = typeof wanted === 'string' ? (classes?.indexOf(wanted) ?? -1) : wanted;
      if (labels.includes(label)) return label;
      const what = classes ? `one of ${classes.join(', ')}` : 'a label of the data';
      throw new TorchvaeError('ERR_RANGE', expected(what, 'anomalous', wanted));
    }),
  );
  return Array.from(labels, (label) => numbers.has(label));
}

/** One value for each example, computed for some thousands of examples at a time. */
async function inStretches(
  data: Dataset,
  ask: (part: Dataset, first: number) => Promise<Float32Array>,
): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for (let first = 0; first < data.length; first += STRETCH) {
    const length = Math.min(STRETCH, data.length - first);
    parts.push(await ask(data.subset(Uint32Array.from({ length }, (_, i) => first + i)), first));
  }
  return joined(parts);
}

/** Dynamic binarization draws by places: stretches need different draws. All else depends on the rows alone. */
function seedOf({ binarization }: Dataset, seed: number, first: number): number {
  return binarization === 'dynamic' ? seed + first : seed;
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function toFloats(values: Uint8Array | Float32Array): Float32Array {
  return types.isFloat32Array(values) ? values : Float32Array.from(values, (byte) => byte / 255);
}

/** The mean squared difference of each row. */
function squaredErrors(a: Float32Array, b: Float32Array, size: number): Float32Array {
  return Float32Array.from({ length: a.length / size }, (_, row) => {
    let sum = 0;
    for (let i = row * size; i < (row + 1) * size; i++) sum += (a[i]! - b[i]!) ** 2;
    return sum / size;
  });
}

function meanOf(values: Float32Array): { mean: number; standardError: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardError: Math.sqrt(squares / Math.max(1, values.length - 1) / values.length) };
}
