import { basename } from 'node:path';
import { checkOneOf } from '../../../check.ts';
import type { DataKind } from '../../examples/checks.ts';
import { badData, type FileVersion, type OpenFile, openFile } from '../../files/source.ts';
import {
  BlockWalk,
  checkGoesOn,
  type EpochRequest,
  emptyBlock,
  evenBlocks,
  kindWidth,
  NUMBER_KINDS,
  type Reading,
  type StreamDescription,
  type StreamSource,
} from '../../streams/source.ts';
import { type NpyRows, openNpy } from './npy-file.ts';
import { layoutOf, valuesOf } from './numeric-array.ts';

/** Bytes that are read at a time while examples are shuffled: many such blocks make up a window. */
const BLOCK_BYTES = 1 << 16;
/** Bytes that are read at a time in the order of the file. */
const STRETCH_BYTES = 1 << 22;

/**
 * The examples of a .npy file, read by position when they are needed; the system's file cache keeps what fits into memory. Their
 * kind follows from the type of the elements (bytes, truth values), else from one pass over all numbers.
 *
 * @param kind spares that pass
 * @throws TorchvaeError as `readNpy` does; ERR_DATA_FORMAT also for the Fortran arrangement; ERR_RANGE
 */
export async function openNpyStream(
  path: string,
  { kind, signal }: { kind?: DataKind | undefined; signal: AbortSignal },
): Promise<StreamSource> {
  const file = await openFile(path);
  try {
    const array = await openNpy(file);
    const { shape } = layoutOf(array.shape, path);
    const found = array.isBytes ? 'unit' : array.isBoolean ? 'binary' : undefined;
    if (kind !== undefined) checkOneOf('kind', kind, found ? [found] : NUMBER_KINDS);
    const description: StreamDescription = {
      name: basename(path),
      length: array.shape[0]!,
      shape,
      kind: found ?? kind ?? (await widestKind(array, path, signal)),
      isBytes: found !== undefined,
      hasLabels: false,
    };
    return { ...description, open: (request) => NpyReading.open(path, file.version, description, request) };
  } finally {
    await file.close();
  }
}

async function widestKind(array: NpyRows, path: string, signal: AbortSignal): Promise<DataKind> {
  const length = array.shape[0]!;
  const rows = Math.max(1, Math.floor(STRETCH_BYTES / array.rowLength));
  let widest = 0;
  for (let first = 0; first < length; first += rows) {
    checkGoesOn(path, signal);
    const { kind } = valuesOf(await array.read(first, Math.min(rows, length - first)), path, first);
    widest = Math.max(widest, kindWidth(kind));
  }
  return NUMBER_KINDS[widest]!;
}

class NpyReading implements Reading {
  readonly #file: OpenFile;
  readonly #array: NpyRows;
  readonly #version: FileVersion;
  readonly #description: StreamDescription;
  readonly #blockSize: number;
  readonly #walk: BlockWalk;
  readonly #signal: AbortSignal;

  private constructor(
    file: OpenFile,
    array: NpyRows,
    version: FileVersion,
    description: StreamDescription,
    request: EpochRequest,
  ) {
    this.#file = file;
    this.#array = array;
    this.#version = version;
    this.#description = description;
    const bytes = request.shuffle ? BLOCK_BYTES : STRETCH_BYTES;
    this.#blockSize = Math.max(1, Math.floor(bytes / array.rowLength));
    this.#walk = new BlockWalk(evenBlocks(description.length, this.#blockSize), request);
    this.#signal = request.signal;
  }

  static async open(
    path: string,
    version: FileVersion,
    description: StreamDescription,
    request: EpochRequest,
  ): Promise<NpyReading> {
    const file = await openFile(path);
    try {
      await file.checkUnchanged(version);
      return new NpyReading(file, await openNpy(file), version, description, request);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async read(count: number) {
    const { path } = this.#file;
    const { shape, kind } = this.#description;
    const size = shape.reduce((product, extent) => product * extent, 1);
    const into = emptyBlock(this.#description, count);
    const layout = layoutOf(this.#array.shape, path);
    for (const piece of this.#walk.take(count)) {
      checkGoesOn(path, this.#signal);
      const first = piece.block * this.#blockSize + piece.first;
      const values = valuesOf(await this.#array.read(first, piece.count), path, first);
      if (kindWidth(values.kind) > kindWidth(kind)) {
        const place = `examples ${first} to ${first + piece.count - 1} are of kind ${values.kind}`;
        throw badData(path, `expected numbers of kind ${kind} but ${place}`);
      }
      into.data.set(layout.arrange(values.data), piece.at * size);
    }
    await this.#file.checkUnchanged(this.#version);
    return into;
  }

  close(): Promise<void> {
    return this.#file.close().catch(() => {});
  }
}
