import { expected } from '../check.ts';
import { Dataset } from '../data/dataset.ts';
import { readableRows } from '../data/readable.ts';
import { spread, spreadOverLabels } from '../data/spread.ts';
import { TorchvaeError } from '../errors.ts';
import type { Tensor } from '../model/input.ts';
import type { VAE } from '../vae.ts';
import { isCurve, reconstructionCurves, sampleCurves, traversalCurves } from './curves.ts';
import type { Exhibit } from './exhibit.ts';
import { imageGrid, reconstructionGrid } from './grid.ts';
import { interpolate } from './latent/interpolation.ts';
import { latentChart } from './latent/scatter.ts';
import { canTraverse, traverse } from './latent/traversal.ts';
import type { Picture } from './png.ts';
import { reconstructedRows, sampledRows } from './rows.ts';

/** Pairs of originals and reconstructions. */
const RECONSTRUCTIONS = 16;
const SAMPLES = 64;
/** Classes of which a conditioned model's draws are shown. */
const MOST_CLASSES = 32;
/** Examples that are shown as curves. */
const CURVES = 8;
const INTERPOLATIONS = 6;
/** Dimensions of z that are traversed: those with the highest divergence. */
const TRAVERSED = 12;
/** Codes shown in a plane. */
const POINTS = 2000;
/** Examples for the survey of z. */
const SURVEYED = 1000;

/** Whether examples can be shown as pictures. */
export function isImage({ shape, kind }: Pick<Dataset, 'shape' | 'kind'>): boolean {
  return shape.length === 3 && (shape[0] === 1 || shape[0] === 3) && (kind === 'unit' || kind === 'binary');
}

/** Some examples of every class above their reconstructions. */
export async function reconstructionPicture(
  vae: VAE,
  data: Dataset,
  count = RECONSTRUCTIONS,
): Promise<Picture> {
  const some = spreadOverLabels(data, count);
  const originals = some.batch(Array.from({ length: some.length }, (_, i) => i));
  const { data: reconstructions } = await vae.reconstruct(some);
  return reconstructionGrid(originals, reconstructions, data.shape, { columns: 8, scale: 2 });
}

/** Draws from the prior; of a conditioned model, a row for each class. */
export async function samplePicture(vae: VAE, shape: readonly number[]): Promise<Picture> {
  const columns = 8;
  const classes = Math.min(vae.spec.condition?.classes ?? 0, MOST_CLASSES);
  const labels =
    classes > 0
      ? Int32Array.from({ length: columns * classes }, (_, i) => Math.floor(i / columns))
      : undefined;
  const { data } = await vae.sample(labels?.length ?? SAMPLES, labels ? { labels } : {});
  return imageGrid(data, shape, { columns, scale: 2 });
}

/**
 * Shows a trained model. For images: reconstructions, draws from the prior, interpolations and traversals; for series and vectors the
 * same as curves. For tables and texts: rows beside their reconstructions, and draws. For all: the codes in a plane.
 *
 * @param given examples of the kind that the model was trained on, best such that it has not seen; rows that cannot be read are left out
 * @throws TorchvaeError ERR_TYPE unless `data` is a Dataset, and what the model's methods throw for one that does not fit
 */
export async function gallery(vae: VAE, given: Dataset): Promise<Exhibit[]> {
  if (!(given instanceof Dataset)) throw new TorchvaeError('ERR_TYPE', expected('a Dataset', 'data', given));
  const data = readableRows(given);
  const exhibits: Exhibit[] = [];
  if (isImage(data)) exhibits.push(...(await imagesOf(vae, data)));
  else if (data.schema && data.shape.length === 1) {
    exhibits.push(await reconstructedRows(vae, data, data.schema), await sampledRows(vae, data.schema));
  } else if (isCurve(data)) exhibits.push(...(await curvesOf(vae, data)));
  exhibits.push({
    title: 'Latent space',
    caption: data.labels
      ? 'Means of q(z|x), colored by label: classes that the code separates form separate groups.'
      : 'Means of q(z|x).',
    shown: await latentChart(vae, spread(data, POINTS)),
  });
  return exhibits;
}

