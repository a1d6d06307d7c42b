/**
 * Builds addon and engine with AddressSanitizer and UndefinedBehaviorSanitizer in build/san, and runs on them the numerics,
 * the twin of the CUDA kernels, and the fuzz, once more with LeakSanitizer.
 *   node scripts/reliability/sanitize.mjs [--seconds 60]      of the fuzz
 * The first build takes a quarter of an hour on two cores. Anything that is found ends it with the sanitizer's report.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findLibtorch } from '../../dist/runtime/libtorch.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const out = join(root, 'build/san');
const { values: flags } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
const libtorch = findLibtorch({ build: 'cpu' });
const require = createRequire(import.meta.url);

function run(what, command, args, env = {}) {
  console.error(`--- ${what}`);
  const { status, stderr = '' } = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  process.stderr.write(stderr);
  if (status === 0 && !/runtime error|ERROR: \w+Sanitizer/.test(stderr)) return;
  console.error(`${what} ended with ${status}`);
  process.exit(1);
}

const sanitizer = spawnSync('gcc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim();
const include = (module) =>
  join(dirname(require.resolve(`${module}/package.json`)), module === 'node-api-headers' ? 'include' : '');
const definitions = {
  CMAKE_BUILD_TYPE: 'None',
  CMAKE_CXX_FLAGS: '-DBUILDING_NODE_EXTENSION -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined',
  CMAKE_JS_INC: `${include('node-api-headers')};${include('node-addon-api')}`,
  TORCHVAE_LIBTORCH: libtorch.root,
  TORCHVAE_MINOR: libtorch.minor,
};
const given = Object.entries(definitions).map(([name, value]) => `-D${name}=${value}`);
run('configure', 'cmake', ['-S', root, '-B', out, ...given]);
run('build', 'cmake', ['--build', out, '--parallel', '2', '--target', 'binding', 'engine', 'twin_test']);

const watched = {
  // Node itself is not built with it: the library must be there before all others.
  LD_PRELOAD: sanitizer,
  ASAN_OPTIONS: 'detect_leaks=0:detect_odr_violation=0',
  UBSAN_OPTIONS: 'print_stacktrace=1',
};
run('twin of the CUDA kernels', join(out, `twin-test/twin_test-${libtorch.minor}`), [], {
  ...watched,
  LD_PRELOAD: '',
  LD_LIBRARY_PATH: join(libtorch.root, 'lib'),
});
const tests = ['vae', 'parts', 'numerics', 'handles'].map((name) => `test/${name}.test.ts`);
run(
  'numerics',
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--config', 'scripts/reliability/vitest.config.ts', ...tests],
  watched,
);
const fuzz = [
  'scripts/reliability/fuzz-addon.mjs',
  '--unlimited',
  '--binaries',
  join(out, 'Release'),
  '--seconds',
  flags.seconds,
];
run('fuzz', process.execPath, fuzz, watched);
// Whole stacks, since a suppression is of a function that is deep in them. Slow, so short.
run('leaks', process.execPath, [...fuzz.slice(0, -1), '5'], {
  ...watched,
  ASAN_OPTIONS: 'detect_leaks=1:detect_odr_violation=0:fast_unwind_on_malloc=0',
  LSAN_OPTIONS: `suppressions=${join(root, 'scripts/reliability/sanitizers.supp')}`,
});
