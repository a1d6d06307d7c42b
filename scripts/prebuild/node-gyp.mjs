#!/usr/bin/env node
// What prebuildify takes for node-gyp. It is called in build/prebuild with arguments that mean nothing to CMake, such
// as the version of Node to build for, and expects the addon in build/Release below; whatever .so files lie beside it
// are packed too. TORCHVAE_PREBUILD names the folders of libtorch to build engines for.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readLayout } from '../../dist/runtime/layout.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const built = join(root, 'build/Release');
const packed = join(process.cwd(), 'build/Release');

rmSync(packed, { recursive: true, force: true });
mkdirSync(packed, { recursive: true });
for (const folder of process.env.TORCHVAE_PREBUILD.split(delimiter)) {
  const { minor, hasCuda } = readLayout(folder);
  const { status } = spawnSync(
    process.execPath,
    [join(root, 'scripts/build.mjs'), '--binaries', '--libtorch', folder],
    { stdio: 'inherit' },
  );
  if (status !== 0) process.exit(status ?? 1);
  // By name: engines of earlier builds lie beside them.
  for (const name of [`libtorchvae-${minor}.so`, ...(hasCuda ? [`libtorchvae_cuda-${minor}.so`] : [])])
    copyFileSync(join(built, name), join(packed, name));
}
copyFileSync(join(built, 'torchvae.node'), join(packed, 'torchvae.node'));
