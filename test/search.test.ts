/** search(): trials as runs, seeds, pruning, several objectives, and what ends it. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dataset, type FitOptions, type ModelSpecInput, sprites, VAE } from '../lib/index.ts';
import { RunDirectory } from '../lib/report/run-directory.ts';
import { type SearchOptions, search } from '../lib/search/index.ts';
import { historyChart } from '../lib/search/report/charts.ts';
import { searchPage } from '../lib/search/report/page.ts';
import { Study } from '../lib/search/study/study.ts';
import { refusal } from './refusal.ts';

let folder: string;
let data: Dataset;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-search-'));
  data = sprites({ count: 120 });
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const SPACE = {
  beta: { low: 0.5, high: 8, log: true },
  latentSize: { low: 2, high: 8, int: true },
  'optimizer.type': ['adam', 'sgd'],
  'optimizer.momentum': { low: 0, high: 0.9, when: { 'optimizer.type': 'sgd' } },
} as const;

const small = { encoder: { hidden: [8] }, decoder: { hidden: [8] } };

let count = 0;
/** Of a search over small models in a new directory. */
function options(change: Partial<SearchOptions> = {}): SearchOptions {
  const { settings, ...rest } = change;
  return {
    directory: join(folder, `study-${count++}`),
    device: 'cpu',
    trials: 6,
    settings: { ...small, epochs: 2, ...settings },
    ...rest,
  };
}

