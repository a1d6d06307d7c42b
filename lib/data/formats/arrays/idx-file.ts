import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, gunzip } from 'node:zlib';
import { TorchvaeError } from '../../../errors.ts';
import { ioError } from '../../../files.ts';

/** The numbers of an IDX file and their arrangement. */
export interface IdxArray {
  /** The extents, slowest first: [images, rows, columns] for a file of images. */
  readonly shape: readonly number[];
  /** Row-major, of the type that the file states. */
  readonly data: Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;
}

/** What the beginning of an IDX file says. */
export interface IdxHeader {
  readonly type: number;
  /** Bytes of a number. */
  readonly width: number;
  readonly shape: readonly number[];
  /** Bytes before the data. */
  readonly headerLength: number;
  /** Bytes of the whole uncompressed file. */
  readonly fileLength: number;
}

/** The element types of the format, by the third byte of the file. Numbers are big-endian. */
const TYPES: Readonly<Record<number, { bytes: number; read: (bytes: Uint8Array) => IdxArray['data'] }>> = {
  8: { bytes: 1, read: (bytes) => bytes },
  9: { bytes: 1, read: (bytes) => new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) },
  11: { bytes: 2, read: (bytes) => new Int16Array(swapped(bytes, 2)) },
  12: { bytes: 4, read: (bytes) => new Int32Array(swapped(bytes, 4)) },
  13: { bytes: 4, read: (bytes) => new Float32Array(swapped(bytes, 4)) },
  14: { bytes: 8, read: (bytes) => new Float64Array(swapped(bytes, 8)) },
};

/** The format has no limit, but nobody stores more; this bounds the size of a header. */
const MAX_EXTENTS = 8;
/** Bytes of the longest header. */
export const MAX_HEADER = 4 + 4 * MAX_EXTENTS;
/** Deflate cannot shrink data further than by this factor, so a file of n bytes cannot hold more than n times it. */
const MAX_DEFLATE_RATIO = 1032;
/** More than fits into one read of a plain file, and far beyond any known data set of this format. */
const MAX_FILE_LENGTH = 2 ** 31;
/** Enough of a compressed file for its first 36 bytes: a gzip header with a file name and the start of the data. */
const GZIP_PROBE = 4096;

const inflate = promisify(gunzip);

/**
 * Reads an IDX file, the format of MNIST and its relatives, as it is or compressed with gzip. The header is validated
 * with the length of the file before anything of its size is allocated, and decompression stops at that size.
 *
 * @param source a path, or the bytes of a file
 * @param name what error messages call the file; the path if there is one
 * @throws TorchvaeError ERR_IO where the file cannot be read, ERR_DATA_FORMAT where it is truncated, too long, not
 * gzip although it begins like it, or not IDX; the message names the place in the uncompressed file
 */
export async function readIdx(source: string | Uint8Array, name?: string): Promise<IdxArray> {
  const file = name ?? (typeof source === 'string' ? source : 'the given bytes');
  const bytes = typeof source === 'string' ? await readBytes(source) : source;
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? readCompressed(bytes, file) : readPlain(bytes, file);
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw ioError('read', path, cause);
  }
}

async function readCompressed(bytes: Uint8Array, file: string): Promise<IdxArray> {
  const start = await inflate(bytes.subarray(0, GZIP_PROBE), { finishFlush: constants.Z_SYNC_FLUSH }).catch(
    (cause) => fail(file, `expected gzip data but decompression failed (${cause.message})`, cause),
  );
  const header = readHeader(start, file);
  const mostBytes = Math.min(bytes.length * MAX_DEFLATE_RATIO, MAX_FILE_LENGTH);
  if (header.fileLength > mostBytes) {
    const most = `no more than ${mostBytes} are accepted from ${bytes.length} compressed bytes`;
    fail(file, `the header at offset 4 promises ${describe(header)}, but ${most}`);
  }
  const whole = await inflate(bytes, { maxOutputLength: header.fileLength, chunkSize: 1 << 20 }).catch(
    (cause) =>
      cause.code === 'ERR_BUFFER_TOO_LARGE'
        ? fail(file, `the header at offset 4 promises ${describe(header)}, but more data follow`, cause)
        : fail(file, `expected ${describe(header)}, but decompression failed (${cause.message})`, cause),
  );
  return readPlain(whole, file);
}

function readPlain(bytes: Uint8Array, file: string): IdxArray {
  const header = readHeader(bytes, file);
  checkLength(header, bytes.length, file);
  return elementsOf(header, bytes.subarray(header.headerLength), header.shape);
}

/** @throws TorchvaeError ERR_DATA_FORMAT unless the uncompressed file has as many bytes as the header promises */
export function checkLength(header: IdxHeader, length: number, file: string): void {
  if (length === header.fileLength) return;
  const trouble = length < header.fileLength ? 'it is truncated' : 'it is too long';
  fail(file, `the header at offset 4 promises ${describe(header)}, but the file has ${length}; ${trouble}`);
}

/** Numbers of the file in an arrangement of these extents. */
export function elementsOf({ type }: IdxHeader, bytes: Uint8Array, shape: readonly number[]): IdxArray {
  return { shape, data: TYPES[type]!.read(bytes) };
}

/**
 * The magic number (two zeros, type, number of extents) and the extents, four bytes each.
 *
 * @throws TorchvaeError ERR_DATA_FORMAT
 */
export function readHeader(bytes: Uint8Array, file: string): IdxHeader {
  if (bytes.length < 4) fail(file, `expected a header of at least 4 bytes but the file has ${bytes.length}`);
  const [zero, zeroToo, type, extents] = bytes as unknown as [number, number, number, number];
  const element = TYPES[type];
  if (zero !== 0 || zeroToo !== 0 || !element || extents < 1 || extents > MAX_EXTENTS) {
    const magic = Buffer.from(bytes.subarray(0, 4)).toString('hex');
    const wanted = `0000, a type (08, 09, 0b, 0c, 0d or 0e) and 01 to 0${MAX_EXTENTS} dimensions`;
    fail(
      file,
      `expected the magic number ${wanted} at offset 0 but received ${magic}; it is not an IDX file`,
    );
  }
  const headerLength = 4 + 4 * extents;
  if (bytes.length < headerLength) {
    fail(
      file,
      `expected a header of ${headerLength} bytes but the file has ${bytes.length}; it is truncated`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerLength);
  const shape = Array.from({ length: extents }, (_, i) => view.getUint32(4 + 4 * i));
  const fileLength = headerLength + shape.reduce((product, extent) => product * extent, element.bytes);
  return { type, width: element.bytes, shape, headerLength, fileLength };
}

function describe({ shape, fileLength }: IdxHeader): string {
  return `${shape.join(' x ')} elements, ${fileLength} bytes in all`;
}

function fail(file: string, trouble: string, cause?: unknown): never {
  const message = `${file}: ${trouble}. Fetch the file again, or name an IDX file.`;
  throw new TorchvaeError('ERR_DATA_FORMAT', message, { cause });
}

/** A copy with the bytes of each number reversed, into the order of the machine (little-endian everywhere Node runs). */
function swapped(bytes: Uint8Array, width: 2 | 4 | 8): ArrayBuffer {
  const copy = Buffer.from(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  if (width === 2) copy.swap16();
  else if (width === 4) copy.swap32();
  else copy.swap64();
  return copy.buffer;
}
