import { checkInteger, checkOptions } from '../../check.ts';
import type { ExampleBlock } from '../streams/source.ts';
import { mapCells } from './cells.ts';
import { gather } from './gather.ts';

/** Windows of consecutive examples. */
export interface WindowOptions {
  /** Examples in a window. */
  length: number;
  /** Examples between the starts of two windows. Default 1. */
  stride?: number;
}

/**
 * @param most examples that there are
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE for fewer examples than `length`
 */
export function checkWindows(options: WindowOptions, most: number): Required<WindowOptions> {
  const { length, stride = 1 } = checkOptions('options of windows', options, ['length', 'stride']);
  checkInteger('length', length, 1, most);
  return { length, stride: checkInteger('stride', stride, 1) };
}

/** How many windows there are over so many examples. */
export function countWindows(examples: number, { length, stride }: Required<WindowOptions>): number {
  return Math.floor((examples - length) / stride) + 1;
}

/**
 * The first `count` windows over a block, with the label of the last example in each and the sums of its cells that are not as in their rows.
 *
 * @param size values of an example
 */
export function windowsOf(
  { data, labels, cells }: ExampleBlock,
  size: number,
  { length, stride }: Required<WindowOptions>,
  count: number,
): ExampleBlock {
  const inside = Uint32Array.from(
    { length: count * length },
    (_, i) => stride * Math.floor(i / length) + (i % length),
  );
  const lasts = Uint32Array.from({ length: count }, (_, i) => stride * i + length - 1);
  return {
    data: gather(data, inside, size),
    labels: labels && gather(labels, lasts, 1),
    cells: mapCells(cells, (counts) =>
      Uint32Array.from({ length: count }, (_, i) =>
        counts.subarray(i * stride, i * stride + length).reduce((sum, found) => sum + found, 0),
      ),
    ),
  };
}
