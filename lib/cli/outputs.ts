import { once } from 'node:events';
import { existsSync, realpathSync } from 'node:fs';
import { extname } from 'node:path';
import { TorchvaeError } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';

/**
 * A file is of the kind that its name says: `--out codes.csv` never holds something else. A name without an extension says nothing.
 *
 * @param extensions lower case, with the dot
 * @throws TorchvaeError ERR_RANGE for another extension
 */
export function checkOutput(out: string, extensions: readonly string[]): void {
  const extension = extname(out).toLowerCase();
  if (extension === '' || extensions.includes(extension)) return;
  throw new TorchvaeError(
    'ERR_RANGE',
    `Expected a name that ends with ${extensions.join(' or ')} for --out but received ${out}`,
  );
}

/** Characters that are written at a time: a text of all lines may be longer than a string can be. */
const PIECE = 1 << 20;

/** Writes the lines to the file, or to standard output where its name is `-`, as they come. */
export async function putLines(out: string, lines: Iterable<string> | AsyncIterable<string>): Promise<void> {
  if (out !== '-') return writeFileAtomic(out, inPieces(lines));
  for await (const piece of inPieces(lines))
    if (!process.stdout.write(piece)) await once(process.stdout, 'drain');
}

async function* inPieces(lines: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string> {
  let piece = '';
  for await (const line of lines) {
    piece += `${line}\n`;
    if (piece.length < PIECE) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

/** @throws TorchvaeError ERR_RANGE where what is written would take the place of the data */
export function checkNotData(out: string, data: string | undefined): void {
  if (data === undefined || !existsSync(out) || !existsSync(data)) return;
  if (realpathSync(out) !== realpathSync(data)) return;
  throw new TorchvaeError(
    'ERR_RANGE',
    `Expected another file than that of --data for --out but received ${out}; the data would be lost`,
  );
}
