import { createHash } from 'node:crypto';
import { Turns } from './turns.ts';

/** Bytes that are hashed at a time: a millisecond. */
const CHUNK = 1 << 20;

/** The SHA-256 of these bytes one after the other, hashed in slices between which others get their turns. */
export async function sha256(parts: Iterable<Uint8Array>): Promise<Buffer> {
  const hash = createHash('sha256');
  const turns = new Turns();
  for (const part of parts) {
    for (let at = 0; at < part.length; at += CHUNK) {
      await turns.pause();
      hash.update(part.subarray(at, at + CHUNK));
    }
  }
  return hash.digest();
}
