// Lays out the C++ of native/, binding/, test/ and scripts/ as .clang-format says.
//   node scripts/clang-format.mjs --write    rewrites the files
//   node scripts/clang-format.mjs --check    fails and names the files that it would rewrite
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import clangFormat from 'clang-format';

const { values } = parseArgs({ options: { check: { type: 'boolean' }, write: { type: 'boolean' } } });
if (values.check === values.write) {
  console.error('Expected one of --check and --write');
  process.exit(2);
}

const root = fileURLToPath(new URL('..', import.meta.url));
const files = ['native', 'binding', 'test/twin', 'test/nvrtc', 'scripts/reliability/native']
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)))
  .filter((name) => /\.(cpp|h|cuh?)$/.test(name))
  .sort();

if (files.length > 0) {
  const flags = values.write ? ['-i'] : ['--dry-run', '--Werror'];
  const run = spawnSync(clangFormat.getNativeBinary(), [...flags, ...files], { cwd: root, stdio: 'inherit' });
  process.exitCode = run.status ?? 1;
}
