import { cpus, totalmem } from 'node:os';
import type { FitOptions } from '../training/fit-options.ts';
import type { VAE } from '../vae.ts';

/** What config.json says of a model, how it is trained, and where. */
export function describeModel(vae: VAE, fit: Partial<FitOptions>): Record<string, unknown> {
  return {
    fit,
    device: vae.device,
    kernels: vae.kernels,
    parameters: vae.parameterCount,
    spec: vae.spec,
    versions: { torchvae: vae.versions.torchvae, libtorch: vae.versions.libtorch, node: process.version },
    machine: {
      system: `${process.platform} ${process.arch}`,
      processor: cpus()[0]?.model.trim(),
      cores: cpus().length,
      memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    },
  };
}
