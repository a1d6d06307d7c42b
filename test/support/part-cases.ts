import type { ModelSpecInput } from '../../lib/index.ts';
import { readFixture } from './fixture.ts';

/** A model in a fixture that scripts/fixtures/parts.py wrote. */
export interface PartCase {
  spec: ModelSpecInput;
  seed: number;
  labels?: number[];
  batchSize: number;
  learningRate: number;
  /** The objective's further terms. */
  terms: string[];
  /** Values in each weight and buffer. */
  weights: Record<string, number>;
  /** The names of `weights` that gradients do not reach. */
  buffers: string[];
  values: (key: string) => Float32Array;
  /** A vector of all of these tensors, taken apart. */
  tensors: (key: string, names: string[]) => Map<string, Float32Array>;
}

export function partCases(file: string): [string, PartCase][] {
  const { metadata, values } = readFixture(file);
  const cases: Record<string, Omit<PartCase, 'values' | 'tensors'>> = JSON.parse(metadata.cases!);
  return Object.entries(cases).map(([name, about]) => {
    const own = (key: string) => values(`${name}.${key}`);
    const tensors = (key: string, names: string[]) => {
      let from = 0;
      const all = own(key);
      return new Map(
        names.toSorted().map((each) => {
          const size = about.weights[each]!;
          from += size;
          return [each, all.subarray(from - size, from)] as const;
        }),
      );
    };
    return [name, { ...about, values: own, tensors }];
  });
}
