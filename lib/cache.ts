import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where torchvae keeps what it has downloaded, and kernels compiled for GPUs: `TORCHVAE_CACHE`, or else `torchvae` in `XDG_CACHE_HOME`, or else
 * `~/.cache/torchvae`. The directory need not exist yet.
 */
export function cacheDirectory(): string {
  const { TORCHVAE_CACHE, XDG_CACHE_HOME } = process.env;
  return TORCHVAE_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'torchvae');
}
