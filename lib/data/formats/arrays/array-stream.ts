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
import { Darkness, type Spread } from '../../examples/scale-notes.ts';
import { badData } from '../../files/source.ts';
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
import {
  type ArrayRows,
  LIKE_PIXELS,
  layoutOf,
  liesInBytes,
  mayBePixels,
  numbersOf,
  placesIn,
  spreadOf,
} from './numeric-array.ts';

/** Bytes that are read at a time while examples are shuffled: many such blocks make up a window. */
const BLOCK_BYTES = 1 << 16;
/** Bytes that are read at a time in the order of the file. */
const STRETCH_BYTES = 1 << 22;

/** An array of a file, which is opened anew for every pass. */
export interface ArrayFile {
  /** Of the data set. */
  readonly name: string;
  /** What error messages call the array. */
  readonly path: string;
  /** Whether it is packed, so that it is read from the beginning to the end. */
  readonly isSequential?: true | undefined;
  /** One for each example, with the names of the classes if there are any. */
  readonly labels?:
    | { readonly values: Int32Array; readonly classes?: readonly string[] | undefined }
    | undefined;
  readonly notes?: readonly string[];
  /** @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT, also where the file has changed since it was first opened */
  open(signal: AbortSignal): Promise<OpenArray>;
}

export interface OpenArray {
  readonly rows: ArrayRows;
  /**
   * Reads what was not read, if that shows whether the file is whole.
   *
   * @throws TorchvaeError ERR_DATA_FORMAT unless it is
   */
  finish?(): Promise<void>;
  /** @throws TorchvaeError ERR_DATA_FORMAT where the file has changed since it was first opened */
  checkUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/**
 * The examples of an array, read when they are needed; the system's file cache keeps what fits into memory. Their
 * kind, and the greatest level of 16-bit images, are found in a pass over the numbers, which ends as soon as nothing can change them.
 *
 * @param options those that are given need no such pass
 * @throws TorchvaeError what opening throws; ERR_DATA_FORMAT; ERR_RANGE
 */
export async function openArrayStream(
  file: ArrayFile,
  options: PixelOptions,
  signal: AbortSignal,
): Promise<StreamSource> {
  checkPixelOptions(options);
  if (options.kind !== undefined) checkOneOf('kind', options.kind, NUMBER_KINDS);
  const { path, labels, isSequential } = file;
  const array = await file.open(signal);
  try {
    const { rows } = array;
    const { shape } = layoutOf(rows.shape, path);
    const length = rows.shape[0]!;
    const { type } = numbersOf(await rows.read(0, 1));
    const isKnown = options.kind !== undefined && (type !== 'levels' || options.maxLevel !== undefined);
    const { found, invalid, isInBytes, spread, darkness } = isKnown
      ? { found: { kind: options.kind!, max: 1 }, isInBytes: false }
      : await surveyOf(rows, path, signal);
    await array.finish?.();
    const conversion = conversionOf(found, options);
    const dark = darkness?.notes(length, type === 'bytes' && conversion.kind === 'unit') ?? [];
    const description: StreamDescription = {
      name: file.name,
      length,
      shape,
      kind: conversion.kind,
      isBytes: isBytes(type, conversion.kind),
      hasLabels: labels !== undefined,
      classes: labels?.classes,
      invalid,
      notes: [
        ...(isInBytes && mayBePixels(rows.shape, type, conversion)
          ? [LIKE_PIXELS]
          : dark.length > 0 || conversion.kind !== 'real'
            ? dark
            : (spread?.notes ?? [])),
        ...notesOnInvalid(invalid, length),
        ...(file.notes ?? []),
      ],
      ...(isSequential && { isSequential }),
    };
    const open = async (request: EpochRequest) =>
      new ArrayReading(file, await file.open(request.signal), description, conversion, request);
    return { ...description, open };
  } finally {
    await array.close();
  }
}

const AS_THEY_ARE: Conversion = { kind: 'real', maxLevel: 1, invert: false };

interface ArraySurvey {
  found: Survey;
  invalid?: InvalidExamples | undefined;
  isInBytes: boolean;
  spread?: Spread;
  darkness?: Darkness;
}

async function surveyOf(array: ArrayRows, path: string, signal: AbortSignal): Promise<ArraySurvey> {
  const length = array.shape[0]!;
  const rows = Math.max(1, Math.floor(STRETCH_BYTES / array.rowLength));
  let found: Survey = { kind: 'binary', max: 0 };
  let invalid: InvalidExamples | undefined;
  let isInBytes = true;
  const spread = spreadOf(array.shape);
  const darkness = new Darkness();
  for (let first = 0; first < length; first += rows) {
    checkGoesOn(path, signal);
    const part = await array.read(first, Math.min(rows, length - first));
    const numbers = numbersOf(part);
    found = merged(found, survey(numbers));
    const isPixels = numbers.type === 'bytes';
    if (!darkness.isSettled(isPixels)) darkness.add(numbers.data);
    // Of numbers, all are looked at: one that is not finite should not end the training later.
    if (numbers.type === 'numbers') {
      const values = convert(numbers, AS_THEY_ARE, path, placesIn(part.shape, first));
      isInBytes &&= liesInBytes(values);
      spread.add(numbers.data);
      invalid = joinedInvalid(invalid, invalidIn(values, values.length / part.shape[0]!, first));
    } else if (isSettled(found, numbers.type) && darkness.isSettled(isPixels)) break;
  }
  return { found, invalid, isInBytes, spread, darkness };
}

class ArrayReading implements Reading {
  readonly #file: ArrayFile;
  readonly #array: OpenArray;
  readonly #description: StreamDescription;
  readonly #conversion: Conversion;
  readonly #blockSize: number;
  readonly #walk: BlockWalk;
  readonly #signal: AbortSignal;

