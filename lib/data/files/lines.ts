import { badData } from './source.ts';

/**
 * The lines of a text that comes in pieces, whatever ends them (LF, CR LF or CR), without a byte order mark.
 *
 * @param limit characters of one line
 * @throws TorchvaeError ERR_DATA_FORMAT for a longer line, with its number
 */
export async function* linesOf(
  path: string,
  text: AsyncIterable<string>,
  limit: number,
): AsyncGenerator<string, void, undefined> {
  let rest = '';
  let number = 0;
  let isStart = true;
  for await (const piece of text) {
    if (piece === '') continue;
    // A CR at the end of a piece may be the first half of CR LF.
    const lines = (rest + (isStart && piece.startsWith('\ufeff') ? piece.slice(1) : piece)).split(
      /\r\n|\n|\r(?!$)/,
    );
    isStart = false;
    rest = lines.pop()!;
    yield* lines;
    number += lines.length;
    if (rest.length > limit)
      throw badData(path, `line ${number + 1}: expected at most ${limit} characters; is it a text file?`);
  }
  if (rest !== '') yield rest.endsWith('\r') ? rest.slice(0, -1) : rest;
}
