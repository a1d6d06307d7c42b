import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { TorchvaeError } from '../../../errors.ts';
import { ioError } from '../../../files.ts';
import { allocate, badData, withFile } from '../../files/source.ts';
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
}

/**
 * Opens the archive of arrays that `numpy.savez` or `savez_compressed` wrote, for as long as `use` takes. A member's unpacked
 * length is validated with its packed one before it is allocated, and its CRC is checked.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for a truncated or corrupt archive, naming the member, and what `use` throws
 */
export async function withNpz<T>(path: string, use: (npz: Npz) => Promise<T>): Promise<T> {
  await withFile(path, async () => {});
  let zip: ZipFile | undefined;
  try {
    const entries = new Map<string, Entry>();
    try {
      zip = await openPromise(path, { autoClose: false, lazyEntries: true });
      for await (const entry of zip.eachEntry()) {
        if (entries.size === MAX_MEMBERS) throw badData(path, `expected at most ${MAX_MEMBERS} members`);
        if (entry.fileName.endsWith('.npy')) entries.set(entry.fileName.slice(0, -4), entry);
      }
    } catch (cause) {
      throw archiveError(path, cause);
    }
    const opened = zip;
    const bytesOf = async (name: string) => {
      const entry = entries.get(name);
      if (entry) return unpack(opened, entry, path);
      throw badData(path, `expected the array ${name} but it has ${listed([...entries.keys()])}`);
    };
    const fileOf = (name: string) => `${path}, member ${name}.npy`;
    return await use({
      names: [...entries.keys()],
      read: async (name) => readNpy(await bytesOf(name), fileOf(name)),
      readLabels: async (name) => readNpyLabels(await bytesOf(name), fileOf(name)),
    });
  } finally {
    zip?.close();
  }
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
