import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { TorchvaeError } from '../errors.ts';
import { ioError } from '../files.ts';

/** Entries up to this size are unpacked in memory: a wheel has ten thousand headers, and streams cost more than they hold. */
const SMALL = 1 << 20;

/** Where an entry goes, relative to the folder that is unpacked into; undefined leaves it out. */
export type Selection = (name: string) => string | undefined;

/** How to unpack. */
export interface ExtractOptions {
  /** Called with the bytes just written. */
  onBytes?: (bytes: number) => void;
  /** Looked at between two entries. */
  checkpoint?: () => void;
}

/**
 * A zip file, so a wheel too. Every name is checked on opening: absolute paths and `..` are refused, so nothing is ever
 * written outside the folder that is unpacked into; every entry's length and CRC is checked while it is written.
 */
export class Archive {
  readonly path: string;
  readonly #zip: ZipFile;
  readonly #entries: Map<string, Entry>;

  private constructor(path: string, zip: ZipFile, entries: Map<string, Entry>) {
    this.path = path;
    this.#zip = zip;
    this.#entries = entries;
  }

  /**
   * Opens the archive and reads its directory.
   *
   * @throws TorchvaeError ERR_DOWNLOAD for a truncated, corrupt or hostile archive; ERR_IO if it cannot be read
   */
  static async open(path: string): Promise<Archive> {
    const entries = new Map<string, Entry>();
    let zip: ZipFile | undefined;
    try {
      zip = await openPromise(path, { autoClose: false, lazyEntries: true });
      for await (const entry of zip.eachEntry()) entries.set(entry.fileName, entry);
    } catch (cause) {
      zip?.close();
      throw archiveError(path, cause);
    }
    return new Archive(path, zip, entries);
  }

  /** The names of all entries, folders (which end in a slash) included. */
  get names(): string[] {
    return [...this.#entries.keys()];
  }

  /** Bytes that the picked entries take once unpacked. */
  size(pick: Selection): number {
    return this.#picked(pick).reduce((sum, { entry }) => sum + entry.uncompressedSize, 0);
  }

  /**
   * The text of one entry.
   *
   * @throws TorchvaeError ERR_DOWNLOAD if the entry is missing or damaged
   */
  async text(name: string): Promise<string> {
    const entry = this.#entries.get(name);
    if (!entry) throw archiveError(this.path, new Error(`it has no entry ${name}`));
    return (await this.#read(entry)).toString('utf8');
  }

  /**
   * Unpacks the picked entries into `folder`.
   *
   * @throws TorchvaeError ERR_DOWNLOAD for a damaged entry, ERR_IO if a file cannot be written
   */
  async extract(pick: Selection, folder: string, options: ExtractOptions = {}): Promise<void> {
    const made = new Set<string>();
    for (const { entry, target } of this.#picked(pick)) {
      options.checkpoint?.();
      if (isSymlink(entry)) throw archiveError(this.path, new Error(`${entry.fileName} is a symbolic link`));
      const path = join(folder, target);
      if (!made.has(dirname(path))) {
        await mkdir(dirname(path), { recursive: true }).catch((cause) => {
          throw ioError('create', dirname(path), cause);
        });
        made.add(dirname(path));
      }
      if (entry.uncompressedSize <= SMALL) await this.#extractSmall(entry, path, options);
      else await this.#extractLarge(entry, path, options);
    }
  }

  /** Closes the file. */
  close(): void {
    this.#zip.close();
  }

  #picked(pick: Selection): { entry: Entry; target: string }[] {
    return [...this.#entries.values()].flatMap((entry) => {
      const target = entry.fileName.endsWith('/') ? undefined : pick(entry.fileName);
      return target === undefined ? [] : [{ entry, target }];
    });
  }

  async #extractSmall(entry: Entry, path: string, options: ExtractOptions): Promise<void> {
    const content = await this.#read(entry);
    await writeFile(path, content).catch((cause) => {
      throw ioError('write', path, cause);
    });
    options.onBytes?.(content.length);
  }

  async #extractLarge(entry: Entry, path: string, options: ExtractOptions): Promise<void> {
    const chunks = this.#chunks(entry);
    // Flushed, because the rename that ends an installation must not reach the disk before the libraries do.
    const file = createWriteStream(path, { flush: true });
    async function* counted(): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        options.checkpoint?.();
        yield chunk;
        options.onBytes?.(chunk.length);
      }
    }
    await pipeline(counted(), file).catch((cause) => {
      throw cause instanceof TorchvaeError ? cause : ioError('write', path, cause);
    });
  }

  async #read(entry: Entry): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.#chunks(entry)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** The entry's content. yauzl checks its length but leaves the CRC to its callers. */
  async *#chunks(entry: Entry): AsyncGenerator<Buffer> {
    let crc = 0;
    try {
      const stream: Readable = await this.#zip.openReadStreamPromise(entry);
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        crc = crc32(chunk, crc);
        yield chunk;
      }
      if (crc !== entry.crc32) throw new Error('its CRC does not match');
    } catch (cause) {
      throw archiveError(this.path, new Error(`${entry.fileName}: ${(cause as Error).message}`, { cause }));
    }
  }
}

/** A link would be written as a small text file, and lead out of the folder if it were honored. */
function isSymlink(entry: Entry): boolean {
  return ((entry.externalFileAttributes >>> 16) & 0o170000) === 0o120000;
}

function archiveError(path: string, cause: unknown): TorchvaeError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code?.startsWith('E') && !code.startsWith('ERR_')) return ioError('read', path, cause);
  return new TorchvaeError(
    'ERR_DOWNLOAD',
    `Expected ${basename(path)} to be a whole zip archive but ${message}. It may be truncated or corrupt; fetch it again.`,
    { cause },
  );
}
