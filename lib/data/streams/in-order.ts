import { mapCells } from '../examples/cells.ts';
import { gather } from '../examples/gather.ts';
import {
  addCells,
  type EpochRequest,
  type ExampleBlock,
  emptyBlock,
  type Reading,
  type StreamDescription,
} from './source.ts';

/** Examples that are read at a time where a part of them is wanted. */
const TOGETHER = 4096;

/**
 * A pass over a source that can only be read in its order, of which the request may want a part.
 *
 * @param open begins a pass over all examples at this place
 */
export async function openInOrder(
  description: StreamDescription,
  { part, first }: EpochRequest,
  open: (first: number) => Promise<Reading>,
): Promise<Reading> {
  if (!part) return open(first);
  let at = first < part.length ? part.place(first) : description.length;
  let given = first;
  const size = description.shape.reduce((product, extent) => product * extent, 1);
  const all = await open(at);
  return {
    read: async (count) => {
      const into = emptyBlock(description, count);
      let cells: ExampleBlock['cells'];
      const end = part.place(given + count - 1) + 1;
      for (let filled = 0; filled < count; ) {
        const span = Math.min(end - at, TOGETHER);
        const rows = part.rows(at, at + span);
        const block = await all.read(span);
        at += span;
        into.data.set(gather(block.data, rows, size), filled * size);
        if (block.labels) into.labels?.set(gather(block.labels, rows, 1), filled);
        const picked = mapCells(block.cells, (counts) => gather(counts, rows, 1));
        cells = addCells(cells, picked, filled, count);
        filled += rows.length;
      }
      given += count;
      return { ...into, cells };
    },
    close: () => all.close(),
  };
}
