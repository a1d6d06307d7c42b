// Builds the addon and the engine into build/Release, after tsc: the finder of libtorch is taken from dist/. What is compiled
// stays in build/cmake, in a folder for each libtorch and type of build, so that changing over compiles nothing again.
//   node scripts/build.mjs                    against the libtorch that is found, fetched first if there is none
//   node scripts/build.mjs --libtorch DIR     against this one; each version has its own engine file
//   node scripts/build.mjs --binaries         without what the tests run
//   node scripts/build.mjs --debug            with assertions and without optimization
//   node scripts/build.mjs --verbose          saying what it compiles; else it says so only where that fails or warns
// It also runs in an installed package (`npx torchvae build`), where the build tools are no dependencies: it then puts
// them into build/tools.
// TORCHVAE_OLDER_SYSTEMS=1 builds what a release ships: libraries that load on systems older than this one.
// cmake-js passes on what CMakeLists.txt reads: TORCHVAE_LIBTORCH (the folder of lib/ and include/) and TORCHVAE_MINOR.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
    binaries: { type: 'boolean', default: false },
    debug: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

/** Trouble that the user can mend: its message is all there is to say. */
class Trouble extends Error {}

/** Runs a Node program; ends this one where it fails. Quietly: its words show only if they are of trouble. */
function run(program, args, { quietly = false, env = process.env } = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: root,
    env,
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
    run(join(root, 'dist/cli/main.js'), ['setup']);
    return find();
  }
}

/** Whether a program can be started. */
const runs = (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;

function requirePrograms() {
  const { CXX } = process.env;
  const missing = [
    ...(runs('cmake') ? [] : ['CMake 3.21 or newer']),
    ...((CXX ? [CXX] : ['c++', 'g++', 'clang++']).some(runs) || process.platform === 'win32'
      ? []
      : ['a C++20 compiler (GCC 11 or Clang 14 or newer)']),
    ...(['ninja', 'make'].some(runs) || process.platform === 'win32' ? [] : ['Ninja or Make']),
  ];
  if (missing.length === 0) return;
  throw new Trouble(
    [
      `Building torchvae needs ${missing.join(', ')}, which cannot be run here. To install what is needed:`,
      '  Debian, Ubuntu:  apt-get install g++ cmake ninja-build',
      '  Fedora, RHEL:    dnf install gcc-c++ cmake ninja-build',
      '  macOS:           xcode-select --install; brew install cmake ninja',
    ].join('\n'),
  );
}

/** The node_modules that holds cmake-js and node-addon-api: this clone's, or the one of an installed package. */
function buildTools() {
  const ours = join(root, 'node_modules');
  if (existsSync(join(ours, 'cmake-js'))) return ours;
  const folder = join(out, 'tools');
  const tools = join(folder, 'node_modules');
  if (existsSync(join(tools, 'cmake-js')) && existsSync(join(tools, 'node-addon-api'))) return tools;
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const wanted = ['cmake-js', 'node-addon-api'].map((name) => `${name}@${devDependencies[name]}`);
  console.error(`Installing ${wanted.join(' and ')} into ${folder}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', ...wanted];
  // On Windows npm is a script, which only a shell starts.
  const shell = process.platform === 'win32';
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'], shell });
  if (status !== 0) throw new Trouble(`npm could not install ${wanted.join(' and ')}; see above`);
  return tools;
}

/** The settings that CMake's cache in this folder holds; none where there is no cache. */
function cachedSettings(folder) {
  try {
    const lines = readFileSync(join(folder, 'CMakeCache.txt'), 'utf8').split('\n');
    return new Map(
      lines.flatMap((line) => [/^(\w+):\w+=(.*)$/.exec(line)].flatMap((m) => (m ? [[m[1], m[2]]] : []))),
    );
  } catch {
    return new Map();
  }
}

/** Configuring again takes seconds, building nothing takes none. */
function isConfigured(folder, settings) {
  const cached = cachedSettings(folder);
  return Object.entries(settings).every(([name, value]) => cached.get(name) === value);
}

/** CMake refuses a folder that was copied or moved together with its clone: such a one begins anew. */
function removeIfMoved(folder) {
  const cached = cachedSettings(folder);
  const isHere =
    cached.get('CMAKE_HOME_DIRECTORY') === root.replace(/[/\\]$/, '') &&
    cached.get('CMAKE_CACHEFILE_DIR') === folder;
  if (cached.size > 0 && !isHere) rmSync(folder, { recursive: true });
}

function build(libtorch, tools) {
  const type = flags.debug ? 'Debug' : 'Release';
  const settings = {
    TORCHVAE_LIBTORCH: libtorch.root,
    TORCHVAE_MINOR: libtorch.minor,
    TORCHVAE_OUTPUT: out,
    TORCHVAE_OLDER_SYSTEMS: process.env.TORCHVAE_OLDER_SYSTEMS === '1' ? 'ON' : 'OFF',
  };
  const cmakeJs = join(tools, 'cmake-js/bin/cmake-js');
  const folder = join(out, 'cmake', `${libtorch.version}-${libtorch.build}-${type.toLowerCase()}`);
  const common = ['--out', folder, '--config', type, '--log-level', 'warn'];
  removeIfMoved(folder);
  // CMakeLists.txt asks Node where node-addon-api is.
  const options = { quietly: !flags.verbose, env: { ...process.env, NODE_PATH: tools } };
  if (!isConfigured(folder, { ...settings, CMAKE_BUILD_TYPE: type })) {
    const definitions = Object.entries(settings).map(([name, value]) => `--CD${name}=${value}`);
    run(cmakeJs, ['configure', ...common, ...definitions], options);
  }
  const target = flags.binaries ? ['--target', 'binaries'] : [];
  run(cmakeJs, ['build', ...common, ...target, '--parallel', String(availableParallelism())], options);
}

try {
  requirePrograms();
  const libtorch = libtorchToUse();
  const what = `libtorch ${libtorch.version} (${libtorch.build}) in ${libtorch.root}`;
  console.error(`Building against ${what}; the first time takes a few minutes`);
  build(libtorch, buildTools());
} catch (error) {
  if (!(error instanceof Trouble) && error.code === undefined) throw error;
  console.error(error.message);
  process.exit(1);
}
