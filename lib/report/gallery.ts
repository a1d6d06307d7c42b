import { expected } from '../check.ts';
import { Dataset } from '../data/dataset.ts';
import { spread } from '../data/spread.ts';
import { TorchvaeError } from '../errors.ts';
import type { VAE } from '../vae.ts';
import type { Exhibit } from './exhibit.ts';
import { imageGrid, reconstructionGrid } from './grid.ts';
import { interpolate } from './latent/interpolation.ts';
import { latentChart } from './latent/scatter.ts';
import { canTraverse, traverse } from './latent/traversal.ts';
import type { Picture } from './png.ts';
import { reconstructedRows, sampledRows } from './rows.ts';

export type { Exhibit } from './exhibit.ts';

/** Pairs of originals and reconstructions. */
const RECONSTRUCTIONS = 16;
const SAMPLES = 64;
const INTERPOLATIONS = 6;
/** Dimensions of z that are gone along: those that carry most. */
const TRAVERSED = 12;
/** Codes in a plane. */
const POINTS = 2000;
/** Examples that the use of z is taken over. */
const SURVEYED = 1000;

/** Whether examples can be shown as pictures. */
export function isImage({ shape, kind }: Pick<Dataset, 'shape' | 'kind'>): boolean {
  return shape.length === 3 && (shape[0] === 1 || shape[0] === 3) && (kind === 'unit' || kind === 'binary');
}

/** The first examples above their reconstructions. */
export async function reconstructionPicture(
  vae: VAE,
  data: Dataset,
  count = RECONSTRUCTIONS,
): Promise<Picture> {
  const some = data.take(Math.min(count, data.length));
  const originals = some.batch(Array.from({ length: some.length }, (_, i) => i));
  const { data: reconstructions } = await vae.reconstruct(some);
  return reconstructionGrid(originals, reconstructions, data.shape, { columns: 8, scale: 2 });
}

/** Draws from the prior; of a conditioned model, a column for each class, as far as the columns go. */
export async function samplePicture(vae: VAE, shape: readonly number[]): Promise<Picture> {
  const classes = vae.spec.condition?.classes;
  const labels = classes && Int32Array.from({ length: SAMPLES }, (_, i) => (i % 8) % classes);
  const { data } = await vae.sample(SAMPLES, labels ? { labels } : {});
  return imageGrid(data, shape, { columns: 8, scale: 2 });
}

/**
 * What a trained model can be seen by: of images reconstructions, draws from the prior, what lies between examples and along the
 * dimensions of z; of tables rows beside what the model makes of them; and of all, where the codes lie.
 *
 * @param data as the model was trained on; best what it was not trained on
 * @throws TorchvaeError ERR_TYPE for what is no data set, and what the model's methods throw for one that does not fit
 */
export async function gallery(vae: VAE, data: Dataset): Promise<Exhibit[]> {
  if (!(data instanceof Dataset)) throw new TorchvaeError('ERR_TYPE', expected('a Dataset', 'data', data));
  const exhibits: Exhibit[] = [];
  if (isImage(data)) exhibits.push(...(await imagesOf(vae, data)));
  else if (data.schema) {
    exhibits.push(await reconstructedRows(vae, data, data.schema), await sampledRows(vae, data.schema));
  }
  exhibits.push({
    title: 'Latent space',
    caption: data.labels
      ? 'Means of q(z|x), colored by label: groups that stand apart are classes that the code tells apart.'
      : 'Means of q(z|x).',
    shown: await latentChart(vae, spread(data, POINTS)),
  });
  return exhibits;
}

async function imagesOf(vae: VAE, data: Dataset): Promise<Exhibit[]> {
  const exhibits = [
    {
      title: 'Reconstructions',
      caption: `Examples of ${data.name} above, what the model makes of their codes below.`,
      shown: await reconstructionPicture(vae, data),
    },
    {
      title: 'Samples',
      caption: 'Codes drawn from the prior, decoded.',
      shown: await samplePicture(vae, data.shape),
    },
  ];
  const ends = spread(data, 2 * INTERPOLATIONS);
  const pairs = Math.floor(ends.length / 2);
  if (pairs > 0) exhibits.push(await interpolationsOf(vae, ends, pairs));
  if (canTraverse(vae)) exhibits.push(await traversalOf(vae, data));
  return exhibits;
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
    caption: 'In each row, from the code of one example evenly to that of another.',
    shown: imageGrid(data, ends.shape, { columns: steps, scale: 2 }),
  };
}

async function traversalOf(vae: VAE, data: Dataset): Promise<Exhibit & { shown: Picture }> {
  const { klPerDimension, meanVariance } = await vae.latentHealth(spread(data, SURVEYED));
  // Where the divergence has no parts, the variance of the means says which dimensions are in use.
  const weights = klPerDimension.length === meanVariance.length ? klPerDimension : meanVariance;
  const dimensions = Array.from(weights.keys())
    .sort((a, b) => weights[b]! - weights[a]!)
    .slice(0, TRAVERSED);
  const steps = 11;
  const images = await traverse(vae, data.subset([0]), { dimensions, steps });
  return {
    title: 'Traversal',
    caption: `The code of one example with one dimension changed from -3 to 3; rows are dimensions ${dimensions.join(', ')}, those that carry most first.`,
    shown: imageGrid(images.data, data.shape, { columns: steps, scale: 2 }),
  };
}
