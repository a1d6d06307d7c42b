// Builds the addon and the engine into build/Release, after tsc: the finder of libtorch is taken from dist/.
//   node scripts/build.mjs                    against the libtorch that is found, fetched first if there is none
//   node scripts/build.mjs --libtorch DIR     against this one; each version has an engine file of its own
//   node scripts/build.mjs --debug            with assertions and without optimisation
//   node scripts/build.mjs --verbose          saying what it compiles; else it says so only where that fails or warns
// cmake-js passes on what CMakeLists.txt reads: TORCHVAE_LIBTORCH (the folder of lib/ and include/) and TORCHVAE_MINOR.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findLibtorch } from '../dist/runtime/libtorch.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'build');

const { values: flags } = parseArgs({
  options: {
    libtorch: { type: 'string' },
    debug: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

/** Runs a Node program of this package; ends this one where it fails. Quietly: its words show only if they are of trouble. */
function run(program, args, quietly = false) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, program), ...args], {
    cwd: root,
    stdio: quietly ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (quietly && (status !== 0 || /\bwarning:/i.test(stdout + stderr))) process.stderr.write(stdout + stderr);
  if (status !== 0) process.exit(status ?? 1);
}

function libtorchToUse() {
  const isNamed = flags.libtorch !== undefined || process.env.TORCHVAE_LIBTORCH;
  const find = () => findLibtorch(flags.libtorch === undefined ? {} : { root: flags.libtorch });
  try {
    return find();
  } catch (error) {
    if (isNamed || error.code !== 'ERR_LIBTORCH') throw error;
    console.error('No libtorch was found; fetching it first.');
    run('dist/cli/main.js', ['setup']);
    return find();
  }
}

/** Whether build/ was configured with these settings; configuring again takes seconds, building nothing takes none. */
function isConfigured(settings) {
  try {
    const cache = readFileSync(join(out, 'CMakeCache.txt'), 'utf8').split('\n');
    return Object.entries(settings).every(([name, value]) =>
      cache.some((line) => line.startsWith(`${name}:`) && line.endsWith(`=${value}`)),
    );
  } catch {
    return false;
  }
}

function build(libtorch) {
  const type = flags.debug ? 'Debug' : 'Release';
  const settings = { TORCHVAE_LIBTORCH: libtorch.root, TORCHVAE_MINOR: libtorch.minor };
  const cmakeJs = 'node_modules/cmake-js/bin/cmake-js';
  const common = ['--out', out, '--config', type, '--log-level', 'warn'];
  if (!isConfigured({ ...settings, CMAKE_BUILD_TYPE: type })) {
    const definitions = Object.entries(settings).map(([name, value]) => `--CD${name}=${value}`);
    run(cmakeJs, ['configure', ...common, ...definitions], !flags.verbose);
  }
  run(cmakeJs, ['build', ...common, '--parallel', String(availableParallelism())], !flags.verbose);
}

try {
  const libtorch = libtorchToUse();
  const what = `libtorch ${libtorch.version} (${libtorch.build}) in ${libtorch.root}`;
  console.error(`Building against ${what}; the first time takes a minute or two`);
  build(libtorch);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
