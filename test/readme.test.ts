/** The README's blocks run as they stand, in a small setting: fewer images and epochs. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageFolder, runNode, torchvae } from './support/command.ts';

const read = (path: string) => readFileSync(join(packageFolder, path), 'utf8');
const readme = read('README.md');
const blocks = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({
  language: language!,
  code: code!,
}));
const ofLanguage = (language: string) =>
  blocks.filter((block) => block.language === language).map(({ code }) => code);
const small = (code: string) =>
  code.replaceAll('sprites()', 'sprites({ count: 600 })').replaceAll('{ epochs: 10 }', '{ epochs: 2 }');

let project: string;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'torchvae-readme-'));
  mkdirSync(join(project, 'node_modules'));
  symlinkSync(packageFolder, join(project, 'node_modules', 'torchvae'));
  symlinkSync(join(packageFolder, 'node_modules', '@types'), join(project, 'node_modules', '@types'));
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
});

afterAll(() => {
  rmSync(project, { recursive: true, force: true });
});

test('every block is of a language that is checked here', () => {
  expect(new Set(blocks.map(({ language }) => language))).toEqual(new Set(['sh', 'ts', 'js', 'python']));
});

describe('the examples', () => {
  /** Type-checks all examples strictly and compiles them: ts-0.ts to ts-0.js. */
  test('compile', () => {
    const files = ofLanguage('ts').map((code, i) => {
      writeFileSync(join(project, `ts-${i}.ts`), small(code));
      return `ts-${i}.ts`;
    });
    expect(files.length).toBeGreaterThanOrEqual(3);
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

  test('in TypeScript run, one after the other', async () => {
    for (const [i] of ofLanguage('ts').entries()) {
      const outcome = await runNode([`ts-${i}.js`], { cwd: project });
      expect(outcome, outcome.stderr).toMatchObject({ code: 0, stderr: '' });
      expect(outcome.stdout).toMatch(/\d/);
    }
    expect(decode(readFileSync(join(project, 'samples.png')))).toMatchObject({ width: 242, height: 242 });
  });

  test('in CommonJS run, on what the first has saved', async () => {
    for (const [i, code] of ofLanguage('js').entries()) {
      writeFileSync(join(project, `js-${i}.cjs`), code);
      const outcome = await runNode([`js-${i}.cjs`], { cwd: project });
      expect(outcome, outcome.stderr).toMatchObject({ code: 0, stderr: '' });
      expect(outcome.stdout).toBe('2 cpu [ 1, 1, 28, 28 ]\n');
    }
  });

  const python = process.env.TORCHVAE_PYTHON || 'python3';
  const hasSafetensors = spawnSync(python, ['-c', 'import safetensors.numpy']).status === 0;

  test.skipIf(!hasSafetensors)('in Python run, on what the first has saved', () => {
    for (const code of ofLanguage('python')) {
      const { stdout } = spawnSync(python, ['-c', code], { cwd: project, encoding: 'utf8' });
      for (const [, expected] of code.matchAll(/# (\(.*\))$/gm)) expect(stdout).toContain(expected);
    }
  });
});

describe('the commands', () => {
  const lines = ofLanguage('sh').flatMap((code) =>
    code.split(/\n| && /).filter((line) => line.trim() !== ''),
  );

  test('are npm, npx torchvae or a script that is there', () => {
    const { scripts } = JSON.parse(read('package.json'));
    for (const line of lines) {
      const [program, name = ''] = line.split(' ');
      if (program === 'npm') expect(name === 'install' || name in scripts, line).toBe(true);
      else if (program === 'node') expect(existsSync(join(packageFolder, name)), line).toBe(true);
      else expect(line).toMatch(/^npx torchvae [a-z]+/);
    }
  });

  test('have the options that they are shown with', async () => {
    for (const line of lines.filter((other) => other.startsWith('npx torchvae '))) {
      const [command = '', ...rest] = line.split(' ').slice(2);
      const { code, stdout } = await torchvae([command, '--help']);
      expect(code, line).toBe(0);
      for (const flag of rest.filter((word) => word.startsWith('--')))
        expect(stdout, line).toContain(`  ${flag} `);
    }
  });
});

test('the links lead to files', () => {
  for (const [, target] of readme.matchAll(/\]\(([^)]+)\)/g)) {
    if (!target!.startsWith('https://')) expect(existsSync(join(packageFolder, target!)), target).toBe(true);
  }
});

