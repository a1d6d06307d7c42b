import type { Dataset } from '../data/dataset.ts';
import type { StreamedDataset } from '../data/streamed-dataset.ts';
import type { LearningRateSchedule } from './learning-rate.ts';

/** Before as many updates, draws of a model of a table have other shares of categories than the table. */
const UPDATES = 1000;
const MOST_EPOCHS = 200;
/** The share of the epochs after which the learning rate falls: at a full rate the shares of draws go on to wander by some hundredths. */
const FALLS_AT = 0.7;

/**
 * The epochs to train for where nobody says how many: the preset's, else 10, and more for a small table.
 *
 * @param preset the preset's
 */
export function usualEpochs(
  { schema, length }: Pick<Dataset | StreamedDataset, 'schema' | 'length'>,
  preset = 10,
  batchSize = 128,
): number {
  if (schema?.type !== 'table') return preset;
  return Math.max(preset, Math.min(MOST_EPOCHS, Math.ceil(UPDATES / Math.ceil(length / batchSize))));
}

/** The schedule that goes with epochs from the first to before the last: for a table the learning rate falls to a tenth towards the end. */
export function usualSchedule(
  { schema }: Pick<Dataset | StreamedDataset, 'schema'>,
  [first, last]: readonly [first: number, last: number],
): LearningRateSchedule | undefined {
  if (schema?.type !== 'table') return undefined;
  return { type: 'multistep', at: [first + Math.ceil(FALLS_AT * (last - first))] };
}
