/** NVIDIA's packages beside a CUDA build of libtorch. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Libtorch } from '../../lib/runtime/libtorch.ts';

/** The library folders of these packages; none beside a build for the CPU. */
export function nvidiaFolders({ root }: Pick<Libtorch, 'root'>): string[] {
  const folder = join(root, '../nvidia');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => join(folder, name, 'lib'))
    .filter((path) => existsSync(path));
}
