import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Command } from 'commander';
import { packageRoot } from '../package.ts';

const HELP = `
torchvae comes with binaries for Linux x64 with glibc 2.28 or newer. This compiles them from the sources in the package,
for a platform without, or for a libtorch without an engine. It needs a C++20 compiler, CMake 3.21 or newer, and Ninja or
Make; where one is missing it says how to install it. The build tools from npm go into the package's own folder, and what
is built there is preferred to what came with it. It takes several minutes.

Examples:
  $ torchvae build                             for the libtorch that is found, fetched first if there is none
  $ torchvae build --libtorch /opt/libtorch    for this one
Then: torchvae doctor`;

/** Adds `torchvae build`. */
export function register(program: Command): void {
  program
    .command('build')
    .description('compile the engine from source, where no binary fits')
    .option('--libtorch <folder>', 'compile for this libtorch')
    .option('--verbose', 'say what is compiled')
    .addHelpText('after', HELP)
    .action(({ libtorch, verbose }: { libtorch?: string; verbose?: boolean }) => {
      const flags = [...(libtorch ? ['--libtorch', libtorch] : []), ...(verbose ? ['--verbose'] : [])];
      const script = join(packageRoot(), 'scripts', 'build.mjs');
      const { status } = spawnSync(process.execPath, [script, '--binaries', ...flags], { stdio: 'inherit' });
      process.exitCode = status ?? 1;
    });
}
