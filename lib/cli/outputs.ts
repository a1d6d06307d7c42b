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

/** Writes the text to the file, or to standard output where its name is `-`. */
export async function putText(out: string, text: string): Promise<void> {
  if (out === '-') process.stdout.write(text);
  else await writeFileAtomic(out, text);
}
