import { statfs } from 'node:fs/promises';
import { TorchvaeError } from '../errors.ts';
import { formatBytes } from './progress.ts';

/** Bytes that this user may still write to the file system of a folder. */
export type FreeBytes = (folder: string) => Promise<number>;

/** The file system's own answer. */
export const freeBytes: FreeBytes = async (folder) => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

/**
 * Refuses before a download or an unpacking that cannot end well.
 *
 * @throws TorchvaeError ERR_IO saying how much is needed, how much is free and what to do
 */
export async function checkSpace(
  folder: string,
  needed: number,
  what: string,
  free: FreeBytes,
): Promise<void> {
  const available = await free(folder);
  if (available >= needed) return;
  throw new TorchvaeError(
    'ERR_IO',
    `Expected ${formatBytes(needed)} of free space in ${folder} to ${what} but only ${formatBytes(available)} is free. ` +
      'Free some, or set TORCHVAE_CACHE to a folder on another disk.',
  );
}
