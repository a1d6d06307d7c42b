import type { Dataset } from '../dataset.ts';
import type { Learnable } from '../learnable.ts';
import type { StreamSource } from '../streams/source.ts';

/** What is at a path, as far as it takes to tell its format. */
export type Found =
  | { readonly type: 'folder'; readonly path: string; readonly names: readonly string[] }
  | {
      readonly type: 'file';
      readonly path: string;
      /** Lower case, with its dot; empty if there is none. */
      readonly extension: string;
      /** Bytes. */
      readonly size: number;
      /** The first bytes. */
      readonly start: Uint8Array;
    };

/**
 * A format of files or folders: all that the rest of the library knows about it. Another format is another file with such
 * an object, and a line in `list.ts`.
 */
export interface Format<Options extends object = object, StreamOptions extends object = object> {
  /** For messages, such as `.npy file`. */
  readonly name: string;
  /** Extensions that are of this format whatever the file holds; lower case, with the dot. */
  readonly extensions?: readonly string[];
  /** Whether a folder, or a file that has no format's extension, is of this format. */
  detect?(found: Found): boolean;
  /** The options of `loadDataset` that it takes. */
  readonly options: readonly string[];
  /**
   * @returns the examples, or the rows or lines that a schema makes examples of
   * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT naming the place, ERR_TYPE and ERR_RANGE for options
   */
  read(path: string, options: Options): Promise<Dataset | Learnable>;
  /** How it is streamed, if it can be. */
  readonly stream?: Streaming<StreamOptions>;
}

/** How a format is read piece by piece, anew in every epoch. */
export interface Streaming<Options extends object = object> {
  /** The options of `streamDataset` that it takes, beside those of every stream. */
  readonly options: readonly string[];
  /** @throws TorchvaeError what `Format.read` throws, ERR_ABORTED */
  open(path: string, options: Options, signal: AbortSignal): Promise<StreamSource>;
  /**
   * Bytes that the examples would take in memory, roughly.
   *
   * @param imageSize height and width that images are resized to
   */
  sizeInMemory(path: string, imageSize?: number): Promise<number>;
}

/** Whether it is a file that begins with these bytes. */
export function beginsWith(found: Found, magic: Iterable<number>): boolean {
  return found.type === 'file' && Array.from(magic).every((byte, i) => found.start[i] === byte);
}
