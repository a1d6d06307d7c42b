import { TorchvaeError } from '../../errors.ts';
import { type CellCounts, noCells } from '../examples/cells.ts';
import type { DataKind } from '../examples/checks.ts';
import type { InvalidExamples } from '../examples/invalid.ts';
import { derivedSeed, Random } from '../random.ts';
import type { DataSchema } from '../schema.ts';
import { type Part, partOfPart } from './part.ts';

/** The description of a stream's examples. */
export interface StreamDescription {
  readonly name: string;
  /** Examples in an epoch. */
  readonly length: number;
  /** Of one example. */
  readonly shape: readonly number[];
  readonly kind: DataKind;
  /** Whether values are bytes b that mean b/255, else float32. */
  readonly isBytes: boolean;
  readonly hasLabels: boolean;
  readonly classes?: readonly string[] | undefined;
  readonly schema?: DataSchema | undefined;
  /** The examples that hold NaN or an infinity, as far as they have been looked for. */
  readonly invalid?: InvalidExamples | undefined;
  /** For people: what was passed over. */
  readonly notes?: readonly string[];
  /** Whether examples come in their own order alone, or files after files. */
  readonly isSequential?: true;
}

/** Some examples, one after the other, with the label of each where there are labels. */
export interface ExampleBlock {
  readonly data: Uint8Array | Float32Array;
  readonly labels?: Int32Array | undefined;
  /** Of tables: the cells of each that are not as in its row, if any. */
  readonly cells?: CellCounts | undefined;
}

/** A request for one pass over the examples. */
export interface EpochRequest {
  readonly seed: number;
  readonly epoch: number;
  /** Whether blocks come in a random order, a function of seed and epoch, where the source can seek. */
  readonly shuffle: boolean;
  /** Examples of that order to skip: a resumed epoch has seen them. */
  readonly first: number;
  /** Ends the reading: pending reads reject with ERR_ABORTED. */
  readonly signal: AbortSignal;
  /** The examples that are read, of which `first` counts those that are skipped. Default all. */
  readonly part?: Part;
  /** Of rows: whether they may have categories that those which the schema was learned from lack. */
  readonly isHeldOut?: boolean;
}

/** A pass over the examples. */
export interface Reading {
  /**
   * The next `count` examples, as fresh arrays.
   *
   * @throws TorchvaeError ERR_IO; ERR_DATA_FORMAT, also for fewer or more examples than described; ERR_ABORTED
   */
  read(count: number): Promise<ExampleBlock>;
  /** Frees files and processes; never rejects. */
  close(): Promise<void>;
}

/** The source of a stream, which gives a new pass for every epoch. */
export interface StreamSource extends StreamDescription {
  open(request: EpochRequest): Promise<Reading>;
}

/** The part of a source, as a source. */
export function partOf(source: StreamSource, part: Part, isHeldOut = false): StreamSource {
  return {
    ...source,
    length: part.length,
    open: (request) =>
      source.open({
        ...request,
        part: request.part ? partOfPart(part, request.part) : part,
        isHeldOut: isHeldOut || (request.isHeldOut ?? false),
      }),
  };
}

/** Examples of one block, and their place in the arrays that a read fills. */
export interface Piece {
  readonly block: number;
  /** Within the block. */
  readonly first: number;
  /** Consecutive examples of the block that hold those of the piece. */
  readonly span: number;
  /** Which of the span they are, ascending; undefined for all. */
  readonly rows: Uint32Array | undefined;
  readonly count: number;
  /** The place of its first example in the arrays. */
  readonly at: number;
}

/** A source whose blocks of consecutive examples can be read in any order. */
export interface Blocks {
  readonly length: number;
  readonly count: number;
  /** The index of a block's first example; for block `count`, the number of all examples. */
  start(block: number): number;
}

/** Blocks of the same length, except the last. */
export function evenBlocks(length: number, size: number): Blocks {
  return {
    length,
    count: Math.ceil(length / size),
    start: (block) => Math.min(length, block * size),
  };
}