describe('a search', () => {
  test('leaves a run directory for each trial, whose best epoch it is judged by', async () => {
    const seen: number[] = [];
    const given = options({ onTrial: ({ number }) => seen.push(number) });
    const { best, front, trials } = await search(SPACE, data, given);
    expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
    expect(trials.map(({ state }) => state)).toEqual(Array(6).fill('complete'));
    expect(front).toEqual([best]);
    expect(best!.results[0]!.value).toBe(Math.max(...trials.map(({ results }) => results[0]!.value)));
    for (const { directory, values, results, epochs } of trials) {
      const run = new RunDirectory(directory);
      using vae = await VAE.load(run.best, { device: 'cpu' });
      expect(vae.spec).toMatchObject({ latentSize: values.latentSize, objective: { beta: values.beta } });
      // A tenth of the data, by the seed.
      const { validation } = data.split({ validation: 0.1, seed: 0 });
      expect((await vae.evaluate(validation, { seed: 0 })).losses.elbo).toBeCloseTo(results[0]!.value, 0);
      expect((await run.readEpochs()).map(({ validation: losses }) => losses!.elbo)).toContain(
        results[0]!.value,
      );
      expect(epochs).toBe(2);
      expect(await run.readConfig()).toMatchObject({
        preset: 'mlp-400',
        seed: 0,
        training: { epochs: 2, set: expect.arrayContaining([`latentSize=${values.latentSize}`]) },
      });
      expect(existsSync(join(directory, 'worker.json'))).toBe(false);
    }
  });

  test('that goes on has the trials of one in a single call', async () => {
    const whole = await search(SPACE, data, options({ sampler: 'bayesian', trials: 10 }));
    const parts = options({ sampler: 'bayesian', trials: 4 });
    await search(SPACE, data, parts);
    const resumed = await search(SPACE, data, { ...parts, trials: 10 });
    const plain = ({ trials }: typeof whole) => trials.map(({ directory: _, ...rest }) => rest);
    expect(plain(resumed)).toEqual(plain(whole));
  });

  test('that is aborted goes on with the same bits', async () => {
    const whole = await search(SPACE, data, options({ trials: 2, settings: { epochs: 40, batchSize: 8 } }));
    const given = options({ trials: 2, settings: { epochs: 40, batchSize: 8 } });
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 150);
    await refusal('ERR_ABORTED', () => search(SPACE, data, { ...given, signal: abort.signal }));
    const study = await Study.load(given.directory);
    expect(study.trials.at(-1)!.state).toBe('waiting');
    const resumed = await search(SPACE, data, given);
    expect(resumed.trials.map(({ results }) => results)).toEqual(whole.trials.map(({ results }) => results));
    const bytes = ({ trials }: typeof whole) =>
      trials.map(({ directory }) => readFileSync(new RunDirectory(directory).checkpoint));
    expect(bytes(resumed)).toEqual(bytes(whole));
  });

  test('trains each trial under several seeds', async () => {
    const { trials } = await search(SPACE, data, options({ seeds: 3, seed: 5, trials: 2 }));
    // Those that were trained side by side have the bits of a training alone.
    const { directory: last } = trials[1]!;
    const { spec, fit } = await new RunDirectory(join(last, 'seed-7')).readConfig();
    const { train, validation } = data.split({ validation: 0.1, seed: 7 });
    using alone = await VAE.create({ spec: spec as ModelSpecInput, seed: 7, device: 'cpu' });
    const [, epoch] = await new RunDirectory(join(last, 'seed-7')).readEpochs();
    const own = await alone.fit(train, { epochs: 2, validation, ...(fit as FitOptions) });
    expect(own.train.loss).toBe(epoch!.train.loss);
    expect(own.validation!.loss).toBe(epoch!.validation!.loss);
    for (const { directory, results } of trials) {
      const values: number[] = [];
      for (const seed of [5, 6, 7]) {
        const run = new RunDirectory(join(directory, `seed-${seed}`));
        expect(await run.readConfig()).toMatchObject({ seed });
        const epochs = await run.readEpochs();
        values.push(epochs.find(({ epoch }) => epoch === epochs.at(-1)!.best!.epoch)!.validation!.elbo!);
      }
      expect(new Set(values).size).toBe(3);
      const mean = values.reduce((sum, value) => sum + value, 0) / 3;
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 2);
      expect(results[0]!.value).toBeCloseTo(mean, 9);
      expect(results[0]!.margin).toBeCloseTo((4.303 * deviation) / Math.sqrt(3), 9);
    }
  });

  test('ends bad trials early', async () => {
    const given = options({ pruner: 'asha', trials: 12, sampler: 'random', settings: { epochs: 3 } });
    const { trials, best } = await search(SPACE, data, given);
    const pruned = trials.filter(({ state }) => state === 'pruned');
    expect(pruned.length).toBeGreaterThan(3);
    for (const { epochs, results } of pruned) {
      expect(epochs).toBeLessThan(3);
      expect(results).toEqual([]);
    }
    expect(best!.state).toBe('complete');
  });

  test('by several objectives finds a front', async () => {
    const objectives = ['reconstruction', 'kl', 'parameters'] as const;
    const { best, front, trials } = await search(SPACE, data, options({ objectives, trials: 8 }));
    expect(front.length).toBeGreaterThan(1);
    const least = Math.min(...trials.map(({ results }) => results[0]!.value));
    expect(best!.results[0]!.value).toBe(least);
    expect(best!.results.map(({ objective }) => objective)).toEqual([...objectives]);
    using vae = await VAE.load(new RunDirectory(best!.directory).best, { device: 'cpu' });
    expect(best!.results[2]!.value).toBe(vae.parameterCount);
  });

  test('survives a trial that diverges, and not one where all fail', async () => {
    const space = { learningRate: [1e-3, 1e3, 2e-3], 'optimizer.type': ['sgd'] };
    const given = options({ sampler: 'grid' });
    const { trials, best } = await search(space, data, { ...given, trials: 3 });
    expect(trials.map(({ state }) => state)).toEqual(['complete', 'failed', 'complete']);
    expect(trials[1]!.error).toMatch(/NaN/);
    expect([0, 2]).toContain(best!.number);
    const bad = { learningRate: [1000, 999, 998, 997, 996, 995, 994], 'optimizer.type': ['sgd'] };
    const hopeless = options();
    expect(await refusal('ERR_NONFINITE', () => search(bad, data, hopeless))).toMatch(
      /^Expected a trial that can be trained but 5 in a row failed, the last since: .* NaN/,
    );
    expect((await Study.load(hopeless.directory)).trials).toHaveLength(5);
  });

  test('begins no trial after its time', async () => {
    const { trials, best } = await search(SPACE, data, options({ timeout: 0 }));
    expect(trials).toEqual([]);
    expect(best).toBeUndefined();
  });
});

