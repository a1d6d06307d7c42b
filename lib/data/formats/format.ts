import type { Dataset } from '../dataset.ts';
import { encodingOf } from '../files/text.ts';
import type { Learnable } from '../learnable.ts';
import type { Part } from '../streams/part.ts';
import type { StreamSource } from '../streams/source.ts';
import type { Table } from '../tables/table.ts';

/** What is at a path, as far as it takes to tell its format. */
export type Found = FoundFolder | FoundFile;

export interface FoundFolder {
  readonly type: 'folder';
  readonly path: string;
  readonly names: readonly string[];
}

export interface FoundFile {
  readonly type: 'file';
  readonly path: string;
  /** Lower case, with its dot; empty if there is none. */
  readonly extension: string;
  /** Bytes. */
  readonly size: number;
  /** Whether it is compressed with gzip; the extension and the first bytes are then those of the content. */
  readonly isPacked: boolean;
  /** The first bytes, up to 64 KiB. */
  readonly start: Uint8Array;
}

/**
 * A format of files or folders: all that the rest of the library knows about it. Another format is another file with such
 * an object, and a line in `list.ts`.
 */
export interface Format<Options extends object = object, StreamOptions extends object = object> {
  /** For messages, such as `.npy file`. */
  readonly name: string;
  /** The extensions of its files; lower case, with the dot. */
  readonly extensions?: readonly string[];
  /** Whether a file with one of the extensions is of this format; default yes. For extensions of several formats. */
  accepts?(found: FoundFile): boolean;
  /** The schemas by which it gives examples: a given one settles which format a file has whose extension is that of several. */
  readonly schema?: 'table' | 'text';
  /** Whether a file with one of the extensions may be of this format where a schema says so; default yes. */
  mayBe?(found: FoundFile): boolean;
  /** Whether files may be compressed with gzip. Default no. */
  readonly takesGzip?: boolean;
  /** Whether a folder, or a file that has no format's extension, is of this format. */
  detect?(found: Found): boolean;
  /** The options of `loadDataset` that it takes. */
  readonly options: readonly string[];
  /**
   * @returns the examples, or the rows or lines that a schema makes examples of
   * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT naming the place, ERR_TYPE and ERR_RANGE for options
   */
  read(path: string, options: Options): Promise<Dataset | Learnable>;
  /**
   * Of tables: all rows as they are, with the options of reading alone.
   *
   * @param keepsAll whether lines of text that are no rows become rows of missing cells, so that rows keep their numbers
   * @throws TorchvaeError what `read` throws, but for kinds of columns, which are only told apart where a schema is learned
   */
  readTable?(path: string, options: Options, keepsAll?: boolean): Promise<Table>;
  /** Whether there is a test set beside the training set, for `split: 'test'`. */
  hasTestSet?(path: string): Promise<boolean>;
  /** How it is streamed, if it can be. */
  readonly stream?: Streaming<StreamOptions>;
}

/** How a format is read piece by piece, anew in every epoch. */
export interface Streaming<Options extends object = object> {
  /** The options of `streamDataset` that it takes, beside those of every stream. */
  readonly options: readonly string[];
  /**
   * @param training gives the rows that a schema is learned from, of so many; default all
   * @throws TorchvaeError what `Format.read` throws, ERR_ABORTED; what `training` throws
   */
  open(
    path: string,
    options: Options,
    signal: AbortSignal,
    training?: (length: number) => Part,
  ): Promise<StreamSource>;
  /**
   * Bytes that the examples would take in memory, roughly; undefined for what cannot be streamed.
   *
   * @param imageSize height and width that images are resized to
   */
  sizeInMemory(path: string, imageSize?: number): Promise<number | undefined>;
}

/** Whether it is a file that begins with these bytes. */
export function beginsWith(found: Found, magic: Iterable<number>): boolean {
  return found.type === 'file' && Array.from(magic).every((byte, i) => found.start[i] === byte);
}

/** The whole lines of a text that begins like this, or undefined for other files. */
export function startText(start: Uint8Array): string | undefined {
  const encoding = encodingOf(start);
  const text = new TextDecoder(encoding).decode(start, { stream: true });
  if (text.includes('\0')) return undefined;
  const end = Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r'));
  return end < 0 ? text : text.slice(0, end + 1);
}
