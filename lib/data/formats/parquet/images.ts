import { badData } from '../../files/source.ts';
import { type Blocks, lengthsAsBlocks } from '../../streams/source.ts';
import { inOrder } from '../../tables/learning.ts';
import { noColumn } from '../../tables/table.ts';
import type { ImageSource } from '../images/decoder.ts';
import type { ImageFiles } from '../images/files.ts';
import type { Opened, ParquetRequest } from './child.ts';
import type { ImageRows } from './file.ts';
import type { ParquetProcess } from './process.ts';

/** Columns that hold the labels of images, unless another is named. */
const LABELS = ['label', 'labels', 'fine_label'];

/** Asks about a row group of a file. */
export type AskGroup = <T>(group: number, request: (group: number) => ParquetRequest) => Promise<T>;

/** The columns of a file of images. */
type Images = NonNullable<Opened['images']>;

/** The images of a Parquet file as the library datasets of Hugging Face writes them: structures of `bytes` and `path`, and labels. */
export class ParquetImages {
  /** Which images make up a row group. */
  readonly blocks: Blocks;
  readonly #path: string;
  readonly #images: Images;
  readonly #label: string | undefined;
  /** The row of each image, by the name that messages call it. */
  readonly #rows = new Map<string, number>();

  /**
   * @param labelColumn default `label`, `labels` or `fine_label`, whichever is there
   * @throws TorchvaeError ERR_RANGE for a column that is not there
   */
  constructor(
    path: string,
    { groupRows, images }: { groupRows: readonly number[]; images: Images },
    labelColumn: string | undefined,
  ) {
    if (labelColumn !== undefined && !images.others.includes(labelColumn))
      throw noColumn(path, labelColumn, images.others);
    this.#path = path;
    this.#images = images;
    this.#label = labelColumn ?? LABELS.find((name) => images.others.includes(name));
    this.blocks = lengthsAsBlocks(groupRows);
  }

  /**
   * All images, without their bytes.
   *
   * @param visit gets the bytes of each
   * @throws TorchvaeError ERR_DATA_FORMAT for a row without an image or a label
   */
  async find(ask: AskGroup, visit: (name: string, bytes: Uint8Array) => void): Promise<ImageFiles> {
    const { column, classes } = this.#images;
    const labels: unknown[] = [];
    for (let group = 0; group < this.blocks.count; group++) {
      const rows = await this.rows(ask, group);
      rows.bytes.forEach((bytes, i) => {
        const row = this.#rows.size;
        const name = `${this.#path}, row ${row + 1}, column ${JSON.stringify(column)}`;
        if (!bytes) throw badData(this.#path, `row ${row + 1}: expected an image but it is missing`);
        this.#rows.set(name, row);
        visit(name, bytes);
        labels.push(rows.labels[i]);
      });
    }
    const label = this.#label;
    const found = label === undefined ? undefined : labelsOf(labels, classes[label], label, this.#path);
    return { paths: [...this.#rows.keys()], labels: found?.labels, classes: found?.classes };
  }

  /** The row group of an image by the name that messages call it, and its place in that. */
  placeOf(image: string): { group: number; index: number } {
    const row = this.#rows.get(image)!;
    const group = this.#groupOf(row);
    return { group, index: row - this.blocks.start(group) };
  }

  /** The images of a row group. */
  rows(ask: AskGroup, group: number): Promise<ImageRows> {
    const { column } = this.#images;
    return ask(group, (index) => ({ type: 'images', group: index, column, label: this.#label }));
  }

  #groupOf(row: number): number {
    let [low, high] = [0, this.blocks.count - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.blocks.start(middle) <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/**
 * The images of a Parquet file in memory.
 *
 * @throws TorchvaeError as {@link ParquetImages} does
 */
export async function imagesOfRows(
  process: ParquetProcess,
  path: string,
  opened: { groupRows: readonly number[]; images: Images },
  labelColumn: string | undefined,
): Promise<ImageSource> {
  const files = new Map<string, Uint8Array>();
  const images = new ParquetImages(path, opened, labelColumn);
  const found = await images.find(
    (group, request) => process.ask(request(group)),
    (name, bytes) => files.set(name, bytes),
  );
  return {
    name: path,
    find: async () => ({ ...found, notes: [] }),
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
