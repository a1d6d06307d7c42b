import { type ModelSpecInput, VAE } from '../../lib/index.ts';

/** A dense layer that hands on what it is given. */
export function identity(size: number, width = size): Float32Array {
  return Float32Array.from({ length: size * width }, (_, i) => (Math.floor(i / width) === i % width ? 1 : 0));
}

/** Sets every weight that is named to its values and every other one of the networks and the posterior to zero. */
export async function setWeights(vae: VAE, values: Record<string, Float32Array>): Promise<void> {
  const all = [...(await vae.parameters())].filter(([name]) => /^(encoder|posterior|decoder)\./.test(name));
  const zeros = all.map(([name, { data }]) => [name, new Float32Array(data.length)] as const);
  await vae.setParameters(new Map([...zeros, ...Object.entries(values)]));
}

/** A likelihood of two values alone: the decoder's output is z, and z is the noise. */
export async function likelihoodAlone(
  likelihood: NonNullable<ModelSpecInput['likelihood']>,
  size: number,
  precision: 'float32' | 'float64',
): Promise<VAE> {
  const network = { type: 'mlp', hidden: [] } as const;
  const spec = { inputShape: [2], encoder: network, decoder: network, latentSize: size, likelihood };
  const vae = await VAE.create({ spec, precision, kernels: 'reference', device: 'cpu' });
  await setWeights(vae, { 'decoder.0.weight': identity(size) });
  return vae;
}

/** A prior of `size` dimensions alone: z is x, q(z|x) has the density 1 there, and the decoder gives z back. */
export async function priorAlone(
  prior: NonNullable<ModelSpecInput['prior']>,
  size: number,
  more: ModelSpecInput = {},
): Promise<VAE> {
  const network = { type: 'mlp', hidden: [] } as const;
  const spec: ModelSpecInput = {
    inputShape: [size],
    encoder: network,
    decoder: network,
    latentSize: size,
    posterior: { type: 'uniform-noise', batchNorm: false },
    prior,
    likelihood: 'gaussian',
    ...more,
  };
  const vae = await VAE.create({ spec, precision: 'float64', device: 'cpu', seed: 3 });
  const wide = 'condition' in more ? size + more.condition!.classes : size;
  const decoder = { 'decoder.0.weight': identity(size, wide) };
  const code = more.posterior === 'gaussian' ? 'posterior.mean.weight' : 'posterior.code.weight';
  await setWeights(vae, { [code]: identity(size, wide), ...decoder });
  return vae;
}
