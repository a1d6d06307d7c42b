import { basename } from 'node:path';
import { checkOneOf } from '../../../check.ts';
import { gather } from '../../examples/gather.ts';
import { type InvalidExamples, invalidIn, joinedInvalid, notesOnInvalid } from '../../examples/invalid.ts';
import {
  type Conversion,
  checkPixelOptions,
  conversionOf,
  convert,
  isBytes,
  isSettled,
  kindWidth,
  merged,
  NUMBER_KINDS,
  type PixelOptions,
  type Survey,
  survey,
} from '../../examples/pixels.ts';
import { badData, type FileVersion, type OpenFile, openFile } from '../../files/source.ts';
import {
  BlockWalk,
  checkGoesOn,
  type EpochRequest,
  emptyBlock,
  evenBlocks,
  type Reading,
  type StreamDescription,
  type StreamSource,
} from '../../streams/source.ts';
import { type NpyRows, openNpy } from './npy-file.ts';
import { LIKE_PIXELS, layoutOf, liesInBytes, mayBePixels, numbersOf, placesIn } from './numeric-array.ts';

/** Bytes that are read at a time while examples are shuffled: many such blocks make up a window. */
const BLOCK_BYTES = 1 << 16;
/** Bytes that are read at a time in the order of the file. */
const STRETCH_BYTES = 1 << 22;

/**
 * The examples of a .npy file, read by position when they are needed; the system's file cache keeps what fits into memory. Their
 * kind, and the greatest level of 16-bit images, are found in a pass over the numbers, which ends as soon as nothing can change them.
 *
 * @param options those that are given need no such pass
 * @throws TorchvaeError as `readNpy` does; ERR_DATA_FORMAT also for the Fortran arrangement; ERR_RANGE
 */
export async function openNpyStream(
  path: string,
  options: PixelOptions,
  signal: AbortSignal,
): Promise<StreamSource> {
  checkPixelOptions(options);
  if (options.kind !== undefined) checkOneOf('kind', options.kind, NUMBER_KINDS);
  const file = await openFile(path);
  try {
    const array = await openNpy(file);
    const { shape } = layoutOf(array.shape, path);
    const { type } = numbersOf(await array.read(0, 1));
    const isKnown = options.kind !== undefined && (type !== 'levels' || options.maxLevel !== undefined);
    const { found, invalid, isInBytes } = isKnown
      ? { found: { kind: options.kind!, max: 1 }, invalid: undefined, isInBytes: false }
      : await surveyOf(array, path, signal);
    const conversion = conversionOf(found, options);
    const description: StreamDescription = {
      name: basename(path),
      length: array.shape[0]!,
      shape,
      kind: conversion.kind,
      isBytes: isBytes(type, conversion.kind),
      hasLabels: false,
      invalid,
      notes: [
        ...(isInBytes && mayBePixels(array.shape, type, conversion) ? [LIKE_PIXELS] : []),
        ...notesOnInvalid(invalid, array.shape[0]!),
      ],
    };
    const open = (request: EpochRequest) =>
      NpyReading.open(path, file.version, description, conversion, request);
    return { ...description, open };
  } finally {
    await file.close();
  }
}

const AS_THEY_ARE: Conversion = { kind: 'real', maxLevel: 1, invert: false };

async function surveyOf(
  array: NpyRows,
  path: string,
  signal: AbortSignal,
): Promise<{ found: Survey; invalid: InvalidExamples | undefined; isInBytes: boolean }> {
  const length = array.shape[0]!;
  const rows = Math.max(1, Math.floor(STRETCH_BYTES / array.rowLength));
  let found: Survey = { kind: 'binary', max: 0 };
  let invalid: InvalidExamples | undefined;
  let isInBytes = true;
  for (let first = 0; first < length; first += rows) {
    checkGoesOn(path, signal);
    const part = await array.read(first, Math.min(rows, length - first));
    const numbers = numbersOf(part);
    found = merged(found, survey(numbers));
    // Of numbers, all are looked at: one that is not finite should not end the training later.
    if (numbers.type === 'numbers') {
      const values = convert(numbers, AS_THEY_ARE, path, placesIn(part.shape, first));
      isInBytes &&= liesInBytes(values);
      invalid = joinedInvalid(invalid, invalidIn(values, values.length / part.shape[0]!, first));
    } else if (isSettled(found, numbers.type)) break;
  }
  return { found, invalid, isInBytes };
}

class NpyReading implements Reading {
  readonly #file: OpenFile;
  readonly #array: NpyRows;
  readonly #version: FileVersion;
  readonly #description: StreamDescription;
  readonly #conversion: Conversion;
  readonly #blockSize: number;
  readonly #walk: BlockWalk;
  readonly #signal: AbortSignal;

  private constructor(
    file: OpenFile,
    array: NpyRows,
    version: FileVersion,
    description: StreamDescription,
    conversion: Conversion,
    request: EpochRequest,
  ) {
    this.#file = file;
    this.#array = array;
    this.#version = version;
    this.#description = description;
    this.#conversion = conversion;
    const bytes = request.shuffle ? BLOCK_BYTES : STRETCH_BYTES;
    this.#blockSize = Math.max(1, Math.floor(bytes / array.rowLength));
    this.#walk = new BlockWalk(evenBlocks(description.length, this.#blockSize), request);
    this.#signal = request.signal;
  }

  static async open(
    path: string,
    version: FileVersion,
    description: StreamDescription,
    conversion: Conversion,
    request: EpochRequest,
  ): Promise<NpyReading> {
    const file = await openFile(path);
    try {
      await file.checkUnchanged(version);
      return new NpyReading(file, await openNpy(file), version, description, conversion, request);
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
      const part = await this.#array.read(first, piece.span);
      const numbers = numbersOf(part);
      const found = survey(numbers).kind;
      if (kindWidth(found) > kindWidth(kind)) {
        const place = `examples ${first} to ${first + piece.span - 1} are of kind ${found}`;
        throw badData(path, `expected numbers of kind ${kind} but ${place}`);
      }
      const values = layout.arrange(convert(numbers, this.#conversion, path, placesIn(part.shape, first)));
      into.data.set(piece.rows ? gather(values, piece.rows, size) : values, piece.at * size);
    }
    await this.#file.checkUnchanged(this.#version);
    return into;
  }

  close(): Promise<void> {
    return this.#file.close().catch(() => {});
  }
}
