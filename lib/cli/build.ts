import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Command } from 'commander';
import { packageRoot } from '../package.ts';

const HELP = `
The package has binaries for Linux x64 with glibc 2.28 or newer. This command compiles them from the sources in the package,
for another platform, or for a libtorch without an engine. It needs a C++20 compiler, CMake 3.21 or newer, and Ninja or
Make; if one is missing, it says how to install it. The build tools from npm go into the package's folder, and the result is
preferred to the packed binaries. It takes several minutes.

Examples:
  $ torchvae build                             for the libtorch that is found, fetched first if there is none
  $ torchvae build --libtorch /opt/libtorch    for this one
Then: torchvae doctor`;

/** Adds `torchvae build`. */
export function register(program: Command): void {
  program
    .command('build')
    .description('Compile the engine from source, where no binary fits.')
    .option('--libtorch <folder>', 'compile for this libtorch')
    .option('--verbose', 'print the commands of the compiler')
    .addHelpText('after', HELP)
    .action(({ libtorch, verbose }: { libtorch?: string; verbose?: boolean }) => {
      const flags = [...(libtorch ? ['--libtorch', libtorch] : []), ...(verbose ? ['--verbose'] : [])];
      const script = join(packageRoot(), 'scripts', 'build.mjs');
      const { status } = spawnSync(process.execPath, [script, '--binaries', ...flags], { stdio: 'inherit' });
      process.exitCode = status ?? 1;
    });
}
