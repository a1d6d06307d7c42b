import type { Picture } from './png.ts';

/** A picture, chart or table of a model, as a report shows it. */
export interface Exhibit {
  title: string;
  /** Says what is shown. */
  caption: string;
  /** A picture, SVG text, or a table: as many cells in each row as there are columns. */
  shown: Picture | string | { columns: readonly string[]; rows: readonly (readonly string[])[] };
}
