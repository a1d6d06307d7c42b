import type { Dataset } from './dataset.ts';

/**
 * At most `count` examples, spread evenly over the data set: of data that are sorted, by class for instance, the first ones
 * would stand for little.
 */
export function spread(data: Dataset, count: number): Dataset {
  if (data.length <= count) return data;
  return data.subset(Array.from({ length: count }, (_, i) => Math.floor((i * data.length) / count)));
}
