import { expected } from '../check.ts';
import type { CellCounts, Dataset } from '../data/dataset.ts';
import type { StreamedDataset } from '../data/streamed-dataset.ts';
import { addCells } from '../data/streams/source.ts';
import { TorchvaeError } from '../errors.ts';
import { inClassesOf, type Labels } from './classes.ts';
import type { Core } from './core.ts';
import { checkData, checkSize } from './input.ts';
import { checkSameSchema } from './same-schema.ts';

/**
 * The examples of a stream window by window, each with its labels.
 *
 * @param allowed `all`: also values outside the likelihood's support
 */
export async function* inParts(
  core: Core,
  x: StreamedDataset,
  labels: Labels | undefined,
  allowed: 'supported' | 'all' = 'supported',
): AsyncGenerator<{ part: Dataset; labels: Labels | undefined }> {
  if (allowed === 'all') checkSize('x', x, core.spec);
  else checkData('x', x, core.spec);
  checkSameSchema('x', x.schema, core.schema);
  inClassesOf('x', x, core);
  if (labels !== undefined && labels.length !== x.length) {
    throw new TorchvaeError('ERR_SHAPE', expected(`${x.length} labels`, 'the labels of x', labels));
  }
  let first = 0;
  for await (const part of x.parts(core.untilDisposed(undefined))) {
    yield { part, labels: labels?.slice(first, first + part.length) };
    first += part.length;
  }
}

/** The scores of all parts, one after the other. */
export function joined(parts: readonly { scores: Float32Array; cells: CellCounts | undefined }[]): {
  scores: Float32Array;
  cells: CellCounts | undefined;
} {
  const length = parts.reduce((sum, { scores }) => sum + scores.length, 0);
  const whole = new Float32Array(length);
  let cells: CellCounts | undefined;
  let at = 0;
  for (const part of parts) {
    whole.set(part.scores, at);
    cells = addCells(cells, part.cells, at, length);
    at += part.scores.length;
  }
  return { scores: whole, cells };
}
