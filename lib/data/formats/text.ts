import { readLines } from '../text/lines.ts';
import { TEXT_ROWS_OPTIONS, type TextRowsOptions, textRows } from '../text/rows.ts';
import type { Format } from './format.ts';

/** Lines of text. */
export const text: Format<TextRowsOptions> = {
  name: 'text (.txt)',
  extensions: ['.txt'],
  schema: 'text',
  takesGzip: true,
  options: TEXT_ROWS_OPTIONS,
  read: async (path, options) => textRows(await readLines(path), options),
};
