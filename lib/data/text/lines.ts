import { counted } from '../../counted.ts';
import { linesOf } from '../files/lines.ts';
import { badData } from '../files/source.ts';
import { textOf } from '../files/text.ts';

const MAX_FILE = 2 ** 31;
/** Characters of one line. */
const MAX_LINE = 2 ** 22;
/** Characters of a piece of a file, at most those of a line more. */
const TOGETHER = 2 ** 22;

/** Lines, and the name of their file for messages. */
export interface Lines {
  readonly name: string;
  readonly lines: readonly string[];
  /** The number of each in its file, from 1; default their order. */
  readonly numbers?: readonly number[];
}

/**
 * The lines of a text file in UTF-8, without those that are empty.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for text that is not UTF-8 (with the byte offset), a line of more than 4 million
 * characters (with its number), no line at all
 */
export async function readLines(path: string): Promise<Lines> {
  const lines: string[] = [];
  const numbers: number[] = [];
  for await (const { line, number } of numberedLines(path, MAX_FILE)) {
    lines.push(line);
    numbers.push(number);
  }
  if (lines.length === 0) throw badData(path, 'expected at least one line that is not empty');
  return { name: path, lines, numbers };
}

/**
 * The same in pieces of at most so many lines, for files that do not fit into memory.
 *
 * @throws TorchvaeError as {@link readLines} does, but for no line at all
 */
export async function* pieces(path: string, most: number): AsyncGenerator<Lines, void, undefined> {
  let [lines, numbers, length] = [[] as string[], [] as number[], 0];
  for await (const { line, number } of numberedLines(path, Infinity)) {
    lines.push(line);
    numbers.push(number);
    length += line.length;
    if (lines.length < most && length < TOGETHER) continue;
    yield { name: path, lines, numbers };
    [lines, numbers, length] = [[], [], 0];
  }
  if (lines.length > 0) yield { name: path, lines, numbers };
}

/**
 * For people: that blank lines stand before others, so that examples have other numbers than lines.
 *
 * @param count the lines that are examples
 * @param last the number of the last of them
 */
export function blankNotes(count: number, last: number): string[] {
  if (last === count) return [];
  const blank = counted(last - count, 'blank line was', 'blank lines were');
  return [`${blank} passed over; examples count the others`];
}

async function* numberedLines(path: string, most: number): AsyncGenerator<{ line: string; number: number }> {
  let number = 0;
  for await (const line of linesOf(path, textOf(path, most), MAX_LINE)) {
    number++;
    if (line.trim() !== '') yield { line, number };
  }
}
