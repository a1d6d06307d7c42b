import { textSize } from '../streams/tables.ts';
import { openTextStream } from '../streams/texts.ts';
import { readLines } from '../text/lines.ts';
import { TEXT_ROWS_OPTIONS, type TextRowsOptions, textRows } from '../text/rows.ts';
import type { Format } from './format.ts';

/** Bytes that an example takes for each character. */
const TOKEN_BYTES = 4;

/** Lines of text. */
export const text: Format<TextRowsOptions, TextRowsOptions> = {
  name: 'text (.txt)',
  extensions: ['.txt'],
  schema: 'text',
  takesGzip: true,
  options: TEXT_ROWS_OPTIONS,
  read: async (path, options) => textRows(await readLines(path), options),
  stream: {
    options: TEXT_ROWS_OPTIONS,
    open: openTextStream,
    sizeInMemory: async (path) => TOKEN_BYTES * (await textSize(path)),
  },
};
