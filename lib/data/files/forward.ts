import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { checkGoesOn, untilAborted } from '../streams/source.ts';
import { allocate, type SourceFile } from './source.ts';

/** How {@link ForwardFile} is unpacked. */
export interface Unpacking {
  /** For messages. */
  readonly path: string;
  /** Bytes that are promised; infinite where this is not known. */
  readonly size: number;
  /** The unpacked bytes from the beginning. */
  begin(): Promise<Readable>;
  /** What becomes of an error of the packed data. */
  fail(cause: unknown): never;
}

/**
 * What is packed in a file, as a file that is read forward: reads skip what lies between them, and one that goes back begins anew, so it
 * takes as long as all that lies before it.
 */
export class ForwardFile implements SourceFile {
  readonly path: string;
  readonly size: number;
  readonly #unpacking: Unpacking;
  readonly #signal: AbortSignal;
  #stream: Readable | undefined;
  #chunks: AsyncIterator<Buffer> | undefined;
  #rest: Uint8Array = new Uint8Array();
  /** Where the rest begins. */
  #at = 0;
  /** Of all bytes that were unpacked. */
  #crc = 0;

  constructor(unpacking: Unpacking, signal: AbortSignal) {
    this.path = unpacking.path;
    this.size = unpacking.size;
    this.#unpacking = unpacking;
    this.#signal = signal;
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (offset < this.#at) await this.close();
    const bytes = allocate(this.path, length, () => new Uint8Array(length));
    let done = 0;
    while (done < length && (this.#rest.length > 0 || (await this.#more()))) {
      const skipped = Math.min(offset + done - this.#at, this.#rest.length);
      this.#drop(skipped);
      const taken = this.#rest.subarray(0, length - done);
      bytes.set(taken, done);
      done += taken.length;
      this.#drop(taken.length);
    }
    return done === length ? bytes : bytes.slice(0, done);
  }

  /**
   * Reads on to the end, or to more than `most` bytes.
   *
   * @returns how many bytes there are, and their CRC-32
   */
  async finish(most: number): Promise<{ length: number; crc: number }> {
    do this.#drop(this.#rest.length);
    while (this.#at <= most && (await this.#more()));
    return { length: this.#at, crc: this.#crc };
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#stream?.on('error', () => {}).destroy();
    this.#stream = undefined;
    this.#chunks = undefined;
    this.#rest = new Uint8Array();
    this.#at = 0;
    this.#crc = 0;
  }

  #drop(count: number): void {
    this.#rest = this.#rest.subarray(count);
    this.#at += count;
  }

  /** Whether there was another chunk, which is the rest then. */
  async #more(): Promise<boolean> {
    checkGoesOn(this.path, this.#signal);
    try {
      this.#stream ??= await this.#unpacking.begin();
      this.#chunks ??= this.#stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      const { value, done } = await untilAborted(this.#chunks.next(), this.path, this.#signal);
      if (done) return false;
      this.#rest = value;
      this.#crc = crc32(value, this.#crc);
      return true;
    } catch (cause) {
      return this.#unpacking.fail(cause);
    }
  }
}
