// The API reference from the TSDoc comments, as Markdown in docs/api. TypeDoc reads with its own TypeScript, which npm
// fetches for the purpose: the compiler that this package is built with has no interface for programs.
//   npm run api               writes it
//   npm run api -- --check    fails where docs/api is not what it would write
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const committed = join(root, 'docs/api');
const made = mkdtempSync(join(tmpdir(), 'torchvae-api-'));
try {
  write(made);
  if (process.argv.includes('--check')) check();
  else {
    rmSync(committed, { recursive: true, force: true });
    cpSync(made, committed, { recursive: true });
  }
} finally {
  rmSync(made, { recursive: true, force: true });
}

function write(folder) {
  const packages = ['typedoc@0.28.20', 'typedoc-plugin-markdown@4.14.1', 'typescript@5.9.3'];
  const entries = ['index.ts', 'evaluation/index.ts', 'report/index.ts', 'search/index.ts'].map(
    (name) => `lib/${name}`,
  );
  const { status } = spawnSync(
    'npm',
    [
      'exec',
      '--yes',
      ...packages.map((name) => `--package=${name}`),
      '--',
      'typedoc',
      ...['--plugin', 'typedoc-plugin-markdown', '--tsconfig', 'tsconfig.build.json'],
      ...entries.flatMap((entry) => ['--entryPoints', entry]),
      ...['--out', folder, '--readme', 'none', '--name', 'torchvae', '--outputFileStrategy', 'modules'],
      ...['--excludePrivate', '--excludeInternal', '--disableSources', '--hideBreadcrumbs'],
      // What a signature says in full needs no page.
      ...['--validation.notExported', 'false', '--treatWarningsAsErrors', '--logLevel', 'Warn'],
    ],
    { cwd: root, stdio: 'inherit' },
  );
  if (status !== 0) throw new Error('TypeDoc failed');
}

/** Throws unless docs/api has the files that were made, byte for byte. */
function check() {
  const names = (folder) =>
    readdirSync(folder, { recursive: true })
      .filter((name) => name.endsWith('.md'))
      .sort();
  const [now, before] = [names(made), names(committed)];
  const stale = now.filter(
    (name) =>
      !before.includes(name) || !readFileSync(join(made, name)).equals(readFileSync(join(committed, name))),
  );
  const gone = before.filter((name) => !now.includes(name));
  if (stale.length + gone.length === 0) return;
  console.error(`docs/api is not current: ${[...stale, ...gone].join(', ')}; run: npm run api`);
  process.exitCode = 1;
}
