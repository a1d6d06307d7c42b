import { defined } from '../../check.ts';
import { mapCells } from '../examples/cells.ts';
import { countWindows, type WindowOptions, windowsOf } from '../examples/windows.ts';
import { openInOrder } from './in-order.ts';
import {
  addCells,
  type EpochRequest,
  type ExampleBlock,
  emptyBlock,
  type Reading,
  type StreamSource,
} from './source.ts';

/**
 * Windows over the examples of a source. They go across its blocks, so they come in their own order, of which only those are shuffled that
 * lie in memory together.
 */
export function windowedSource(source: StreamSource, windows: Required<WindowOptions>): StreamSource {
  const size = source.shape.reduce((product, extent) => product * extent, 1);
  const length = countWindows(source.length, windows);
  const description = { ...source, length, shape: [windows.length, size], isSequential: true } as const;
  return {
    ...description,
    open: ({ part, ...request }) =>
      openInOrder(description, defined({ ...request, part }), async (window) => {
        const first = window * windows.stride;
        const rows = await source.open({ ...request, shuffle: false, first } satisfies EpochRequest);
        return new WindowReading(source, rows, size, windows);
      }),
  };
}

class WindowReading implements Reading {
  readonly #source: StreamSource;
  readonly #rows: Reading;
  readonly #size: number;
  readonly #windows: Required<WindowOptions>;
  /** From the next window's first example on, as far as they were read. */
  #rest: ExampleBlock;
  /** Examples between the end of what was read and the next window. */
  #gap = 0;

  constructor(source: StreamSource, rows: Reading, size: number, windows: Required<WindowOptions>) {
    this.#source = source;
    this.#rows = rows;
    this.#size = size;
    this.#windows = windows;
    this.#rest = emptyBlock(source, 0);
  }

  async read(count: number): Promise<ExampleBlock> {
    const { length, stride } = this.#windows;
    if (this.#gap > 0) await this.#rows.read(this.#gap);
    const held = this.#rest.data.length / this.#size;
    const needed = (count - 1) * stride + length;
    const rows = needed > held ? this.#joined(await this.#rows.read(needed - held), needed) : this.#rest;
    const found = windowsOf(rows, this.#size, this.#windows, count);
    const done = Math.min(needed, count * stride);
    this.#gap = count * stride - done;
    this.#rest = {
      data: rows.data.slice(done * this.#size),
      labels: rows.labels?.slice(done),
      cells: mapCells(rows.cells, (counts) => counts.slice(done)),
    };
    return found;
  }

  close(): Promise<void> {
    return this.#rows.close();
  }

  /** What is held, and `more` behind it: `count` examples. */
  #joined(more: ExampleBlock, count: number): ExampleBlock {
    const { data, labels, cells } = this.#rest;
    const into = emptyBlock(this.#source, count);
    const at = data.length / this.#size;
    into.data.set(data);
    into.data.set(more.data, data.length);
    if (labels) into.labels?.set(labels);
    if (more.labels) into.labels?.set(more.labels, at);
    return { ...into, cells: addCells(addCells(undefined, cells, 0, count), more.cells, at, count) };
  }
}
