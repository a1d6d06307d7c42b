import { checkOneOf } from '../check.ts';
import { ACTIVE_VARIANCE } from '../evaluation/collapse.ts';
import { barChart } from './charts/bar-chart.ts';
import { rampColour } from './charts/frame.ts';
import { lineChart } from './charts/line-chart.ts';
import type { EpochRecord, LossRecord } from './epochs.ts';

const TERMS = {
  loss: 'Loss',
  reconstruction: 'Reconstruction, -log p(x|z)',
  kl: 'KL(q(z|x) || p(z))',
  elbo: 'ELBO',
} as const;

/**
 * A term of the loss over the epochs, of training and of what else was evaluated, as SVG text.
 *
 * @param epochs what `VAE.fit` yielded
 * @param term default `loss`
 */
export function lossChart(epochs: readonly EpochRecord[], term: keyof LossRecord = 'loss'): string {
  checkOneOf('term', term, Object.keys(TERMS) as (keyof LossRecord)[]);
  const series = (['train', 'validation', 'test'] as const)
    .map((name) => ({
      name,
      points: epochs.flatMap((each) => {
        const value = each[name]?.[term];
        return value === undefined ? [] : [[each.epoch, value] as const];
      }),
    }))
    .filter(({ points }) => points.length > 0);
  return lineChart({ title: TERMS[term], xLabel: 'epoch', yLabel: 'nats per example', series });
}

/** The learning rate of each epoch's last step, as SVG text. */
export function learningRateChart(epochs: readonly EpochRecord[]): string {
  const points = epochs.map(({ epoch, learningRate }) => [epoch, learningRate] as const);
  return lineChart({
    title: 'Learning rate',
    xLabel: 'epoch',
    yLabel: 'rate',
    series: [{ name: 'rate', points }],
  });
}

/** Curves of more layers cannot be told apart. */
const LAYERS = 12;

/**
 * Norms of the gradients of the layers' weights at the last step of each epoch, as SVG text: colours go from the input to the
 * output. Of more than 12 layers, 12 that are spread evenly.
 */
export function gradientChart(epochs: readonly EpochRecord[]): string {
  const health = epochs.flatMap(({ epoch, gradientHealth }) =>
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
    colour: rampColour(count === 1 ? 0 : i / (count - 1)),
    points: health.flatMap(({ epoch, layers }) => {
      const layer = layers.find((each) => each.name === name);
      return layer ? [[epoch, layer.gradient] as const] : [];
    }),
  }));
  return lineChart({
    title: 'Norm of the gradient, by layer',
    xLabel: 'epoch',
    yLabel: 'Euclidean norm',
    series,
    logarithmic: true,
  });
}

/** KL(q(z|x) || p(z)) of each dimension of z as bars, faint where the dimension is not in use, as SVG text. */
export function klChart({ klPerDimension, meanVariance }: NonNullable<EpochRecord['latentHealth']>): string {
  // Where there is no closed form, one number stands for all dimensions.
  const isWhole = klPerDimension.length < meanVariance.length;
  const bars = Array.from(klPerDimension, (value, i) => ({
    name: isWhole ? 'all' : String(i),
    value,
    faint: !isWhole && !(meanVariance[i]! > ACTIVE_VARIANCE),
  }));
  return barChart({ title: 'KL per dimension of z', xLabel: 'dimension, from 0', yLabel: 'nats', bars });
}
