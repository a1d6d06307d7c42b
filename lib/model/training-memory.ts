import type { NetworkSpec } from './parts/networks.ts';
import { inputSize, latentCodeSize, type ModelSpec } from './spec.ts';

/** Copies of all weights that training keeps beside these and their gradient. */
const MOMENTS = { sgd: 0, adam: 2, adamw: 2, adamax: 2, rmsprop: 1, adagrad: 1 } as const;

/** What decides how much memory training takes. */
export interface TrainingSize {
  spec: ModelSpec;
  /** Weights that training changes. */
  parameters: number;
  batchSize: number;
  optimizer: { type: keyof typeof MOMENTS; momentum?: number };
  /** Whether a moving average of the weights is kept. */
  isAveraged: boolean;
  /** Of a number. */
  bytes: 4 | 8;
}

/** Bytes that training takes, without the data: what the weights need is exact, what a batch needs a rough estimate. */
export function trainingMemory(size: TrainingSize): { weights: number; batch: number } {
  const { optimizer, parameters, isAveraged, spec, batchSize, bytes } = size;
  const moments = MOMENTS[optimizer.type] + ((optimizer.momentum ?? 0) > 0 ? 1 : 0);
  const copies = 2 + moments + (isAveraged ? 1 : 0);
  // Each value has a derivative beside it.
  return { weights: copies * parameters * bytes, batch: 2 * batchSize * valuesOf(spec) * bytes };
}

/** Values that a pass makes for one example. */
function valuesOf(spec: ModelSpec): number {
  const networks = networkValues(spec.encoder, spec) + networkValues(spec.decoder, spec);
  return 2 * inputSize(spec) + 3 * latentCodeSize(spec) + networks;
}

function networkValues(network: NetworkSpec, { inputShape }: ModelSpec): number {
  const normalized = network.norm === 'none' ? 1 : 2;
  if (network.type === 'mlp') return normalized * network.hidden.reduce((sum, width) => sum + width, 0);
  let [, height = 1, width = 1] = inputShape;
  const convolutions = network.type === 'residual' ? 3 : 1;
  let values = 0;
  for (const channels of network.channels) {
    height = Math.floor((height - 1) / network.stride) + 1;
    width = Math.floor((width - 1) / network.stride) + 1;
    values += convolutions * channels * height * width;
  }
  return normalized * values;
}
