/** What all programs train: on MNIST, with a Bernoulli likelihood and Adam at 1e-3. */
export interface Workload {
  name: string;
  title: string;
  batchSize: number;
  /** Layers in the order of computation. */
  layers: readonly Layer[];
}

interface Layer {
  /** Multiply-adds for one example, forwards. */
  products: number;
  /** Weights and biases. */
  parameters: number;
}

const dense = (inputs: number, outputs: number): Layer => ({
  products: inputs * outputs,
  parameters: (inputs + 1) * outputs,
});

/** A 3x3 convolution or, seen from its smaller side, a transposed one; `side` is that of the smaller image. */
const conv = (inputs: number, outputs: number, side: number): Layer => ({
  products: side * side * 9 * inputs * outputs,
  parameters: 9 * inputs * outputs + outputs,
});

const chain = (widths: readonly number[]) => widths.slice(1).map((width, i) => dense(widths[i]!, width));

const mlp = (hidden: readonly number[], latent: number) => [
  ...chain([784, ...hidden, 2 * latent]),
  ...chain([latent, ...hidden.toReversed(), 784]),
];

const convolutional = [
  conv(1, 32, 14),
  conv(32, 64, 7),
  dense(3136, 32),
  dense(16, 3136),
  conv(64, 32, 7),
  conv(32, 1, 14),
];

export const WORKLOADS: readonly Workload[] = [
  { name: 'W1', title: 'MLP 784-400-20, batch 128', batchSize: 128, layers: mlp([400], 20) },
  { name: 'W2', title: 'MLP 784-128-64-8, batch 32', batchSize: 32, layers: mlp([128, 64], 8) },
  { name: 'W3', title: 'conv 32-64, latent 16, batch 128', batchSize: 128, layers: convolutional },
];

/** The number of trained weights. */
export function parameterCount({ layers }: Workload): number {
  return layers.reduce((sum, { parameters }) => sum + parameters, 0);
}

/**
 * Floating-point operations of the layers in one step: each multiply-add counts as two, and comes forwards, for the
 * gradient of the weights, and, but for the first layer, for that of the input.
 */
export function stepOperations({ layers, batchSize }: Workload): number {
  const forward = layers.reduce((sum, { products }) => sum + products, 0);
  return 2 * batchSize * (3 * forward - layers[0]!.products);
}
