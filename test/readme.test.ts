/** What the README and the studies say of numbers is what the results say. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Report } from '../scripts/bench/results.ts';
import { insertTable, markdown, summary } from '../scripts/bench/table.ts';
import { withGpuTable } from '../scripts/gpu/table.mjs';
import { packageFolder } from './support/command.ts';

const read = (path: string) => readFileSync(join(packageFolder, path), 'utf8');
const readme = read('README.md');

test('the README is short', () => {
  expect(readme.split('\n').length).toBeLessThan(132);
});

test('the variables are those that the code reads', () => {
  const table = read('docs/libtorch.md').matchAll(/^\| `(TORCHVAE_\w+)`/gm);
  const named = new Set([...table].map(([, name]) => name!));
  expect(named.size).toBeGreaterThan(4);
  for (const name of named) {
    const { status } = spawnSync('grep', ['-rq', name, 'lib', 'native'], { cwd: packageFolder });
    expect(status, name).toBe(0);
  }
});

test('the table says what the results file says', () => {
  const { runs, reference } = JSON.parse(read('docs/results/mlp-400-mnist.json'));
  const table = /<!-- results: docs\/results\/mlp-400-mnist\.json -->\n([\s\S]*)<!-- \/results -->/.exec(
    read('docs/results.md'),
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
  const range = (losses: number[]) =>
    [Math.min(...losses), Math.max(...losses)].map((loss) => loss.toFixed(1));
  const [ours, theirs] = [
    range(runs.map((run: { epochs: { test: { loss: number } }[] }) => run.epochs.at(-1)!.test.loss)),
    range(reference.test),
  ];
  expect(readme).toContain(`a loss of ${ours[0]} to ${ours[1]} nats`);
  expect(readme.replace('\n', ' ')).toContain(`PyTorch's own example with ${theirs[0]} to`);
});

test('the tables of speed say what the benchmark measured', () => {
  const report: Report = JSON.parse(read('docs/results/bench-cpu.json'));
  expect(insertTable(readme, summary(report))).toBe(readme);
  const speed = read('docs/speed.md');
  expect(insertTable(speed, markdown(report))).toBe(speed);
});

test("the GPU's table says what was measured there, and so does the sentence above it", () => {
  expect(withGpuTable(readme)).toBe(readme);
  const { programs } = JSON.parse(read('docs/results/gpu-h100/w1-128.json')).stages['w1-128'];
  const ratio = programs['plain JavaScript'].median_wall_ms / programs['torchvae float32'].median_wall_ms;
  expect(100 * Math.floor(ratio / 100)).toBe(1700);
  expect(readme).toContain('is 1,700 times as fast as plain');
});

/** `<!-- NAME -->` to `<!-- /NAME -->` in a document: the table that a study wrote from docs/results/NAME.json. */
const DOCUMENTS = ['results', 'studies', 'data', 'evaluation', 'search'].map((name) => `docs/${name}.md`);
const studies = DOCUMENTS.flatMap((document) =>
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

test('all tables of studies are found', () => {
  expect(studies.map(([name]) => name).sort()).toEqual(
    [
      'anomaly',
      'collapse',
      'conditional',
      'disentangle',
      'efficiency',
      'evaluation',
      'gradients',
      'iwae',
      'mixture',
      'presets',
      'search',
      'streaming',
    ].sort(),
  );
});

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

  test('conditional digits are recognized, at least 95 in a hundred', () => {
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

  test("the Bayesian search is no worse than Optuna's", () => {
    for (const { name, bayesian, optuna } of rowsOf('search'))
      expect(bayesian.median, name).toBeLessThanOrEqual(optuna.median);
  });

  test('a model that collapses is cured', () => {
    const [collapsed, ...others]: { activeUnits: number; alarm: string }[] = rowsOf('collapse');
    expect(collapsed).toMatchObject({ activeUnits: 0, alarm: 'collapsed' });
    expect(Math.max(...others.map(({ activeUnits }) => activeUnits))).toBe(10);
  });
});
