// Fails where a binary asks for more of the system than libtorch's own wheels do (manylinux_2_28: glibc 2.28 and the
// libstdc++ of GCC 8), for a library that need not be there, or for a folder of the machine that built it; names what
// does. Needs readelf.
//   node scripts/symbol-versions.mjs [FILE|FOLDER...]    default: prebuilds/linux-x64
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Alma Linux 8, on which manylinux_2_28 is built: glibc 2.28, GCC 8.5's libstdc++ and libgcc.
const LIMITS = { GLIBC: '2.28', GLIBCXX: '3.4.25', CXXABI: '1.3.11', GCC: '7.0.0' };

/** What libtorch brings along, and what its own libraries need of the system. */
const KNOWN =
  /^(lib(torch|c10|torch_cpu|torch_cuda|c10_cuda)\.so|libcudart\.so\.\d+|lib(stdc\+\+\.so\.6|gcc_s\.so\.1|c\.so\.6|m\.so\.6|dl\.so\.2)|ld-linux-[\w-]+\.so\.\d)$/;

const compare = (a, b) => a.localeCompare(b, 'en', { numeric: true });

function readelf(option, path) {
  const { status, stdout, stderr } = spawnSync('readelf', [option, '--wide', path], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`readelf could not read ${path}: ${stderr}`);
  return stdout;
}

/** What is wrong with a binary; says what it needs. */
function problems(path) {
  const needed = [...readelf('--dyn-syms', path).matchAll(/ UND ([^\s@]+)@+([A-Z]+)_([0-9.]+)/g)];
  if (needed.length === 0) return [`takes no symbol by a version: is it a library?`];
  const highest = Object.keys(LIMITS).map((library) => {
    const versions = needed.filter(([, , name]) => name === library).map(([, , , version]) => version);
    return versions.length > 0 ? `${library} ${versions.sort(compare).at(-1)}` : `no ${library}`;
  });
  console.log(`${path}: ${highest.join(', ')}`);
  const dynamic = readelf('--dynamic', path);
  const libraries = [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name);
  return [
    ...needed
      .filter(([, , library, version]) => library in LIMITS && compare(version, LIMITS[library]) > 0)
      .map(
        ([, symbol, library, version]) =>
          `${symbol} is of ${library} ${version}; the limit is ${LIMITS[library]}`,
      ),
    ...libraries.filter((name) => !KNOWN.test(name)).map((name) => `needs ${name}`),
    ...[...dynamic.matchAll(/\((RPATH|RUNPATH)\).*\[(.*)\]/g)].map(([, tag, folder]) => `${tag} ${folder}`),
  ];
}

const arguments_ = process.argv.slice(2);
const places =
  arguments_.length > 0 ? arguments_ : [fileURLToPath(new URL('../prebuilds/linux-x64', import.meta.url))];
const files = places.flatMap((place) =>
  statSync(place).isFile() ? [place] : readdirSync(place).map((name) => join(place, name)),
);
if (files.length === 0) throw new Error(`Expected binaries in ${places.join(', ')} but found none`);
let count = 0;
for (const file of files) {
  for (const problem of problems(file)) {
    console.error(`  ${problem}`);
    count++;
  }
}
if (count > 0) {
  console.error(
    'Symbols that are too new belong into native/portable/older_symbols.cpp; or build on an older system.',
  );
  process.exitCode = 1;
}
