import { types } from 'node:util';
import { checkInteger, expected } from '../check.ts';
import { Dataset, type DatasetOptions } from '../data/dataset.ts';
import { noCells } from '../data/examples/cells.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import { TorchvaeError } from '../errors.ts';

/** Labels as callers give them, one for each example: numbers of classes from 0, or the names that the classes of the training data have. */
export type Labels = Int32Array | readonly (number | string)[];

/** What decides the meaning of labels: whether the model looks at them, and the classes of its training data. */
export interface Labeling {
  readonly spec: { readonly condition?: { readonly classes: number } };
  readonly classes?: readonly string[] | undefined;
}

/**
 * The labels that a conditioned model needs, one for each of `rows`; undefined for any other model.
 *
 * @throws TorchvaeError ERR_SHAPE or ERR_TYPE where they are missing or too few, ERR_RANGE for labels that are not a class
 */
export function checkLabels(
  name: string,
  labels: unknown,
  { spec: { condition }, classes: names }: Labeling,
  rows: number,
): Int32Array | undefined {
  if (!condition) return undefined;
  const argument = `the labels of ${name}`;
  const what = `${rows} labels, as the model is conditioned on them,`;
  if (labels === undefined) {
    const advice = '; of a table, name the column that holds them (labelColumn)';
    throw new TorchvaeError('ERR_SHAPE', expected(what, argument, labels) + advice);
  }
  if (!types.isInt32Array(labels) && !Array.isArray(labels)) {
    throw new TorchvaeError('ERR_TYPE', expected('an Int32Array or an array of classes', argument, labels));
  }
  if (labels.length !== rows) throw new TorchvaeError('ERR_SHAPE', expected(what, argument, labels));
  // Of classes that training rows had none of, the model knows nothing.
  const most = Math.min(condition.classes, names?.length ?? Infinity) - 1;
  const places = new Map(names?.map((title, i) => [title, i]));
  const classOf = (label: unknown) => (typeof label === 'string' ? places.get(label) : label);
  // A text for each of the labels would take longer than a few steps of training. findIndex visits the holes of an array, too.
  const bad = (labels as readonly unknown[]).findIndex((label) => !isClass(classOf(label), most));
  if (bad >= 0) refuseClass(`${argument} at ${bad}`, labels[bad], names, most);
  return types.isInt32Array(labels)
    ? Int32Array.from(labels)
    : Int32Array.from(labels, classOf as (label: unknown) => number);
}

function isClass(label: unknown, most: number): boolean {
  return typeof label === 'number' && Number.isInteger(label) && label >= 0 && label <= most;
}

function refuseClass(
  argument: string,
  label: unknown,
  names: readonly string[] | undefined,
  most: number,
): void {
  if (typeof label !== 'string') checkInteger(argument, label, 0, most);
  const what = names
    ? `one of the classes ${shown(names)}`
    : `an integer from 0 to ${most}, as the classes of the training data have no names,`;
  throw new TorchvaeError('ERR_RANGE', expected(what, argument, label));
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
