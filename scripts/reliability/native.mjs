/**
 * Builds the small programs of native/ beside this and runs them: the thread pool under ThreadSanitizer, AddressSanitizer
 * and, where it is installed, valgrind; the translation of libtorch's exceptions.
 *   node scripts/reliability/native.mjs
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findLibtorch } from '../../dist/runtime/libtorch.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const out = join(root, 'build/reliability');
const { root: libtorch } = findLibtorch({ build: 'cpu' });
const here = join(root, 'scripts/reliability/native');
const pool = [join(here, 'pool.cpp'), join(root, 'native/cpu/pool.cpp')];
const torch = ['-isystem', join(libtorch, 'include'), `-L${join(libtorch, 'lib')}`, '-lc10'];

/** Regions of the pool under valgrind, which runs one thread at a time. */
const FEW = '300';
const PROGRAMS = [
  { name: 'pool under ThreadSanitizer', sources: pool, flags: ['-fsanitize=thread'] },
  { name: 'pool under AddressSanitizer and UBSan', sources: pool, flags: ['-fsanitize=address,undefined'] },
  {
    name: 'pool under valgrind memcheck',
    sources: pool,
    flags: [],
    under: ['valgrind', '--error-exitcode=9', '-q', '--fair-sched=yes', '--leak-check=full'],
    args: [FEW],
  },
  { name: "translation of libtorch's exceptions", sources: [join(here, 'translate.cpp')], flags: torch },
];

mkdirSync(out, { recursive: true });
for (const { name, sources, flags, under = [], args = [] } of PROGRAMS) {
  if (under.length > 0 && spawnSync(under[0], ['--version']).status !== 0) {
    console.log(`${name}: left out, ${under[0]} is not installed`);
    continue;
  }
  const program = join(out, name.replaceAll(/\W+/g, '-'));
  const includes = [`-I${join(root, 'native')}`, `-I${join(root, 'native/interface')}`];
  const compiler = ['-std=c++20', '-O1', '-g', '-pthread', ...includes, ...sources, '-o', program, ...flags];
  const env = { ...process.env, LD_LIBRARY_PATH: join(libtorch, 'lib') };
  for (const [command, ...rest] of [
    ['c++', ...compiler],
    [...under, program, ...args],
  ]) {
    const { status } = spawnSync(command, rest, { stdio: 'inherit', env });
    if (status === 0) continue;
    console.error(`${name}: ${command} ended with ${status}`);
    process.exit(1);
  }
  console.log(`${name}: nothing was found`);
}
