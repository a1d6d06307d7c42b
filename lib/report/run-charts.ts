import { svgChart } from './charts/svg-chart.ts';
import type { EpochRecord, LossRecord } from './epochs.ts';
import { gradientCurves, klBars, learningRateCurve, lossCurves } from './plots.ts';

/**
 * A term of the loss over the epochs, for training, validation and test, as SVG text.
 *
 * @param epochs what `VAE.fit` yielded
 * @param term default `loss`
 * @throws TorchvaeError ERR_TYPE unless `epochs` is an array of epochs, ERR_RANGE for another term
 */
export function lossChart(epochs: readonly EpochRecord[], term: keyof LossRecord = 'loss'): string {
  return svgChart(lossCurves(epochs, term));
}

/**
 * The learning rate of each epoch's last step, as SVG text.
 *
 * @throws TorchvaeError ERR_TYPE unless `epochs` is an array of epochs
 */
export function learningRateChart(epochs: readonly EpochRecord[]): string {
  return svgChart(learningRateCurve(epochs));
}

/**
 * Norms of the gradients of the layers' weights at the last step of each epoch, as SVG text: colors go from the input to the
 * output. Of more than 12 layers, 12 that are spread evenly.
 *
 * @throws TorchvaeError ERR_TYPE unless `epochs` is an array of epochs
 */
export function gradientChart(epochs: readonly EpochRecord[]): string {
  return svgChart(gradientCurves(epochs));
}

/**
 * KL(q(z|x) || p(z)) of each dimension of z as bars, faint where the dimension is not in use, as SVG text.
 *
 * @param survey what `VAE.latentHealth` returns
 * @throws TorchvaeError ERR_TYPE
 */
export function klChart(survey: NonNullable<EpochRecord['latentHealth']>): string {
  return svgChart(klBars(survey));
}
