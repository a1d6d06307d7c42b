import type { Core } from '../model/core.ts';

/** Members of a population that a GPU has at a time: more than it has multiprocessors. */
const MOST_ON_GPU = 256;

/** Whether both networks are perceptrons, which one thread of the CPU trains alone, and a GPU by our own kernels. */
function isPerceptron({ spec: { encoder, decoder } }: Core): boolean {
  return encoder.type === 'mlp' && decoder.type === 'mlp';
}

/** How many such models the CPU trains at a time, each in a lane with one thread; 1 where one takes the whole device. */
export function lanesOf(core: Core): number {
  const { device } = core;
  return device.name === 'cpu' && isPerceptron(core) ? device.threads : 1;
}

/** How many such models a GPU is given at a time, since it trains them beside each other; 1 where they take turns, and on the CPU. */
export function sideBySideOf(core: Core): number {
  const isServed = core.kernels.kind === 'fused' && core.precision !== 'float64';
  return core.device.name !== 'cpu' && isPerceptron(core) && isServed ? MOST_ON_GPU : 1;
}
