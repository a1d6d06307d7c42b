import { badData } from '../files/source.ts';
import { textOf } from '../files/utf8.ts';
import type { Lines } from './schema.ts';

const MAX_FILE = 2 ** 31;
/** Characters of one line. */
const MAX_LINE = 2 ** 22;

/**
 * The lines of a text file in UTF-8, without those that are empty; CR LF ends a line as LF does.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for text that is not UTF-8 (with the byte offset), a line of more than 4 million
 * characters (with its number), no line at all
 */
export async function readLines(path: string): Promise<Lines & { numbers: number[] }> {
  const lines: string[] = [];
  const numbers: number[] = [];
  let number = 0;
  const add = (line: string) => {
    number++;
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    if (text.trim() === '') return;
    lines.push(text);
    numbers.push(number);
  };
  let rest = '';
  let isStart = true;
  for await (const piece of textOf(path, MAX_FILE)) {
    const parts = (rest + (isStart && piece.startsWith('\ufeff') ? piece.slice(1) : piece)).split('\n');
    if (piece !== '') isStart = false;
    rest = parts.pop()!;
    parts.forEach(add);
    if (rest.length > MAX_LINE) {
      throw badData(path, `line ${number + 1}: expected at most ${MAX_LINE} characters; is it a text file?`);
    }
  }
  if (rest !== '') add(rest);
  if (lines.length === 0) throw badData(path, 'expected at least one line that is not empty');
  return { name: path, lines, numbers };
}