describe('a search is refused', () => {
  const refused = (space: object, change: object, code: Parameters<typeof refusal>[0] = 'ERR_RANGE') => {
    const given = options(change);
    return refusal(code, () => search(space as never, data, given)).then((message) => {
      // Nothing was begun.
      expect(existsSync(given.directory)).toBe(false);
      return message;
    });
  };

  test('with a space whose ends cannot be trained', async () => {
    expect(await refused({ beta: '1..1e9:log' }, {}, 'ERR_SPEC')).toMatch(
      /^space\.beta has the value 1000000000, which cannot be trained: Expected a number from 0 to 1000000 for spec\.objective\.beta/,
    );
    expect(await refused({ 'optimizer.tpye': ['adam'] }, {}, 'ERR_TYPE')).toMatch(
      /did you mean optimizer\.type\?$/,
    );
    expect(await refused({ 'optimizer.type': ['adam', 'sdg'] }, {})).toMatch(/"sdg".*did you mean sgd\?/);
    expect(await refused({ latentSize: ['two'] }, {}, 'ERR_SPEC')).toMatch(
      /space\.latentSize has the value "two"/,
    );
    expect(await refused({ batchSize: { low: 0.5, high: 3 } }, {})).toMatch(/integer .* for batchSize/);
    // The ends are whole numbers, what lies between is not.
    expect(await refused({ latentSize: '2..4' }, {}, 'ERR_SPEC')).toMatch(
      /For whole numbers alone write 2\.\.4:int/,
    );
    expect(await refused({ epochs: { low: 1, high: 8, log: true } }, {})).toMatch(/write 1\.\.8:int/);
    const unconditional = { 'optimizer.type': ['adam', 'sgd'], 'optimizer.momentum': [0.5] };
    expect(await refused(unconditional, {})).toMatch(
      /Unknown option momentum .*give the parameter a condition/,
    );
  });

  test('with options that do not go together', async () => {
    const space = { beta: '1..2' };
    expect(await refused(space, { pruner: 'median', objectives: ['kl', 'reconstruction'] })).toMatch(
      /^Expected none for pruner where there are several objectives/,
    );
    expect(await refused(space, { objectives: ['kl', 'kl'] })).toMatch(/different objectives/);
    expect(await refused(space, { objectives: 'elbow' })).toMatch(/did you mean elbo\?/);
    expect(await refused(space, { sampler: 'tpe' })).toMatch(/one of bayesian, random, grid for sampler/);
    expect(await refused(space, { trials: 0 })).toMatch(/at least 1 for trials/);
    expect(await refused(space, { settings: { betta: 1 } })).toMatch(
      /^Expected a setting for settings but received betta/,
    );
    expect(await refused(space, { directory: '' }, 'ERR_TYPE')).toMatch(/a path for directory/);
    expect(await refused(space, { trails: 3 })).toMatch(/did you mean trials\?/);
  });

  test('by something that the model does not have', async () => {
    const given = options({ settings: { objective: 'rae', posterior: 'deterministic' } });
    expect(await refusal('ERR_STATE', () => search({ latentSize: [2, 3, 4, 5, 6, 7] }, data, given))).toMatch(
      /5 in a row failed, the last since: Expected a model with elbo to search by but this one has none/,
    );
  });
});

describe('the page of a study', () => {
  const page = async (given: SearchOptions) =>
    searchPage(await Study.load(given.directory), {
      title: 'A <study>',
      subtitle: '',
      commands: [{ said: 'This trains it:', lines: ['npx torchvae train'] }],
    });

  test('shows the trials, and escapes what it shows', async () => {
    const given = options({ trials: 14, pruner: 'median' });
    await search({ ...SPACE, 'encoder.activation': ['relu', 'elu'] }, data, given);
    const html = await page(given);
    expect(html).toContain('<title>A &lt;study&gt;</title>');
    for (const text of [
      'Trials by their values',
      'Importance of the parameters',
      'History: ELBO',
      'npx torchvae train',
    ])
      expect(html).toContain(text);
    // Of each completed trial a line, and of each trial a row.
    const study = await Study.load(given.directory);
    const complete = study.trials.filter(({ state }) => state === 'complete').length;
    expect(html.match(/<title>trial \d+: /g)).toHaveLength(complete);
    expect(html.match(/<tr><td>\d+<\/td>/g)).toHaveLength(14);
    expect(html).not.toMatch(/NaN|undefined|<script/);
  });

  test('shows the best trials however far ahead they are, and says how many are too bad to be shown', () => {
    const chartOf = (objective: 'elbo' | 'loss', values: readonly number[]) =>
      historyChart(
        objective,
        values.map((value, number) => ({
          number,
          state: 'complete',
          values: {},
          results: [{ objective, value }],
          epochs: 1,
          directory: '',
        })),
        0,
      );
    const elbos = [-569, -534, -546, -509, -547, -563, -324, -550, -568, -237, -551, -9e5];
    for (const svg of [
      chartOf('elbo', elbos),
      chartOf(
        'loss',
        elbos.map((value) => -value),
      ),
    ]) {
      expect(svg.match(/<circle /g)).toHaveLength(11);
      expect(svg).toContain('trial (1 far worse not shown)');
      // The line of the best so far is drawn to the last trial.
      const ends = /<path d="M[^"]*L([\d.]+) [\d.]+"/.exec(svg);
      expect(Number(ends![1])).toBeGreaterThan(440);
    }
  });

  test('shows a front, and that there is nothing yet', async () => {
    const given = options({ trials: 5, objectives: ['reconstruction', 'kl'] });
    await search(SPACE, data, given);
    expect(await page(given)).toContain('Pareto front');
    const empty = options({ timeout: 0 });
    await search(SPACE, data, empty);
    expect(await page(empty)).not.toMatch(/NaN|undefined|Infinity/);
  });
});
