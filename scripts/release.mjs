// A release, from the checks to npm. By default a dry run: it publishes nothing and leaves no tag.
//   node scripts/release.mjs                    all but publishing, with an engine for each version of libtorch (an hour or more)
//   node scripts/release.mjs --libtorch DIR     a dry run with engines for these alone
//   node scripts/release.mjs --publish          publishes and tags; asks npm for the one-time password itself
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values: flags } = parseArgs({
  options: { publish: { type: 'boolean', default: false }, libtorch: { type: 'string', multiple: true } },
});
const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'));

/** What keeps this from being a release; a dry run says it and goes on. */
const obstacles = [];

function run(program, args) {
  console.log(`\n$ ${[program, ...args].join(' ')}`);
  const { status } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}`);
}

function read(program, args) {
  return spawnSync(program, args, { cwd: root, encoding: 'utf8' }).stdout.trim();
}

function checkVersion() {
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) obstacles.push(`${version} is no version`);
  const [, heading = ''] = /^## (.*)$/m.exec(readFileSync(`${root}/CHANGELOG.md`, 'utf8')) ?? [];
  if (heading.split(' ')[0] !== version)
    obstacles.push(`CHANGELOG.md begins with ${heading}, not with ${version}`);
  if (heading.includes('unreleased')) obstacles.push(`CHANGELOG.md says that ${version} is unreleased`);
}

function checkTree() {
  if (read('git', ['status', '--porcelain']) !== '')
    obstacles.push('there are changes that are not committed');
  if (read('git', ['tag', '--list', `v${version}`]) !== '')
    obstacles.push(`there is a tag v${version} already`);
}

if (flags.publish && flags.libtorch)
  throw new Error('Expected no --libtorch beside --publish: a release has all engines');
checkVersion();
checkTree();
for (const obstacle of obstacles) console.error(`Not a release yet: ${obstacle}`);
if (flags.publish && obstacles.length > 0) process.exit(1);

run('npm', ['ci', '--no-audit', '--no-fund']);
run('npm', ['run', 'lint']);
run('npm', ['run', 'typecheck']);
run('npm', ['test']);
const engines = flags.libtorch?.flatMap((folder) => ['--libtorch', folder]) ?? ['--all'];
run('npm', ['run', 'prebuilds', '--', ...engines]);
run('npm', ['run', 'test:packed']);
run('npm', ['publish', '--ignore-scripts', ...(flags.publish ? [] : ['--dry-run'])]);
if (flags.publish) run('git', ['tag', `v${version}`]);
else console.log(`\nA dry run: torchvae ${version} was not published.`);
