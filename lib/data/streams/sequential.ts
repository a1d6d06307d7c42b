import type { TorchvaeError } from '../../errors.ts';
import { type CellCounts, mapCells } from '../examples/cells.ts';
import { badData } from '../files/source.ts';
import { addCells, type ExampleBlock, emptyBlock, type Reading, type StreamDescription } from './source.ts';

/** Where blocks of examples come from. */
export interface Iteration {
  /** The place that reading has come to, for messages. */
  readonly place: string;
  /** What must hold so that each pass gives the same examples. */
  readonly advice: string;
  /** Ends it, without waiting for that. */
  close(): void;
}

/** Gives the examples of blocks in their order, and checks that their number is that of the first pass. */
export class SequentialReading implements Reading {
  readonly #description: StreamDescription;
  readonly #items: Iteration;
  readonly #blocks: AsyncIterator<ExampleBlock>;
  #skip: number;
  #given = 0;
  #rest: ExampleBlock = { data: new Uint8Array(0) };
  readonly #size: number;

  constructor(
    description: StreamDescription,
    items: Iteration,
    blocks: AsyncIterable<ExampleBlock>,
    first: number,
  ) {
    this.#description = description;
    this.#items = items;
    this.#blocks = blocks[Symbol.asyncIterator]();
    this.#skip = first;
    this.#size = description.shape.reduce((product, extent) => product * extent, 1);
  }

  async read(count: number): Promise<ExampleBlock> {
    while (this.#skip > 0) this.#skip -= this.#take(await this.#more(), this.#skip).count;
    const into = emptyBlock(this.#description, count);
    let counts: CellCounts | undefined;
    for (let at = 0; at < count; ) {
      const { data, labels, cells, count: taken } = this.#take(await this.#more(), count - at);
      into.data.set(data, at * this.#size);
      if (into.labels) {
        if (!labels) throw this.#noLabels();
        into.labels.set(labels, at);
      }
      counts = addCells(counts, cells, at, count);
      at += taken;
    }
    if (this.#given === this.#description.length) await this.#checkEnd();
    return { ...into, cells: counts };
  }

  async close(): Promise<void> {
    this.#items.close();
  }

  async #checkEnd(): Promise<void> {
    if (this.#rest.data.length > 0 || !(await this.#blocks.next()).done) throw this.#wrongLength('more');
  }

  /** The rest of the current block, else the next block. */
  async #more(): Promise<ExampleBlock> {
    if (this.#rest.data.length > 0) return this.#rest;
    const { done, value } = await this.#blocks.next();
    if (done) throw this.#wrongLength(`only ${this.#given}`);
    return value;
  }

  #take({ data, labels, cells }: ExampleBlock, most: number) {
    const count = Math.min(most, data.length / this.#size);
    this.#given += count;
    if (this.#given > this.#description.length) throw this.#wrongLength('more');
    this.#rest = {
      data: data.subarray(count * this.#size),
      labels: labels?.subarray(count),
      cells: mapCells(cells, (counts) => counts.subarray(count)),
    };
    return {
      data: data.subarray(0, count * this.#size),
      labels: labels?.subarray(0, count),
      cells: mapCells(cells, (counts) => counts.subarray(0, count)),
      count,
    };
  }

  #noLabels(): TorchvaeError {
    const what = `a label for each example, as in the first pass, but there are none (${this.#items.place})`;
    return badData(this.#description.name, `expected ${what}`);
  }

  #wrongLength(found: string): TorchvaeError {
    const { name, length } = this.#description;
    const what = `${length} examples, as the first pass gave, but there are ${found} (${this.#items.place})`;
    return badData(name, `expected ${what}; ${this.#items.advice}`);
  }
}
