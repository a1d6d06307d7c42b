import { readLines } from '../text/lines.ts';
import { TEXT_ROWS_OPTIONS, type TextRowsOptions, textRows } from '../text/rows.ts';
import type { Format } from './format.ts';

/** Lines of text. */
export const text: Format<TextRowsOptions> = {
  name: '.txt file of text',
  extensions: ['.txt'],
  options: TEXT_ROWS_OPTIONS,
  read: async (path, options) => textRows(await readLines(path), options),
};
