import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TorchvaeError } from './errors.ts';

/**
 * The folder of this package: that of its package.json.
 *
 * @throws TorchvaeError ERR_ADDON where there is none, as in a bundle
 */
export function packageRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; ; folder = dirname(folder)) {
    if (isOurs(join(folder, 'package.json'))) return folder;
    if (folder !== dirname(folder)) continue;
    throw new TorchvaeError(
      'ERR_ADDON',
      `Expected the package.json of torchvae in a folder above ${start} but there is none; deploy the whole package, and tell a ` +
        'bundler to leave it out (external: torchvae)',
    );
  }
}

/** In a bundle, the package.json above is that of the application. */
function isOurs(path: string): boolean {
  return existsSync(path) && JSON.parse(readFileSync(path, 'utf8')).name === 'torchvae';
}

/** The version of this package, such as `0.1.0`. */
export function packageVersion(): string {
  return JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')).version;
}
