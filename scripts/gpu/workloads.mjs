// The models and data of scripts/gpu-verify's contests.
import { Dataset, sprites } from '../../dist/index.js';

export const MODELS = {
  mlp: { preset: 'mlp-400' },
  conv: { preset: 'conv' },
  conv64: {
    spec: {
      inputShape: [3, 64, 64],
      encoder: { type: 'conv', channels: [32, 64, 128, 256] },
      latentSize: 128,
      likelihood: 'bernoulli',
    },
  },
};

/** Pictures for a model; those of three channels have nothing in them to learn. */
export function dataOf(workload, count) {
  if (workload !== 'conv64') return sprites({ count });
  const bytes = Uint8Array.from({ length: count * 3 * 64 * 64 }, (_, i) => (i * 2654435761) >>> 24);
  return Dataset.from(bytes, { shape: [3, 64, 64] });
}
