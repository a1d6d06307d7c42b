import { Dataset, type DatasetOptions } from '../data/dataset.ts';
import { noCells } from '../data/examples/cells.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import { TorchvaeError } from '../errors.ts';

/** What decides the meaning of labels: whether the model looks at them, and the classes of its training data. */
export interface Labeling {
  readonly spec: { readonly condition?: object };
  readonly classes: readonly string[] | undefined;
}

/**
 * The data with labels that count classes as the training data did, where the model is conditioned on labels and both have names for
 * them: of folders `birds`, `cats` the label of `cats` is 1, but 0 for a model that was trained on `cats`, `dogs`.
 *
 * @param data other values than data sets are returned as they are, to be refused elsewhere
 * @throws TorchvaeError ERR_STATE for an example, and for a class of a stream, that the model was not trained on
 */
export function inClassesOf<T extends Dataset | StreamedDataset>(
  name: string,
  data: T,
  { spec, classes: known }: Labeling,
): T {
  if (!spec.condition || !known || !isData(data)) return data;
  const { classes: given } = data;
  if (!given || isStartOf(given, known)) return data;
  const unknown = (label: number, where: string) =>
    new TorchvaeError(
      'ERR_STATE',
      `Expected the classes ${shown(known)} for ${name}, on which the model was trained, but ${where} ${shown([given[label]!])}; leave ` +
        'such examples out, or train on them',
    );
  const places = given.map((title) => known.indexOf(title));
  if (!(data instanceof Dataset)) {
    if (isStartOf(known, given)) return data;
    const other = places.indexOf(-1);
    if (other >= 0) throw unknown(other, `class ${other} of the stream is`);
    return data.inClasses(known, places) as T;
  }
  const labels = data.labels!.map((label, i) => {
    if (places[label]! < 0) throw unknown(label, `the example at ${i} is of`);
    return places[label]!;
  });
  return new Dataset({ ...data, labels, classes: known } as DatasetOptions) as T;
}

/**
 * The rows of a table with the labels that a conditioned model knows: a row of another class, or of none, gets the first label and counts as
 * one with an unseen cell, so that it fails alone. Other examples, and those whose labels the caller gives, are returned as they are.
 */
export function withKnownLabels<T>(x: T, { spec, classes: known }: Labeling, given?: unknown): T {
  if (given !== undefined || !spec.condition || !known || !(x instanceof Dataset)) return x;
  const { schema, classes, labels, length } = x;
  if (schema?.type !== 'table' || !classes || !labels || isStartOf(classes, known)) return x;
  const places = classes.map((title) => known.indexOf(title));
  if (labels.every((label) => places[label]! >= 0)) return x;
  const { imputed, unseen } = x.cells ?? noCells(length);
  const cells = { imputed, unseen: unseen.map((count, i) => count + (places[labels[i]!]! < 0 ? 1 : 0)) };
  const counted = labels.map((label) => Math.max(0, places[label]!));
  return new Dataset({ ...x, labels: counted, classes: known, cells } as DatasetOptions) as T;
}

/** The labels that a data set has, as {@link inClassesOf} counts them; undefined for other examples. */
export function labelsIn(name: string, x: unknown, model: Labeling): Int32Array | undefined {
  return x instanceof Dataset ? inClassesOf(name, x, model).labels : undefined;
}

function isData(value: unknown): value is Dataset | StreamedDataset {
  return value instanceof Dataset || value instanceof StreamedDataset;
}

function isStartOf(some: readonly string[], all: readonly string[]): boolean {
  return some.length <= all.length && some.every((title, i) => title === all[i]);
}

function shown(names: readonly string[]): string {
  return names.slice(0, 12).join(', ') + (names.length > 12 ? ', ...' : '');
}
