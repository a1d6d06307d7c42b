// Makes prebuilds/PLATFORM-ARCH: the stripped addon and an engine for each libtorch; checks what they ask of the system.
// Run tsc first (`npm run prebuilds` does).
//   node scripts/prebuild.mjs                    for the libtorch that is found; build/ is used, so this is quick after a build
//   node scripts/prebuild.mjs --libtorch DIR     for this one; may be given several times
//   node scripts/prebuild.mjs --all              for a release: every supported version, CUDA parts included, fetched first
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import prebuildify from 'prebuildify';
import { findLibtorch, SUPPORTED_MINORS } from '../dist/runtime/libtorch.js';
import { setupLibtorch } from '../dist/setup/setup.js';

/** The last patch of each supported version, against which a release is built. */
const RELEASES = ['2.11.0', '2.12.1', '2.13.0', '2.14.1', '2.15.0'];

const root = fileURLToPath(new URL('..', import.meta.url));
const platform = `${process.platform}-${process.arch}`;
const { values: flags } = parseArgs({
  options: { libtorch: { type: 'string', multiple: true }, all: { type: 'boolean' } },
});

async function libtorchFolders() {
  if (flags.libtorch) return flags.libtorch.map((folder) => findLibtorch({ root: folder }).root);
  if (!flags.all) return [findLibtorch().root];
  const minors = RELEASES.map((version) => version.replace(/\.\d+$/, ''));
  if (String(minors) !== String(SUPPORTED_MINORS))
    throw new Error(`Expected a release for each of ${SUPPORTED_MINORS} but there are ${RELEASES}`);
  const folders = [];
  for (const version of RELEASES) {
    console.log(`libtorch ${version}`);
    // Enough to compile and link the CUDA part; it links what a CPU build has too, and more.
    const { libtorch } = await setupLibtorch({ version, build: 'cuda', runtime: 'minimal' });
    folders.push(libtorch.root);
  }
  return folders;
}

async function prebuild(folders) {
  const scratch = join(root, 'build/prebuild');
  mkdirSync(scratch, { recursive: true });
  // Engines of versions that are no longer supported must not stay.
  rmSync(join(root, 'prebuilds', platform), { recursive: true, force: true });
  process.env.TORCHVAE_OLDER_SYSTEMS = '1';
  process.env.TORCHVAE_PREBUILD = folders.join(delimiter);
  await promisify(prebuildify)({
    cwd: scratch,
    out: root,
    name: 'torchvae',
    napi: true,
    strip: true,
    tagLibc: true,
    nodeGyp: join(root, 'scripts/prebuild/node-gyp.mjs'),
  });
}

await prebuild(await libtorchFolders());
const folder = join(root, 'prebuilds', platform);
for (const name of readdirSync(folder)) console.log(name, statSync(join(folder, name)).size);
const checked = spawnSync(process.execPath, [join(root, 'scripts/symbol-versions.mjs'), folder], {
  stdio: 'inherit',
});
process.exitCode = checked.status ?? 1;
