import { objectOf } from './epochs.ts';

const OBJECTIVES: Readonly<Record<string, string>> = {
  iwae: 'IWAE',
  dreg: 'IWAE (DReG)',
  'beta-tc': 'beta-TC-VAE',
  factor: 'FactorVAE',
  dip: 'DIP-VAE',
  info: 'InfoVAE',
  'wae-mmd': 'WAE-MMD',
  'vae-gan': 'VAE-GAN',
  rae: 'RAE',
};

const POSTERIORS: Readonly<Record<string, string>> = {
  iaf: 'IAF',
  'sampling-network': 'sampling network',
  'bernoulli-mixed': 'Bernoulli-mixed',
  'uniform-noise': 'uniform noise',
  'gumbel-softmax': 'Gumbel-softmax',
  'vector-quantized': 'vector-quantized',
};

/**
 * What a model is, as people call it: `beta-VAE (beta 4), IAF, mlp 400, 20 latent dimensions, bernoulli`.
 *
 * @param spec a model's description as JSON; what is damaged is left out
 */
export function modelTitle(spec: unknown): string {
  const { objective, posterior, prior, encoder, likelihood, latentSize, condition } = objectOf(spec) ?? {};
  const [aim, way, before, network, density] = [objective, posterior, prior, encoder, likelihood].map(
    (part) => objectOf(part) ?? {},
  );
  const { type = '', beta } = aim!;
  const named = OBJECTIVES[String(type)];
  const weight = typeof beta === 'number' && beta !== 1 ? `beta ${beta}` : undefined;
  const kind = named ?? (way!.type === 'deterministic' ? 'autoencoder' : weight ? 'beta-VAE' : 'VAE');
  const widths = [network!.hidden, network!.channels].find((list) => Array.isArray(list) && list.length > 0);
  const parts = [
    `${condition ? 'conditional ' : ''}${kind}${weight ? ` (${weight})` : ''}`,
    POSTERIORS[String(way!.type)],
    before!.type === undefined || before!.type === 'standard-normal' ? undefined : `${before!.type} prior`,
    typeof network!.type === 'string'
      ? [network!.type, (widths as number[] | undefined)?.join('-')].filter(Boolean).join(' ')
      : undefined,
    typeof latentSize === 'number' ? `${latentSize} latent dimensions` : undefined,
    typeof density!.type === 'string' ? density!.type : undefined,
  ];
  const title = parts.filter((part) => part !== undefined).join(', ');
  return title.charAt(0).toUpperCase() + title.slice(1);
}
