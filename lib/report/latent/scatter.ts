import { expected } from '../../check.ts';
import { Dataset } from '../../data/dataset.ts';
import { wholeNumbers } from '../../data/examples/checks.ts';
import { readableRows } from '../../data/readable.ts';
import { TorchvaeError } from '../../errors.ts';
import type { Labels } from '../../model/classes.ts';
import type { Labeled } from '../../model/codes.ts';
import type { Examples } from '../../model/input.ts';
import type { VAE } from '../../vae.ts';
import type { Plot } from '../charts/plot.ts';
import { pointPlot } from '../charts/points.ts';
import { svgChart } from '../charts/svg-chart.ts';
import { projectCodes } from './projection.ts';

/**
 * Where examples lie in the space of codes, by their labels: the means of q(z|x), in a plane as `projectCodes` finds it, as SVG
 * text.
 *
 * @param options.labels as for `VAE.encode`; they also color the points. Default those of the data set
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE, ERR_SHAPE for the labels, and what `VAE.encode` throws
 */
export async function latentChart(vae: VAE, x: Examples, options: Labeled = {}): Promise<string> {
  return svgChart(await latentPoints(vae, x, options));
}

/** What {@link latentChart} draws. */
export async function latentPoints(vae: VAE, given: Examples, options: Labeled = {}): Promise<Plot> {
  // With labels of the caller's, all rows stay.
  const x = given instanceof Dataset && !options.labels ? readableRows(given) : given;
  const { mean } = await vae.encode(x, options);
  const { points, axes } = projectCodes(mean);
  const own = x instanceof Dataset ? x : undefined;
  // A model that is not conditioned on labels has not looked at them.
  const { labels, classes = own?.classes } = options.labels
    ? colors(options.labels, vae.classes)
    : { labels: own?.labels };
  return pointPlot({
    title: `Codes of ${mean.shape[0]} examples`,
    xLabel: axes[0],
    yLabel: axes[1],
    points,
    ...(labels && { labels }),
    ...(classes && { classes }),
  });
}

/** Labels as numbers, and the names that go with these where some are names. */
function colors(
  labels: Labels,
  known: readonly string[] = [],
): { labels: Int32Array; classes?: readonly string[] } {
  if (!Array.from<unknown>(labels).some((label) => typeof label === 'string')) {
    return { labels: wholeNumbers(labels as Int32Array | readonly number[]) };
  }
  const names = Array.from<unknown>(labels).map((label, i) => {
    const name = typeof label === 'number' ? known[label] : label;
    if (typeof name === 'string') return name;
    throw new TorchvaeError('ERR_TYPE', expected('a name, as others are,', `labels[${i}]`, label));
  });
  const classes = [...new Set([...known, ...names])];
  return { labels: Int32Array.from(names, (name) => classes.indexOf(name)), classes };
}
