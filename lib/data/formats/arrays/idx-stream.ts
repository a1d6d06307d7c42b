import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TorchvaeError } from '../../../errors.ts';
import { ioError } from '../../../files.ts';
import { ForwardFile } from '../../files/forward.ts';
import {
  badData,
  type FileVersion,
  readAll,
  reopenFile,
  type SourceFile,
  versionOf,
  withFile,
} from '../../files/source.ts';
import { NEVER } from '../../streams/source.ts';
import type { ArrayFile, OpenArray } from './array-stream.ts';
import { checkLength, elementsOf, type IdxHeader, MAX_HEADER, readHeader } from './idx-file.ts';
import type { ArrayRows } from './numeric-array.ts';

/** Bytes that are unpacked at a time. */
const CHUNK = 1 << 18;

/**
 * The array of an IDX file, to be streamed. One that is compressed is read from the beginning to the end.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for a folder or a device
 */
export async function idxArray(path: string): Promise<ArrayFile> {
  const version = await versionOf(path);
  const isPacked = await isGzip(path);
  return {
    name: basename(path).replace(/\.gz$/, ''),
    path,
    ...(isPacked && { isSequential: true as const }),
    open: (signal) => openIdx(path, version, isPacked, signal),
  };
}

/**
 * Bytes of the numbers of an IDX file in memory.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for a header that is not that of an IDX file
 */
export async function idxBytes(path: string): Promise<number> {
  const file = await openIdx(path, await versionOf(path), await isGzip(path), NEVER);
  await file.close();
  const { shape, rowLength } = file.rows;
  const width = rowLength / shape.slice(1).reduce((product, extent) => product * extent, 1);
  return shape.reduce((product, extent) => product * extent, width === 1 ? 1 : 4);
}

function isGzip(path: string): Promise<boolean> {
  return withFile(path, async (file) => {
    const [first, second] = await file.read(0, 2);
    return first === 0x1f && second === 0x8b;
  });
}

async function openIdx(
  path: string,
  version: FileVersion,
  isPacked: boolean,
  signal: AbortSignal,
): Promise<OpenArray> {
  const file = await reopenFile(path, version);
  const unpacking = { path, size: Infinity, begin: () => unzipped(path), fail: failed(path) };
  const packed = isPacked ? new ForwardFile(unpacking, signal) : undefined;
  const close = async () => {
    await packed?.close();
    await file.close();
  };
  try {
    const header = readHeader(await (packed ?? file).read(0, MAX_HEADER), path);
    if (!packed) checkLength(header, file.size, path);
    const finish =
      packed && (async () => checkLength(header, (await packed.finish(header.fileLength)).length, path));
    return {
      rows: rowsOf(packed ?? file, header),
      ...(finish && { finish }),
      checkUnchanged: () => file.checkUnchanged(version),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function rowsOf(file: SourceFile, header: IdxHeader): ArrayRows {
  const { shape, headerLength, width } = header;
  const rowLength = shape.slice(1).reduce((product, extent) => product * extent, width);
  return {
    shape,
    rowLength,
    read: async (first, count) => {
      const bytes = await readAll(file, headerLength + first * rowLength, count * rowLength);
      return elementsOf(header, bytes, [count, ...shape.slice(1)]);
    },
  };
}

async function unzipped(path: string): Promise<Readable> {
  // Errors come out at the end that is read.
  return pipeline(createReadStream(path), createGunzip({ chunkSize: CHUNK }), () => {});
}

function failed(path: string): (cause: unknown) => never {
  return (cause) => {
    if (cause instanceof TorchvaeError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (!code?.startsWith('Z_')) throw ioError('read', path, cause);
    throw badData(path, `expected gzip data but decompression failed (${message})`, cause);
  };
}
