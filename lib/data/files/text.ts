import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { ioError } from '../../files.ts';
import { badData, checkFileSize, withFile } from './source.ts';

/** Bytes that are decoded at a time. */
const CHUNK = 1 << 18;

type Decoder = InstanceType<typeof TextDecoder>;

/**
 * The text of a file of at most `limit` bytes, piece by piece, in UTF-8 or, if its byte order mark says so, UTF-16; the mark stays. A file
 * that begins as gzip does is decompressed, to at most `limit` bytes, whatever its name.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for a longer file, for bytes that are not of this encoding, with their offset, and for
 * zeros, which no text has
 */
export async function* textOf(path: string, limit: number): AsyncGenerator<string, void, undefined> {
  const isPacked = await withFile(path, async (file) => {
    checkFileSize(file, limit);
    const [first, second] = await file.read(0, 2);
    return first === 0x1f && second === 0x8b;
  });
  let decoder: Decoder | undefined;
  let offset = 0;
  const file = createReadStream(path, { highWaterMark: CHUNK });
  const stream = isPacked ? file.pipe(createGunzip({ chunkSize: CHUNK })) : file;
  if (isPacked) file.on('error', (cause) => stream.destroy(cause));
  const failed = (cause: NodeJS.ErrnoException) => {
    if (!cause.code?.startsWith('Z_')) throw ioError('read', path, cause);
    throw badData(path, `expected gzip data but decompression failed (${cause.message})`, cause);
  };
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    for (;;) {
      const { value, done } = (await chunks.next().catch(failed)) as IteratorResult<Buffer>;
      decoder ??= decoderOf(value);
      const text = decode(decoder, done ? undefined : value, path, offset);
      if (text.includes('\0')) {
        throw badData(
          path,
          'expected text but it has characters of code 0, as UTF-16 without a mark has; save it as UTF-8',
        );
      }
      yield text;
      if (done) return;
      offset += value.length;
      checkFileSize({ path, size: offset }, limit);
    }
  } finally {
    file.destroy();
    stream.destroy();
  }
}

/** The encoding that these first bytes show. */
export function encodingOf(start: Uint8Array = new Uint8Array()): 'utf-8' | 'utf-16le' | 'utf-16be' {
  const [first, second] = start;
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
}

function decoderOf(start: Uint8Array | undefined): Decoder {
  return new TextDecoder(encodingOf(start), { fatal: true, ignoreBOM: true });
}

function decode(decoder: Decoder, chunk: Buffer | undefined, path: string, offset: number): string {
  try {
    return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
  } catch (cause) {
    if (decoder.encoding !== 'utf-8') {
      throw badData(
        path,
        `expected text in ${decoder.encoding.toUpperCase()}, as its first bytes say, but it is not; save it as UTF-8`,
        cause,
      );
    }
    const place = offset + (chunk ? validLength(chunk, offset > 0) : 0);
    throw badData(
      path,
      `expected text in UTF-8 but the bytes at offset ${place} are not; save it as UTF-8`,
      cause,
    );
  }
}

/** The length of the valid characters, after a continuation of the chunk before. */
function validLength(bytes: Uint8Array, isContinued: boolean): number {
  const isWhole = (end: number, stream: boolean) => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(first, end), { stream });
      return true;
    } catch {
      return false;
    }
  };
  let first = 0;
  while (isContinued && first < 3 && (bytes[first]! & 0xc0) === 0x80) first++;
  let [low, high] = [first, bytes.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (isWhole(middle, true)) low = middle;
    else high = middle - 1;
  }
  while (low > first && !isWhole(low, false)) low--;
  return low;
}