async function imagesOf(vae: VAE, data: Dataset): Promise<Exhibit[]> {
  const exhibits = [
    {
      title: 'Reconstructions',
      caption: `Examples of ${data.name} above, their reconstructions below.`,
      shown: await reconstructionPicture(vae, data),
    },
    {
      title: 'Samples',
      caption: vae.spec.condition
        ? 'Codes drawn from the prior, decoded; a row for each class.'
        : 'Codes drawn from the prior, decoded.',
      shown: await samplePicture(vae, data.shape),
    },
  ];
  const ends = spread(data, 2 * INTERPOLATIONS);
  const pairs = Math.floor(ends.length / 2);
  if (pairs > 0) exhibits.push(await interpolationsOf(vae, ends, pairs));
  if (canTraverse(vae)) exhibits.push(await traversalOf(vae, data));
  return exhibits;
}

async function curvesOf(vae: VAE, data: Dataset): Promise<Exhibit[]> {
  const units = data.schema ? ', in the standardized units of the model' : '';
  const exhibits = [
    {
      title: 'Reconstructions',
      caption: `Examples of ${data.name}, their reconstructions dashed${units}.`,
      shown: await reconstructionCurves(vae, data, CURVES),
    },
    {
      title: 'Samples',
      caption: 'Codes drawn from the prior, decoded.',
      shown: sampleCurves(await drawsOf(vae, CURVES), data),
    },
  ];
  if (!canTraverse(vae)) return exhibits;
  const dimensions = await dimensionsInUse(vae, data);
  const shown = await traversalCurves(vae, data.subset([0]), { dimensions, steps: 7 });
  return [
    ...exhibits,
    {
      title: 'Traversal',
      caption:
        'The code of one example with one dimension changed from -3 to 3, those with the highest divergence first.',
      shown,
    },
  ];
}

/** Draws from the prior; of a conditioned model, of each class in turn. */
async function drawsOf(vae: VAE, count: number): Promise<Tensor> {
  const classes = vae.spec.condition?.classes;
  return vae.sample(
    count,
    classes ? { labels: Int32Array.from({ length: count }, (_, i) => i % classes) } : {},
  );
}

async function interpolationsOf(
  vae: VAE,
  ends: Dataset,
  pairs: number,
): Promise<Exhibit & { shown: Picture }> {
  const half = (first: number) => ends.subset(Array.from({ length: pairs }, (_, i) => first + i));
  const steps = 10;
  const { data } = await interpolate(vae, half(0), half(pairs), { steps });
  return {
    title: 'Interpolation',
    caption: 'Each row goes in even steps from the code of one example to that of another.',
    shown: imageGrid(data, ends.shape, { columns: steps, scale: 2 }),
  };
}

async function traversalOf(vae: VAE, data: Dataset): Promise<Exhibit & { shown: Picture }> {
  const dimensions = await dimensionsInUse(vae, data);
  const steps = 11;
  const images = await traverse(vae, data.subset([0]), { dimensions, steps });
  return {
    title: 'Traversal',
    caption: `The code of one example with one dimension changed from -3 to 3; rows are dimensions ${dimensions.join(', ')}, those with the highest divergence first.`,
    shown: imageGrid(images.data, data.shape, { columns: steps, scale: 2 }),
  };
}

/** The dimensions of z with the highest divergence, the highest first. */
async function dimensionsInUse(vae: VAE, data: Dataset): Promise<number[]> {
  const { klPerDimension, meanVariance } = await vae.latentHealth(spread(data, SURVEYED));
  // Where the divergence has no parts, the variance of the means says which dimensions are in use.
  const weights = klPerDimension.length === meanVariance.length ? klPerDimension : meanVariance;
  return Array.from(weights.keys())
    .sort((a, b) => weights[b]! - weights[a]!)
    .slice(0, TRAVERSED);
}
