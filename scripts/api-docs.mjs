// The API reference from the TSDoc comments, as HTML in build/api. TypeDoc reads with a TypeScript of its own, which npm
// fetches for the purpose: the compiler that this package is built with has no interface for programs.
//   npm run api
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const packages = ['typedoc@0.28', 'typescript@5.9'].map((name) => `--package=${name}`);
const { status } = spawnSync(
  'npm',
  [
    'exec',
    '--yes',
    ...packages,
    '--',
    'typedoc',
    '--tsconfig',
    'tsconfig.build.json',
    '--entryPoints',
    'lib/index.ts',
    'lib/evaluation/index.ts',
    'lib/report/index.ts',
    '--out',
    'build/api',
    '--readme',
    'README.md',
    '--name',
    'torchvae',
    '--excludePrivate',
    '--excludeInternal',
  ],
  { cwd: root, stdio: 'inherit' },
);
process.exitCode = status ?? 1;
