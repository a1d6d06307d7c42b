import type * as torchvae from '../../lib/index.ts';

/** A model to train by several processes, as JSON. */
export interface RankCase {
  name: string;
  /** Examples. */
  count: number;
  binarize?: 'dynamic';
  /** A row whose loss is not finite. */
  outlier?: number;
  /** Of a stream of the same data. */
  window?: number;
  create: torchvae.CreateOptions;
  fit: torchvae.FitOptions;
}

export function train(
  library: typeof torchvae,
  each: RankCase,
  distributed: 'auto' | 'off',
): Promise<{ vae: torchvae.VAE; epochs: object[]; error: string; exchange: string }>;
