import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TorchvaeError } from '../errors.ts';
import { ioError } from '../files.ts';
import { fetchSecure, fetchTrouble } from '../https.ts';
import { type OnProgress, throwIfAborted } from './progress.ts';

/** Give up when nothing came for so long, in milliseconds. */
const PATIENCE = 60_000;

/** How to fetch an archive. */
export interface FetchOptions {
  /** Called with the bytes so far. */
  onProgress?: OnProgress | undefined;
  /** Stops the download. */
  signal?: AbortSignal | undefined;
}

/** Whether `from` is an address rather than a file. */
export function isUrl(from: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(from);
}

/**
 * Fetches an archive that is too large for memory into a file. Only `https:` is followed, except on this machine itself.
 *
 * @throws TorchvaeError ERR_DOWNLOAD if it cannot be had whole, ERR_IO if it cannot be written, ERR_ABORTED
 */
export async function fetchToFile(url: string, path: string, options: FetchOptions = {}): Promise<void> {
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), PATIENCE);
  const signals = options.signal ? [options.signal, stalled.signal] : [stalled.signal];
  let file: WriteStream | undefined;
  try {
    const response = await fetchSecure(url, AbortSignal.any(signals));
    // Not before: until the pipeline hears of them, errors of the stream would end the process.
    file = createWriteStream(path);
    const totalBytes = Number(response.headers.get('content-length')) || undefined;
    let bytes = 0;
    async function* counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of body) {
        timer.refresh();
        bytes += chunk.length;
        yield chunk;
        options.onProgress?.({
          phase: 'download',
          message: `Downloading ${url}`,
          bytes,
          ...(totalBytes && { totalBytes }),
        });
      }
    }
    await pipeline(Readable.fromWeb(response.body as never), counted, file);
  } catch (cause) {
    throwIfAborted(options.signal);
    if (file?.errored && (cause as NodeJS.ErrnoException).syscall) throw ioError('write', path, cause);
    throw downloadError(
      url,
      stalled.signal.aborted ? `nothing came for ${PATIENCE / 1000} s` : fetchTrouble(cause),
      cause,
    );
  } finally {
    clearTimeout(timer);
    file?.destroy();
  }
}

/**
 * Compares a file's SHA-256 with the expected one (hexadecimal).
 *
 * @throws TorchvaeError ERR_DOWNLOAD naming both if they differ, ERR_IO if the file cannot be read
 */
export async function checkSha256(path: string, expected: string): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash).catch((cause) => {
    throw ioError('read', path, cause);
  });
  const found = hash.digest('hex');
  if (found !== expected.toLowerCase()) {
    throw new TorchvaeError(
      'ERR_DOWNLOAD',
      `Expected the SHA-256 ${expected} of ${path} but received ${found}. It is damaged or another file; fetch it again.`,
    );
  }
}

function downloadError(url: string, what: string, cause: unknown): TorchvaeError {
  return new TorchvaeError(
    'ERR_DOWNLOAD',
    `Could not download ${url}: ${what}. Check the address and the network, or fetch the file another way and pass it ` +
      'with --from FILE.',
    { cause },
  );
}