/** Blocks of these lengths. */
export function lengthsAsBlocks(lengths: readonly number[]): Blocks {
  const starts = [0];
  for (const length of lengths) starts.push(starts.at(-1)! + length);
  return { length: starts.at(-1)!, count: lengths.length, start: (block) => starts[block]! };
}

/** Arrays for `count` examples of the description. */
export function emptyBlock({ shape, isBytes, hasLabels }: StreamDescription, count: number) {
  const length = count * shape.reduce((product, extent) => product * extent, 1);
  return {
    data: isBytes ? new Uint8Array(length) : new Float32Array(length),
    labels: hasLabels ? new Int32Array(count) : undefined,
  };
}

/** Writes the counts of a part into those of `count` examples, which are made where they are missing. */
export function addCells(
  into: CellCounts | undefined,
  part: CellCounts | undefined,
  at: number,
  count: number,
): CellCounts | undefined {
  if (!part) return into;
  const cells = into ?? noCells(count);
  cells.imputed.set(part.imputed, at);
  cells.unseen.set(part.unseen, at);
  return cells;
}

/** Walks over the blocks in the order of an epoch, for reads of any number of examples. */
export class BlockWalk {
  readonly #blocks: Blocks;
  readonly #part: Part | undefined;
  readonly #order: Uint32Array | undefined;
  #next = 0;
  #within = 0;

  constructor(blocks: Blocks, { seed, epoch, shuffle, first, part }: Omit<EpochRequest, 'signal'>) {
    this.#blocks = blocks;
    this.#part = part;
    this.#order = shuffle ? new Random(derivedSeed(seed, epoch + 1)).permutation(blocks.count) : undefined;
    this.#advance(first, () => {});
  }

  /** The pieces that the next `count` examples consist of. */
  take(count: number): Piece[] {
    const pieces: Piece[] = [];
    this.#advance(count, (block, first, taken, at) => pieces.push(this.#piece(block, first, taken, at)));
    return pieces;
  }

  #advance(count: number, visit: (block: number, first: number, count: number, at: number) => void): void {
    for (let at = 0; at < count; ) {
      const block = this.#order ? this.#order[this.#next]! : this.#next;
      const left = this.#start(block + 1) - this.#start(block) - this.#within;
      const taken = Math.min(left, count - at);
      if (taken > 0) visit(block, this.#within, taken, at);
      at += taken;
      this.#within += taken;
      if (taken < left) continue;
      this.#next++;
      this.#within = 0;
    }
  }

  /** Examples that are read of the blocks before this one. */
  #start(block: number): number {
    const start = this.#blocks.start(block);
    return this.#part ? this.#part.count(start) : start;
  }

  #piece(block: number, first: number, count: number, at: number): Piece {
    if (!this.#part) return { block, first, span: count, rows: undefined, count, at };
    const before = this.#start(block);
    const [low, high] = [first, first + count - 1].map((index) => this.#part!.place(before + index));
    const span = high! - low! + 1;
    return {
      block,
      first: low! - this.#blocks.start(block),
      span,
      rows: span === count ? undefined : this.#part.rows(low!, high! + 1),
      count,
      at,
    };
  }
}

/** The signal where none was given. */
export const NEVER: AbortSignal = new AbortController().signal;

/** The error for a stream whose signal fired. */
export function streamAborted(name: string, signal: AbortSignal): TorchvaeError {
  return new TorchvaeError('ERR_ABORTED', `Reading ${name} was aborted`, { cause: signal.reason });
}

/** @throws TorchvaeError ERR_ABORTED when the signal has fired */
export function checkGoesOn(name: string, signal: AbortSignal): void {
  if (signal.aborted) throw streamAborted(name, signal);
}

/** The result of `promise`, or ERR_ABORTED as soon as the signal fires; the promise is then ignored. */
export function untilAborted<T>(promise: PromiseLike<T>, name: string, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(streamAborted(name, signal));
    const settle = () => signal.removeEventListener('abort', abort);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(
      (value) => {
        settle();
        resolve(value);
      },
      (error) => {
        settle();
        reject(error);
      },
    );
  });
}
