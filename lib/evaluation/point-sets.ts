import { checkInteger, expected } from '../check.ts';
import { Dataset } from '../data/dataset.ts';
import { TorchvaeError } from '../errors.ts';
import { checkFiniteValues, type Examples } from '../model/input.ts';

type Values = Float32Array | Uint8Array;

/** Two sets of examples as the addon takes them. */
export interface PointSets {
  reference: Values;
  samples: Values;
  /** Values in one example. */
  columns: number;
}

/**
 * The values of two sets of examples of one size.
 *
 * @param fewest examples that each must have
 * @throws TorchvaeError ERR_TYPE for a value that is not a set of examples, ERR_RANGE for values that are not finite, ERR_SHAPE for
 * sets of different or unknown example sizes, or of too few examples
 */
export function pointSets(
  reference: Examples,
  samples: Examples,
  given: number | undefined,
  fewest: number,
): PointSets {
  const sizes = [columnsOf('reference', reference), columnsOf('samples', samples)];
  const columns = given ?? sizes[0] ?? sizes[1];
  if (columns === undefined) {
    throw new TorchvaeError('ERR_SHAPE', expected('the values in one example', 'columns', columns));
  }
  checkInteger('columns', columns, 1);
  return {
    reference: valuesOf('reference', reference, columns, fewest),
    samples: valuesOf('samples', samples, columns, fewest),
    columns,
  };
}

function columnsOf(name: string, x: Examples): number | undefined {
  if (x instanceof Dataset) return x.size;
  if (ArrayBuffer.isView(x)) return undefined;
  if (Array.isArray(x?.shape)) return x.shape.slice(1).reduce((product, n) => product * n, 1);
  throw new TorchvaeError('ERR_TYPE', expected('a Dataset, Tensor, Float32Array or Uint8Array', name, x));
}

function valuesOf(name: string, x: Examples, columns: number, fewest: number): Values {
  const data = checkFiniteValues(name, x);
  const size = columnsOf(name, x) ?? columns;
  const fits = size === columns && data.length >= fewest * columns && data.length % columns === 0;
  if (fits) return data;
  const what = `at least ${fewest} examples of ${columns} values`;
  const came = size === columns ? `${data.length} values` : `examples of ${size} values`;
  throw new TorchvaeError('ERR_SHAPE', `Expected ${what} for ${name} but received ${came}`);
}
