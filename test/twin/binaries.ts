/**
 * In place of `lib/runtime/binaries.ts` in the tests' project `twin`: a folder with the addon and, under the engine's
 * name, the engine whose device `cpu` runs the CUDA kernels and the graph executor compiled for the CPU.
 */
import { copyFileSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageFolder } from '../support/command.ts';

export function binaryFolders(): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'torchvae-twin-'));
  copyFileSync(join(packageFolder, 'build/Release/torchvae.node'), join(folder, 'torchvae.node'));
  for (const name of readdirSync(join(packageFolder, 'build/twin')))
    copyFileSync(join(packageFolder, 'build/twin', name), join(folder, name));
  return [folder];
}
