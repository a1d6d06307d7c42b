import type { Dataset } from '../data/dataset.ts';
import { readableRows } from '../data/readable.ts';
import { spread } from '../data/spread.ts';
import type { Tensor } from '../model/input.ts';
import type { VAE } from '../vae.ts';
import { colorOf, rampColor } from './charts/colors.ts';
import { type Curve, type Panel, smallMultiples } from './charts/small-multiples.ts';
import { type TraverseOptions, traverse } from './latent/traversal.ts';

/** Panels in a row. */
const COLUMNS = 3;
/** Columns of a series that are drawn. */
const MOST_COLUMNS = 6;

/** Whether examples can be shown as curves: numbers that are not images, tokens or levels. */
export function isCurve({ kind, shape }: Pick<Dataset, 'kind' | 'shape'>): boolean {
  return kind !== 'categorical' && shape.length < 3;
}

/** Some examples, each with its reconstruction dashed above it, as SVG text. */
export async function reconstructionCurves(vae: VAE, data: Dataset, count: number): Promise<string> {
  const some = spread(readableRows(data), count);
  const originals = some.batch(Array.from({ length: some.length }, (_, i) => i));
  const { data: made } = await vae.reconstruct(some);
  const names = columnNames(data);
  // A row that a conditioned model knows no class of has no reconstruction.
  const shown = Array.from({ length: some.length }, (_, i) => i).filter(
    (i) => !Number.isNaN(made[i * data.size]),
  );
  const panels = shown.map((i): Panel => {
    const pair = [originals, made].map((values) =>
      columnsOf(values.subarray(i * data.size, (i + 1) * data.size), data.shape),
    );
    return { title: `example ${i + 1}`, curves: pair.flatMap((columns, side) => drawn(columns, side === 1)) };
  });
  const colored = names.map((name, i) => ({ name, color: colorOf(i, names.length) }));
  return smallMultiples({
    title: 'Reconstructions',
    panels,
    columns: COLUMNS,
    legend: [...colored, { name: 'reconstruction', color: colorOf(0, names.length), isDashed: true }],
  });
}

/** Draws as curves, as SVG text. */
export function sampleCurves(samples: Tensor, data: Pick<Dataset, 'shape' | 'schema'>): string {
  const size = data.shape.reduce((product, extent) => product * extent, 1);
  const names = columnNames(data);
  const panels = Array.from({ length: samples.data.length / size }, (_, i): Panel => {
    const columns = columnsOf(samples.data.subarray(i * size, (i + 1) * size), data.shape);
    return { title: `sample ${i + 1}`, curves: drawn(columns, false) };
  });
  const legend = names.length > 1 ? names.map((name, i) => ({ name, color: colorOf(i, names.length) })) : [];
  return smallMultiples({ title: 'Samples', panels, columns: COLUMNS, legend });
}

/** What each dimension of z changes in one example: a panel for each, whose curves go from -3 to 3, as SVG text. */
export async function traversalCurves(vae: VAE, example: Dataset, options: TraverseOptions): Promise<string> {
  const { data, shape } = await traverse(vae, example, options);
  const [dimensions, steps] = shape as [number, number];
  const named = options.dimensions ?? Array.from({ length: dimensions }, (_, i) => i);
  return pathCurves(
    'Traversal',
    data,
    example,
    { paths: dimensions, steps },
    (i) => `dimension ${named[i]}`,
    ['-3', '3'],
  );
}

/** What lies between pairs of examples: a panel for each, whose curves go from one to the other, as SVG text. */
export function interpolationCurves({ data, shape }: Tensor, like: Dataset): string {
  const [paths, steps] = shape as [number, number];
  return pathCurves('Interpolation', data, like, { paths, steps }, (i) => `pair ${i + 1}`, ['from', 'to']);
}

/** Curves that change step by step, a panel for each path and column. */
function pathCurves(
  title: string,
  values: Float32Array,
  like: Pick<Dataset, 'shape' | 'size' | 'schema'>,
  { paths, steps }: { paths: number; steps: number },
  nameOf: (path: number) => string,
  ends: readonly [string, string],
): string {
  const names = columnNames(like);
  const colors = Array.from({ length: steps }, (_, step) => rampColor(steps > 1 ? step / (steps - 1) : 0));
  const panels = Array.from({ length: paths }, (_, path) =>
    names.map((name, column): Panel => {
      const curves = colors.map((color, step): Curve => {
        const at = (path * steps + step) * like.size;
        return { values: columnsOf(values.subarray(at, at + like.size), like.shape)[column]!, color };
      });
      return { title: names.length > 1 ? `${nameOf(path)}: ${name}` : nameOf(path), curves };
    }),
  ).flat();
  const legend = [0, steps - 1].map((step, i) => ({ name: ends[i]!, color: colors[step]! }));
  return smallMultiples({ title, panels, columns: names.length > 1 ? names.length : COLUMNS, legend });
}

/** The columns of a series [length, columns], or a vector as one. */
function columnsOf(values: Float32Array, shape: readonly number[]): Float32Array[] {
  const width = shape.length === 2 ? shape[1]! : 1;
  return Array.from({ length: Math.min(width, MOST_COLUMNS) }, (_, column) =>
    Float32Array.from({ length: values.length / width }, (_, row) => values[row * width + column]!),
  );
}

function columnNames({ shape, schema }: Pick<Dataset, 'shape' | 'schema'>): string[] {
  if (shape.length < 2) return ['value'];
  const width = shape[1]!;
  const fields = schema?.type === 'table' && schema.fields.length === width ? schema.fields : undefined;
  return Array.from(
    { length: Math.min(width, MOST_COLUMNS) },
    (_, i) => fields?.[i]?.name ?? `column ${i + 1}`,
  );
}

function drawn(columns: readonly Float32Array[], isDashed: boolean): Curve[] {
  return columns.map((values, i) => ({ values, color: colorOf(i, columns.length), isDashed }));
}
