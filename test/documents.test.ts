/** The blocks of the README and of the guides run as they stand, in a small setting: fewer images and epochs. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { decode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageFolder, runNode, torchvae } from './support/command.ts';
import { npy } from './support/npy.ts';

const guides = readdirSync(join(packageFolder, 'docs')).filter((name) => name.endsWith('.md'));
const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'examples/README.md',
  ...guides.map((name) => `docs/${name}`),
];
const small = (code: string) =>
  code.replaceAll('sprites()', 'sprites({ count: 600 })').replaceAll('{ epochs: 10 }', '{ epochs: 2 }');

describe.each(DOCUMENTS)('%s', (document) => {
  const text = readFileSync(join(packageFolder, document), 'utf8');
  const blocks = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({
    language: language!,
    code: code!,
  }));
  const ofLanguage = (language: string) =>
    blocks.filter((block) => block.language === language).map(({ code }) => code);
  const scripts = ofLanguage('ts');
  const commands = ofLanguage('sh').flatMap((code) =>
    code.split(/\n| && /).filter((line) => line.trim() !== ''),
  );
  let project: string;

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'torchvae-document-'));
    mkdirSync(join(project, 'node_modules'));
    symlinkSync(packageFolder, join(project, 'node_modules', 'torchvae'));
    symlinkSync(join(packageFolder, 'node_modules', '@types'), join(project, 'node_modules', '@types'));
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
    // What the guides call a user's own data.
    for (const name of ['images.npy', 'held-out.npy']) {
      const pixels = new Uint8Array(300 * 36).map((_, i) => (i * 7) % 256);
      writeFileSync(join(project, name), npy('|u1', [300, 6, 6], pixels));
    }
  });

  afterAll(() => {
    rmSync(project, { recursive: true, force: true });
  });

  test('has blocks of languages that are checked here, and pictures of folders', () => {
    for (const { language } of blocks) expect(['sh', 'ts', 'js', 'python', '']).toContain(language);
  });

  /** Type-checks all examples strictly and compiles them: ts-0.ts to ts-0.js. */
  test.skipIf(scripts.length === 0)('has TypeScript that compiles', () => {
    const files = scripts.map((code, i) => {
      writeFileSync(join(project, `ts-${i}.ts`), small(code));
      return `ts-${i}.ts`;
    });
    const tsc = join(packageFolder, 'node_modules/typescript/bin/tsc');
    const flags = ['--strict', '--noUncheckedIndexedAccess', '--module', 'nodenext', '--target', 'es2023'];
    const lib = ['--lib', 'es2023,esnext.disposable', '--types', 'node'];
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...flags, ...lib, ...files], {
      cwd: project,
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  test.skipIf(scripts.length === 0)('has TypeScript that runs, one block after the other', async () => {
    for (const [i, code] of scripts.entries()) {
      const outcome = await runNode([`ts-${i}.js`], { cwd: project });
      expect(outcome, outcome.stderr).toMatchObject({ code: 0, stderr: '' });
      if (code.includes('console.log')) expect(outcome.stdout).toMatch(/\d/);
    }
  });

  test.runIf(document === 'README.md')('draws the samples of its first block', () => {
    expect(scripts.length).toBeGreaterThanOrEqual(3);
    expect(decode(readFileSync(join(project, 'samples.png')))).toMatchObject({ width: 242, height: 242 });
  });

  test.skipIf(ofLanguage('js').length === 0)('has CommonJS that reads what TypeScript saved', async () => {
    for (const [i, code] of ofLanguage('js').entries()) {
      writeFileSync(join(project, `js-${i}.cjs`), code);
      const outcome = await runNode([`js-${i}.cjs`], { cwd: project });
      expect(outcome, outcome.stderr).toMatchObject({ code: 0, stderr: '' });
      expect(outcome.stdout).toMatch(/^\d+ cpu \[ 1, 1, 28, 28 \]\n$/);
    }
  });

  const python = process.env.TORCHVAE_PYTHON || 'python3';
  const hasPython = () => spawnSync(python, ['-c', 'import safetensors.numpy']).status === 0;
  test.skipIf(ofLanguage('python').length === 0 || !hasPython())(
    'has Python that reads what TypeScript saved',
    () => {
      for (const code of ofLanguage('python')) {
        const { stdout } = spawnSync(python, ['-c', code], { cwd: project, encoding: 'utf8' });
        for (const [, expected] of code.matchAll(/# (\(.*\))$/gm)) expect(stdout).toContain(expected);
      }
    },
  );

  test('has commands that are npm, npx torchvae or a script that is there', () => {
    const { scripts: known } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
    for (const line of commands) {
      const [program, name = ''] = line.replace(/^(\w+=\S+ )+/, '').split(' ');
      if (program === 'npm') expect(['install', 'run'].includes(name) || name in known, line).toBe(true);
      else if (program === 'node') expect(existsSync(join(packageFolder, name)), line).toBe(true);
      else expect(line).toMatch(/^npx torchvae [a-z]+/);
    }
  });

  test('has commands with options that there are', async () => {
    const helps = new Map<string, string>();
    for (const line of commands.filter((other) => other.startsWith('npx torchvae '))) {
      const [command = '', ...rest] = line.split(' ').slice(2);
      if (!helps.has(command)) {
        const { code, stdout } = await torchvae([command, '--help']);
        expect(code, line).toBe(0);
        helps.set(command, stdout);
      }
      for (const flag of rest.filter((word) => word.startsWith('--')))
        expect(helps.get(command), line).toContain(`  ${flag} `);
    }
  });

  test('has links that lead to files', () => {
    for (const [, target] of text.matchAll(/\]\(([^)]+)\)/g)) {
      if (target!.startsWith('https://')) continue;
      const path = join(packageFolder, dirname(document), target!.replace(/#.*$/, ''));
      expect(existsSync(path), target).toBe(true);
    }
  });
});

test('what troubleshooting quotes is what the code says', () => {
  const guide = readFileSync(join(packageFolder, 'docs/troubleshooting.md'), 'utf8');
  const quoted = [...guide.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`([^`]+)`/g)].map(([, words]) => words!),
  );
  expect(quoted.length).toBeGreaterThan(15);
  // Templates break a sentence where a value comes, and long ones go over several lines of source.
  const code = sources(join(packageFolder, 'lib')).replaceAll(/[`'] \+\n\s*[`']/g, '');
  for (const words of quoted) expect(code, words).toContain(words);
});

function sources(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
}
