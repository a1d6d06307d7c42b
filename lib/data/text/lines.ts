import { linesOf } from '../files/lines.ts';
import { badData } from '../files/source.ts';
import { textOf } from '../files/text.ts';
import type { Lines } from './schema.ts';

const MAX_FILE = 2 ** 31;
/** Characters of one line. */
const MAX_LINE = 2 ** 22;

/**
 * The lines of a text file in UTF-8, without those that are empty.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for text that is not UTF-8 (with the byte offset), a line of more than 4 million
 * characters (with its number), no line at all
 */
export async function readLines(path: string): Promise<Lines & { numbers: number[] }> {
  const lines: string[] = [];
  const numbers: number[] = [];
  let number = 0;
  for await (const line of linesOf(path, textOf(path, MAX_FILE), MAX_LINE)) {
    number++;
    if (line.trim() === '') continue;
    lines.push(line);
    numbers.push(number);
  }
  if (lines.length === 0) throw badData(path, 'expected at least one line that is not empty');
  return { name: path, lines, numbers };
}
