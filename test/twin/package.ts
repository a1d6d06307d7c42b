import { copyFileSync, cpSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageFolder } from '../support/command.ts';
import { binaryFolders } from './binaries.ts';

/** A copy of the package whose engine is the twin, for processes that the tests' own resolution does not reach. */
export function packageOfTwin(): string {
  const folder = mkdtempSync(join(tmpdir(), 'torchvae-twin-package-'));
  for (const name of ['package.json', 'test/support/rank.mjs', 'test/support/rank-cases.mjs']) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    copyFileSync(join(packageFolder, name), join(folder, name));
  }
  cpSync(join(packageFolder, 'dist'), join(folder, 'dist'), { recursive: true });
  symlinkSync(join(packageFolder, 'node_modules'), join(folder, 'node_modules'));
  cpSync(binaryFolders()[0]!, join(folder, 'build/Release'), { recursive: true });
  return folder;
}
