import type { Blocks } from '../../streams/source.ts';

/** Row groups as blocks. */
export function blocksOf(rows: readonly number[]): Blocks {
  const starts = [0];
  for (const count of rows) starts.push(starts.at(-1)! + count);
  return { length: starts.at(-1)!, count: rows.length, start: (block) => starts[block]! };
}
