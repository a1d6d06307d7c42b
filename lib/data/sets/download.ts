import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { TorchvaeError } from '../../errors.ts';
import { ioError, makeDirectory, writeFileAtomic } from '../../files.ts';
import { fetchSecure, fetchTrouble } from '../../https.ts';

/** One file to fetch and how to know it. */
export interface DownloadOptions {
  /** The addresses to try, in this order. `https:` only, except on this machine itself. */
  urls: readonly string[];
  /** The lower-case hexadecimal hash that the file must have. */
  sha256: string;
  /** The length that the file must have, in bytes; reading stops there. */
  length: number;
  /** Where to put it; missing directories are made. */
  path: string;
  /** Give an address up when nothing came for so long, in milliseconds; default 30,000. */
  patience?: number;
}

/**
 * Fetches a file of known hash from the first address that has it, and puts it in place in one rename, so that `path`
 * never holds anything else. Meant for files that fit into memory.
 *
 * @throws TorchvaeError ERR_DOWNLOAD, saying what went wrong at every address; ERR_IO where the file cannot be written
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { urls, path } = options;
  const troubles: string[] = [];
  for (const url of urls) {
    const content = await fetchChecked(url, options).catch((cause: unknown) => {
      troubles.push(`${url}: ${fetchTrouble(cause)}`);
    });
    if (!content) continue;
    await makeDirectory(dirname(path)).catch((cause) => {
      throw ioError('create', dirname(path), cause);
    });
    await writeFileAtomic(path, content);
    return;
  }
  throw new TorchvaeError(
    'ERR_DOWNLOAD',
    `Could not download ${path}. Check the network, or fetch the file by hand and put it there.\n` +
      troubles.map((trouble) => `  ${trouble}`).join('\n'),
  );
}

async function fetchChecked(url: string, options: DownloadOptions): Promise<Uint8Array[]> {
  const { sha256, length, patience = 30_000 } = options;
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), patience);
  try {
    const { body } = await fetchSecure(url, abort.signal);
    const hash = createHash('sha256');
    const chunks: Uint8Array[] = [];
    let received = 0;
    for await (const chunk of body) {
      timer.refresh();
      received += chunk.length;
      if (received > length) break;
      hash.update(chunk);
      chunks.push(chunk);
    }
    if (received > length) throw new Error(`expected ${length} bytes but more came`);
    if (received < length) throw new Error(`expected ${length} bytes but received ${received}`);
    const found = hash.digest('hex');
    if (found !== sha256) throw new Error(`expected the SHA-256 ${sha256} but received ${found}`);
    return chunks;
  } catch (cause) {
    if (abort.signal.aborted) throw new Error(`nothing came for ${patience / 1000} s`, { cause });
    throw cause;
  } finally {
    clearTimeout(timer);
  }
}