test('the variables are those that the code reads', () => {
  const named = new Set([...readme.matchAll(/^\| `(TORCHVAE_\w+)`/gm)].map(([, name]) => name!));
  for (const name of named) {
    const { status } = spawnSync('grep', ['-rq', name, join(packageFolder, 'lib')]);
    expect(status, name).toBe(0);
  }
});

test('the table says what the results file says', () => {
  const { runs, reference } = JSON.parse(read('docs/results/mlp-400-mnist.json'));
  const table = /<!-- results: docs\/results\/mlp-400-mnist\.json -->\n([\s\S]*)<!-- \/results -->/.exec(
    readme,
  )![1]!;
  for (const { seed, epochs } of runs) {
    const { train, test: held } = epochs.at(-1);
    expect(table).toContain(
      `| torchvae, seed ${seed} | ${train.loss.toFixed(2)} | ${held.loss.toFixed(2)} |`,
    );
    // What the PyTorch example reaches, and a margin of the same size as its seeds' spread.
    expect(train.loss).toBeGreaterThan(105.8);
    expect(train.loss).toBeLessThan(106.5);
    expect(held.loss).toBeGreaterThan(105.4);
    expect(held.loss).toBeLessThan(106);
  }
  for (const loss of [...reference.train, ...reference.test]) expect(table).toContain(loss.toFixed(2));
});

/** `<!-- NAME -->` to `<!-- /NAME -->` in a document: the table that a study wrote from docs/results/NAME.json. */
const studies = ['README.md', 'docs/studies.md', 'docs/data.md'].flatMap((document) =>
  [...read(document).matchAll(/<!-- ([a-z]+) -->\n([\s\S]*?)<!-- \/\1 -->/g)].map(
    ([, name, table]) => [name!, table!.trim().split('\n')] as const,
  ),
);

/** All numbers within a result. */
const numbersIn = (value: unknown): number[] =>
  typeof value === 'number'
    ? [value]
    : typeof value === 'object' && value
      ? Object.values(value).flatMap(numbersIn)
      : [];

test.each(studies)('the table %s says what its results file says', (name, [, , ...lines]) => {
  const { rows, machine, versions, date, command } = JSON.parse(read(`docs/results/${name}.json`));
  for (const field of [machine, versions, date, command]) expect(field).toBeTruthy();
  expect(lines.length).toBe(rows.length);
  lines.forEach((line, i) => {
    const known = numbersIn(rows[i]);
    const shown = [...line.matchAll(/(?<=\| )(-?\d+\.\d+)(?= \|)/g)].map(([text]) => text);
    for (const text of shown) {
      const places = text.length - text.indexOf('.') - 1;
      expect(
        known.map((value) => value.toFixed(places)),
        `${line}: ${text}`,
      ).toContain(text);
    }
  });
});

describe('what the studies claim holds in their results', () => {
  const rowsOf = (name: string) => JSON.parse(read(`docs/results/${name}.json`)).rows;
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

  test('conditional digits are recognised, at least 95 in a hundred', () => {
    const row = rowsOf('conditional').find(({ what }: { what: string }) => what === 'samples, all digits');
    expect(row.accuracy).toBeGreaterThanOrEqual(0.95);
  });

  test("IWAE's likelihood is better than the VAE's", () => {
    const nll = (objective: string) =>
      mean(
        rowsOf('iwae')
          .filter((row: { objective: string }) => row.objective === objective)
          .map((row: { nll: number }) => row.nll),
      );
    expect(nll('IWAE-5')).toBeLessThan(nll('VAE'));
  });

  test('a mixture over the codes draws closer to the data than the prior', () => {
    const rows: { model: string; source: string; pixels: number; classifier: number }[] = rowsOf('mixture');
    for (const model of new Set(rows.map((row) => row.model))) {
      const of = (source: string) => rows.find((row) => row.model === model && row.source === source)!;
      expect(of('mixture').pixels, model).toBeLessThan(of('prior').pixels);
      expect(of('mixture').classifier, model).toBeLessThan(of('prior').classifier);
    }
  });

  test('a model that collapses is cured', () => {
    const [collapsed, ...others]: { activeUnits: number; alarm: string }[] = rowsOf('collapse');
    expect(collapsed).toMatchObject({ activeUnits: 0, alarm: 'collapsed' });
    expect(Math.max(...others.map(({ activeUnits }) => activeUnits))).toBe(10);
  });
});
