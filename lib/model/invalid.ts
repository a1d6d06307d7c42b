import type { Dataset } from '../data/dataset.ts';
import { type InvalidExamples, invalidIn } from '../data/examples/invalid.ts';
import { TorchvaeError } from '../errors.ts';

/** The invalid examples of each data set. A data set never changes, so it is scanned once. */
const invalid = new WeakMap<Dataset, InvalidExamples | undefined>();

/** Scanned when it is first asked for. */
export function invalidOf(data: Dataset): InvalidExamples | undefined {
  if (!invalid.has(data)) invalid.set(data, invalidIn(data.data, data.size));
  return invalid.get(data);
}

/**
 * @param source the name of the data
 * @throws TorchvaeError ERR_RANGE where there are invalid examples, naming the first
 */
export function refuseInvalid(name: string, source: string, found: InvalidExamples | undefined): void {
  if (!found) return;
  const { example, number, value } = found.first;
  const others = found.count > 1 ? ` (${found.count} examples hold such values)` : '';
  throw new TorchvaeError(
    'ERR_RANGE',
    `Expected finite numbers for ${name} but example ${example} of ${source} has ${value} at number ${number}${others}; leave such ` +
      'examples out, or fill them in',
  );
}
