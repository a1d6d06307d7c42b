import { types } from 'node:util';
import { checkOneOf, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { ACTIVE_VARIANCE } from '../evaluation/collapse.ts';
import { barPlot } from './charts/bars.ts';
import { rampColor } from './charts/colors.ts';
import { linePlot } from './charts/lines.ts';
import type { Plot } from './charts/plot.ts';
import { checkEpochs, type EpochRecord, type LossRecord, objectOf } from './epochs.ts';

const TERMS = {
  loss: 'Loss',
  reconstruction: 'Reconstruction, -log p(x|z)',
  kl: 'KL(q(z|x) || p(z))',
  elbo: 'ELBO',
} as const;

/** A term of the loss over the epochs, for training, validation and test. */
export function lossCurves(epochs: readonly EpochRecord[], term: keyof LossRecord = 'loss'): Plot {
  checkOneOf('term', term, Object.keys(TERMS) as (keyof LossRecord)[]);
  const series = (['train', 'validation', 'test'] as const)
    .map((name) => ({
      name,
      points: checkEpochs(epochs).flatMap((each) => {
        const value = each[name]?.[term];
        return value === undefined ? [] : [[each.epoch, value] as const];
      }),
    }))
    .filter(({ points }) => points.length > 0);
  return linePlot({ title: TERMS[term], xLabel: 'epoch', yLabel: 'nats per example', series });
}

/** The learning rate of each epoch's last step. */
export function learningRateCurve(epochs: readonly EpochRecord[]): Plot {
  const points = checkEpochs(epochs).map(({ epoch, learningRate }) => [epoch, learningRate] as const);
  return linePlot({
    title: 'Learning rate',
    xLabel: 'epoch',
    yLabel: 'rate',
    series: [{ name: 'rate', points }],
  });
}

/** The most curves in a chart of layers; the colors of more would look alike. */
const LAYERS = 12;

/** Norms of the gradients of the layers' weights at the last step of each epoch; colors go from the input to the output. */
export function gradientCurves(epochs: readonly EpochRecord[]): Plot {
  const health = checkEpochs(epochs).flatMap(({ epoch, gradientHealth }) =>
    gradientHealth ? [{ epoch, layers: gradientHealth.layers }] : [],
  );
  const all = [...new Set(health.flatMap(({ layers }) => layers.map(({ name }) => name)))];
  const weights = all.filter((name) => name.endsWith('.weight'));
  const count = Math.min(LAYERS, weights.length);
  const shown = Array.from(
    { length: count },
    (_, i) => weights[count === 1 ? 0 : Math.round((i * (weights.length - 1)) / (count - 1))]!,
  );
  const series = shown.map((name, i) => ({
    name: name.replace(/\.weight$/, ''),
    color: rampColor(count === 1 ? 0 : i / (count - 1)),
    points: health.flatMap(({ epoch, layers }) => {
      const layer = layers.find((each) => each.name === name);
      return layer ? [[epoch, layer.gradient] as const] : [];
    }),
  }));
  return linePlot({
    title: 'Norm of the gradient, by layer',
    xLabel: 'epoch',
    yLabel: 'Euclidean norm',
    series,
    logarithmic: true,
  });
}

/** KL(q(z|x) || p(z)) of each dimension of z, faint where the dimension is not in use. */
export function klBars(survey: NonNullable<EpochRecord['latentHealth']>): Plot {
  if (!objectOf(survey)) {
    throw new TorchvaeError('ERR_TYPE', expected('what VAE.latentHealth returns', 'survey', survey));
  }
  const { klPerDimension, meanVariance } = survey;
  for (const [name, values] of Object.entries({ klPerDimension, meanVariance })) {
    if (Array.isArray(values) || types.isFloat32Array(values)) continue;
    throw new TorchvaeError('ERR_TYPE', expected('an array of numbers', name, values));
  }
  // Where there is no closed form, one number stands for all dimensions.
  const isWhole = klPerDimension.length < meanVariance.length;
  const bars = Array.from(klPerDimension, (value, i) => ({
    name: isWhole ? 'all' : String(i),
    value,
    faint: !isWhole && !(meanVariance[i]! > ACTIVE_VARIANCE),
  }));
  return barPlot({ title: 'KL per dimension of z', xLabel: 'dimension, from 0', yLabel: 'nats', bars });
}