  constructor(
    file: ArrayFile,
    array: OpenArray,
    description: StreamDescription,
    conversion: Conversion,
    request: EpochRequest,
  ) {
    this.#file = file;
    this.#array = array;
    this.#description = description;
    this.#conversion = conversion;
    const shuffle = request.shuffle && !file.isSequential;
    const bytes = shuffle ? BLOCK_BYTES : STRETCH_BYTES;
    this.#blockSize = Math.max(1, Math.floor(bytes / array.rows.rowLength));
    this.#walk = new BlockWalk(evenBlocks(description.length, this.#blockSize), { ...request, shuffle });
    this.#signal = request.signal;
  }

  async read(count: number) {
    const { path, labels } = this.#file;
    const { rows } = this.#array;
    const { shape, kind } = this.#description;
    const size = shape.reduce((product, extent) => product * extent, 1);
    const into = emptyBlock(this.#description, count);
    const layout = layoutOf(rows.shape, path);
    for (const piece of this.#walk.take(count)) {
      checkGoesOn(path, this.#signal);
      const first = piece.block * this.#blockSize + piece.first;
      const part = await rows.read(first, piece.span);
      const numbers = numbersOf(part);
      const found = survey(numbers).kind;
      if (kindWidth(found) > kindWidth(kind)) {
        const place = `examples ${first} to ${first + piece.span - 1} are of kind ${found}`;
        throw badData(path, `expected numbers of kind ${kind} but ${place}`);
      }
      const values = layout.arrange(convert(numbers, this.#conversion, path, placesIn(part.shape, first)));
      into.data.set(piece.rows ? gather(values, piece.rows, size) : values, piece.at * size);
      const named = labels?.values.subarray(first, first + piece.span);
      if (named) into.labels?.set(piece.rows ? gather(named, piece.rows, 1) : named, piece.at);
    }
    await this.#array.checkUnchanged();
    return into;
  }

  close(): Promise<void> {
    return this.#array.close().catch(() => {});
  }
}
