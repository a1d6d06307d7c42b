import { badData } from '../../files/source.ts';
import { inOrder } from '../../tables/learning.ts';
import type { ImageSource } from '../images/decoder.ts';
import type { ImageFiles } from '../images/files.ts';
import type { Opened } from './child.ts';
import type { ImageRows } from './file.ts';
import type { ParquetProcess } from './process.ts';

/** Columns that hold the labels of images, unless another is named. */
const LABELS = ['label', 'labels', 'fine_label'];

/**
 * The images of a Parquet file, as the library datasets of Hugging Face writes them: a column of structures of `bytes` and `path`, and
 * one of labels.
 *
 * @param labelColumn default `label`, `labels` or `fine_label`, whichever is there
 * @throws TorchvaeError ERR_DATA_FORMAT for a row without an image or a label
 */
export async function imagesOfRows(
  process: ParquetProcess,
  path: string,
  { groupRows, images }: Pick<Opened, 'groupRows'> & { images: NonNullable<Opened['images']> },
  labelColumn: string | undefined,
): Promise<ImageSource> {
  const { column, others, classes } = images;
  const label = labelColumn ?? LABELS.find((name) => others.includes(name));
  const files = new Map<string, Uint8Array>();
  const labels: unknown[] = [];
  for (const group of groupRows.keys()) {
    const rows = await process.ask<ImageRows>({ type: 'images', group, column, label });
    rows.bytes.forEach((bytes, i) => {
      const place = `${path}, row ${files.size + 1}, column ${JSON.stringify(column)}`;
      if (!bytes) throw badData(path, `row ${files.size + 1}: expected an image but it is missing`);
      files.set(place, bytes);
      labels.push(rows.labels[i]);
    });
  }
  const paths = [...files.keys()];
  const found = label === undefined ? undefined : labelsOf(labels, classes[label], label, path);
  return {
    name: path,
    find: async () => ({ paths, labels: found?.labels, classes: found?.classes, notes: [] }),
    read: async (name) => files.get(name)!,
  };
}

/** Whole numbers are labels as they are, where the file names the classes; else the classes are the values, sorted. */
function labelsOf(
  values: readonly unknown[],
  names: readonly string[] | undefined,
  column: string,
  path: string,
): Pick<ImageFiles, 'labels' | 'classes'> {
  values.forEach((value, row) => {
    const isClass = typeof value === 'string' || typeof value === 'bigint' || Number.isInteger(value);
    if (isClass) return;
    const place = `row ${row + 1}, column ${JSON.stringify(column)}`;
    throw badData(
      path,
      `${place}: expected a class as label, a word or a whole number, but received ${value}`,
    );
  });
  const isNumbered = names && values.every((value) => Number(value) >= 0 && Number(value) < names.length);
  if (isNumbered) return { labels: Int32Array.from(values, Number), classes: names };
  const classes = [...new Set(values.map(String))].sort(inOrder);
  const places = new Map(classes.map((name, i) => [name, i]));
  return { labels: Int32Array.from(values, (value) => places.get(String(value))!), classes };
}
