import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { TorchvaeError } from '../errors.ts';
import type { SavedRun } from './run-settings.ts';

/** The SHA-256 of the file at this path; undefined for a name or a folder. */
export async function hashOf(path: string): Promise<string | undefined> {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined;
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash);
  } catch (cause) {
    throw new TorchvaeError('ERR_IO', `Could not read ${path}: ${cause}`, { cause });
  }
  return hash.digest('hex');
}

/** Says that a resumed run goes on with another file than it began with. */
export function noteChange(saved: SavedRun, path: string, hash: string | undefined): void {
  const { sha256 } = (saved.config.data ?? {}) as { sha256?: unknown };
  if (sha256 === undefined || hash === undefined || sha256 === hash) return;
  process.stderr.write(`${path} changed since the run began; it is read by the schema of the run\n`);
}
