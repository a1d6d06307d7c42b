import { type FileHandle, open, stat } from 'node:fs/promises';
import { TorchvaeError } from '../../errors.ts';
import { ioError } from '../../files.ts';

/** One read may bring at most 2 GiB. */
const MAX_READ = 2 ** 30;

/** A plain file that is open for reading. */
export interface SourceFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** The bytes from `offset`; fewer than `length` only where the file ends. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** A {@link SourceFile} that stays open until it is closed. */
export interface OpenFile extends SourceFile {
  /** @throws TorchvaeError ERR_DATA_FORMAT where the file has changed since `version` was taken */
  checkUnchanged(version: FileVersion): Promise<void>;
  readonly version: FileVersion;
  close(): Promise<void>;
}

/** Identifies the content of a file, so that a later change is noticed. */
export interface FileVersion {
  readonly size: number;
  readonly modified: number;
  readonly inode: number;
}

/** The error for a file with bad content; `trouble` names the place and what was expected there. */
export function badData(file: string, trouble: string, cause?: unknown): TorchvaeError {
  return new TorchvaeError('ERR_DATA_FORMAT', `${file}: ${trouble}`, { cause });
}

/**
 * Opens the file. Devices, pipes and folders are refused before they are opened: these may block or never end.
 *
 * @throws TorchvaeError ERR_IO for a file that cannot be read, ERR_DATA_FORMAT for a folder, device or pipe
 */
export async function openFile(path: string): Promise<OpenFile> {
  const fail = (cause: unknown) => {
    throw ioError('read', path, cause);
  };
  const named = await stat(path).catch(fail);
  if (named.isFIFO())
    throw badData(
      path,
      'expected a file, which is read more than once, but it is a pipe; write it to a file',
    );
  if (!named.isFile()) throw badData(path, 'expected a file but it is a folder or a device; name a file');
  const handle = await open(path, 'r').catch(fail);
  const versionNow = async () => {
    const { size, mtimeMs, ino } = await handle.stat().catch(fail);
    return { size, modified: mtimeMs, inode: ino };
  };
  try {
    const version = await versionNow();
    return {
      path,
      size: version.size,
      version,
      read: (offset, length) => readAt(handle, path, offset, length),
      checkUnchanged: async (before) => checkSame(path, before, await versionNow()),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** What identifies the content of the file now. */
export async function versionOf(path: string): Promise<FileVersion> {
  const file = await openFile(path);
  await file.close();
  return file.version;
}

/**
 * Opens the file that had this content.
 *
 * @throws TorchvaeError ERR_DATA_FORMAT where it has changed; what {@link openFile} throws
 */
export async function reopenFile(path: string, version: FileVersion): Promise<OpenFile> {
  const file = await openFile(path);
  await file.checkUnchanged(version).catch(async (error) => {
    await file.close();
    throw error;
  });
  return file;
}

/**
 * Opens the file for as long as `use` takes.
 *
 * @throws TorchvaeError what {@link openFile} and `use` throw
 */
export async function withFile<T>(path: string, use: (file: SourceFile) => Promise<T>): Promise<T> {
  const file = await openFile(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

function checkSame(path: string, before: FileVersion, now: FileVersion): void {
  if (now.size === before.size && now.modified === before.modified && now.inode === before.inode) return;
  const what =
    now.size === before.size ? 'it was written to' : `it has ${now.size} bytes and had ${before.size}`;
  throw badData(
    path,
    `expected the file as it was when it was first read but ${what}; leave it alone until the end`,
  );
}

/**
 * The bytes from `offset`.
 *
 * @throws TorchvaeError ERR_DATA_FORMAT where the file ends before, and what reading throws
 */
export async function readAll(
  file: SourceFile,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await file.read(offset, length);
  if (bytes.length === length) return bytes;
  const what = `${length} bytes at offset ${offset} but the file ends at ${offset + bytes.length}`;
  throw badData(file.path, `expected ${what}; it was cut short`);
}

/**
 * The whole content of a file of at most `limit` bytes.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for a longer file
 */
export function readWhole(path: string, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  return withFile(path, async (file) => {
    checkFileSize(file, limit);
    return file.read(0, file.size);
  });
}

/** @throws TorchvaeError ERR_DATA_FORMAT for a file of more than `limit` bytes */
export function checkFileSize({ path, size }: { path: string; size: number }, limit: number): void {
  if (size <= limit) return;
  throw badData(
    path,
    `expected a file of at most ${limit} bytes but it has ${size}; divide it into smaller ones`,
  );
}

/**
 * Runs an allocation whose size was checked; running out of memory becomes a TorchvaeError.
 *
 * @throws TorchvaeError ERR_OUT_OF_MEMORY
 */
export function allocate<T>(file: string, bytes: number, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new TorchvaeError('ERR_OUT_OF_MEMORY', `${file}: no memory for ${bytes} bytes`, { cause });
  }
}

async function readAt(
  handle: FileHandle,
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = allocate(path, length, () => new Uint8Array(length));
  let done = 0;
  while (done < length) {
    const part = Math.min(length - done, MAX_READ);
    const { bytesRead } = await handle.read(bytes, done, part, offset + done).catch((cause) => {
      throw ioError('read', path, cause);
    });
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done === length ? bytes : bytes.slice(0, done);
}
