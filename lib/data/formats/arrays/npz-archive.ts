import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { TorchvaeError } from '../../../errors.ts';
import { ioError } from '../../../files.ts';
import { ForwardFile } from '../../files/forward.ts';
import { allocate, badData, type SourceFile, withFile } from '../../files/source.ts';
import { readNpy, readNpyLabels, type TextArray } from './npy-file.ts';
import type { NumericArray } from './numeric-array.ts';

/** Deflate cannot shrink data further than by this factor; stored members are as long as they say. */
const MAX_DEFLATE_RATIO = 1032;
const MAX_MEMBERS = 10_000;
/** Of one unpacked member. */
const MAX_MEMBER_LENGTH = 2 ** 32 - 1;

/** An open .npz archive. */
export interface Npz {
  /** Names of the arrays, without `.npy`, in the order of the file. */
  readonly names: readonly string[];
  /** @throws TorchvaeError ERR_DATA_FORMAT for a member that is not there or damaged */
  read(name: string): Promise<NumericArray>;
  /**
   * The same for an array of labels, which may be texts.
   *
   * @throws TorchvaeError ERR_DATA_FORMAT for a member that is not there or damaged
   */
  readLabels(name: string): Promise<NumericArray | TextArray>;
  /**
   * Opens a member without reading it.
   *
   * @param archive the same file, in which a member that is not compressed is read by position
   * @throws TorchvaeError ERR_DATA_FORMAT for a member that is not there
   */
  open(name: string, archive: SourceFile, signal: AbortSignal): Promise<NpzMember>;
  close(): void;
}

/** A member of an archive, as a file. */
export interface NpzMember {
  readonly file: SourceFile;
  /** Whether it is compressed, so that it is read from the beginning to the end. */
  readonly isPacked: boolean;
  /**
   * Reads what was not read.
   *
   * @throws TorchvaeError ERR_DATA_FORMAT unless its length and CRC are those that the archive promises
   */
  finish(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the archive of arrays that `numpy.savez` or `savez_compressed` wrote, for as long as `use` takes. A member's unpacked
 * length is validated with its packed one before it is allocated, and its CRC is checked.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for a truncated or corrupt archive, naming the member, and what `use` throws
 */
export async function withNpz<T>(path: string, use: (npz: Npz) => Promise<T>): Promise<T> {
  await withFile(path, async () => {});
  const npz = await openNpz(path);
  try {
    return await use(npz);
  } finally {
    npz.close();
  }
}

/**
 * The same until it is closed.
 *
 * @throws TorchvaeError as {@link withNpz} does
 */
export async function openNpz(path: string): Promise<Npz> {
  let zip: ZipFile | undefined;
  const entries = new Map<string, Entry>();
  try {
    zip = await openPromise(path, { autoClose: false, lazyEntries: true });
    for await (const entry of zip.eachEntry()) {
      if (entries.size === MAX_MEMBERS) throw badData(path, `expected at most ${MAX_MEMBERS} members`);
      if (entry.fileName.endsWith('.npy')) entries.set(entry.fileName.slice(0, -4), entry);
    }
  } catch (cause) {
    zip?.close();
    throw archiveError(path, cause);
  }
  const opened = zip;
  const entryOf = (name: string) => {
    const entry = entries.get(name);
    if (entry) return entry;
    throw badData(path, `expected the array ${name} but it has ${listed([...entries.keys()])}`);
  };
  const bytesOf = (name: string) => unpack(opened, entryOf(name), path);
  const fileOf = (name: string) => `${path}, member ${name}.npy`;
  return {
    names: [...entries.keys()],
    read: async (name) => readNpy(await bytesOf(name), fileOf(name)),
    readLabels: async (name) => readNpyLabels(await bytesOf(name), fileOf(name)),
    open: (name, archive, signal) => openMember(opened, entryOf(name), archive, signal),
    close: () => opened.close(),
  };
}

async function openMember(
  zip: ZipFile,
  entry: Entry,
  archive: SourceFile,
  signal: AbortSignal,
): Promise<NpzMember> {
  const { fileName, uncompressedSize: size } = entry;
  const place = `member ${fileName}`;
  const fail = (cause: unknown): never => {
    throw archiveError(archive.path, cause, place);
  };
  const named = { path: `${archive.path}, ${place}`, size };
  const isPacked = entry.compressionMethod !== 0 || !entry.canDecodeFileData();
  const begin = () => zip.openReadStreamPromise(entry);
  const forward = new ForwardFile({ ...named, begin, fail }, signal);
  // A member that is not compressed is read forward too, once, to check its CRC.
  const finish = async () => {
    const found = await forward.finish(size);
    if (found.length !== size)
      fail(new Error(`it is ${found.length < size ? 'shorter' : 'longer'} than it says`));
    if (found.crc !== entry.crc32) fail(new Error('its CRC does not match'));
  };
  const close = () => forward.close();
  if (isPacked) return { file: forward, isPacked, finish, close };
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true }).catch(fail);
  const read: SourceFile['read'] = (offset, length) =>
    archive.read(fileDataStart + offset, Math.max(0, Math.min(length, size - offset)));
  return { file: { ...named, read }, isPacked, finish, close };
}

/** "a, b, c" for messages, of which there may be many. */
export function listed(names: readonly string[]): string {
  if (names.length === 0) return 'none';
  const shown = names.slice(0, 12).join(', ');
  return names.length > 12 ? `${shown} and ${names.length - 12} more` : shown;
}

async function unpack(zip: ZipFile, entry: Entry, path: string): Promise<Uint8Array> {
  const { fileName, compressedSize, uncompressedSize } = entry;
  const most = Math.min(
    entry.compressionMethod === 0 ? compressedSize : compressedSize * MAX_DEFLATE_RATIO,
    MAX_MEMBER_LENGTH,
  );
  if (uncompressedSize > most) {
    const promise = `member ${fileName} promises ${uncompressedSize} bytes`;
    throw badData(
      path,
      `${promise}, but no more than ${most} are accepted from ${compressedSize} packed ones`,
    );
  }
  const bytes = allocate(path, uncompressedSize, () => new Uint8Array(uncompressedSize));
  let length = 0;
  try {
    for await (const chunk of (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>) {
      if (length + chunk.length > bytes.length) throw new Error('it is longer than it says');
      bytes.set(chunk, length);
      length += chunk.length;
    }
    if (length !== bytes.length) throw new Error('it is shorter than it says');
    if (crc32(bytes) !== entry.crc32) throw new Error('its CRC does not match');
  } catch (cause) {
    throw archiveError(path, cause, `member ${fileName}`);
  }
  return bytes;
}

function archiveError(path: string, cause: unknown, place = 'the archive'): TorchvaeError {
  if (cause instanceof TorchvaeError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code && /^E(?!RR_)/.test(code)) return ioError('read', path, cause);
  return badData(path, `expected a whole .npz archive but ${place} is damaged (${message})`, cause);
}
