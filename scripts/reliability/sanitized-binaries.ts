/** In place of `lib/runtime/binaries.ts`: the addon and the engine that `sanitize.mjs` has built. */
import { fileURLToPath } from 'node:url';

export function binaryFolders(): string[] {
  return [fileURLToPath(new URL('../../build/san/Release', import.meta.url))];
}
