import type { Picture } from './png.ts';

/** Something that a report shows of a model. */
export interface Exhibit {
  title: string;
  /** What is to be seen. */
  caption: string;
  /** A picture, SVG text, or a table: as many cells in each row as there are columns. */
  shown: Picture | string | { columns: readonly string[]; rows: readonly (readonly string[])[] };
}
