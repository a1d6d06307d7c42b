/** Studies in their file: Optuna's journal, and workers that share it and die. */
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { estimate } from '../lib/search/confidence.ts';
import { type Peer, PRUNERS } from '../lib/search/pruning.ts';
import { baseOf } from '../lib/search/settings.ts';
import { completeSpace } from '../lib/search/space/space.ts';
import type { StudyDefinition } from '../lib/search/study/definition.ts';
import { Journal } from '../lib/search/study/journal.ts';
import { Replay } from '../lib/search/study/replay.ts';
import { type Assignment, Study } from '../lib/search/study/study.ts';
import { bestOf, type Trial, trialOf } from '../lib/search/trial.ts';
import { refusal } from './refusal.ts';
import { packageFolder } from './support/command.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-study-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const SPACE = {
  beta: { low: 0.5, high: 8, log: true },
  latentSize: '2..64:int:log',
  'optimizer.type': ['adam', 'sgd'],
  'optimizer.momentum': { low: 0, high: 0.9, step: 0.1, when: { 'optimizer.type': 'sgd' } },
  'encoder.hidden': [[32], [64, 32]],
};

function defined(change: Partial<StudyDefinition> & { space?: object } = {}): StudyDefinition {
  const { space = SPACE, ...rest } = change;
  return {
    parameters: completeSpace(space as never),
    objectives: ['elbo'],
    sampler: 'random',
    pruner: 'none',
    seed: 1,
    seeds: 1,
    gridPoints: 5,
    base: baseOf('linear', { epochs: 3 }),
    data: { name: 'none', examples: 10 },
    ...rest,
  };
}

let count = 0;
const directory = () => join(folder, `study-${count++}`);

/** The trial that is asked for. */
async function asked(study: Study, limit = 100): Promise<Assignment> {
  const assignment = await study.ask(limit);
  if (typeof assignment === 'string') throw new Error(`Expected a trial but there is ${assignment}`);
  return assignment;
}

/** Names a process of this machine that has ended as the one that last worked on a trial. */
function bury(study: Study, number: number): void {
  const { pid } = spawnSync(process.execPath, ['--version']);
  const holder = JSON.stringify({ pid, host: hostname(), token: 'x' });
  writeFileSync(join(study.directoryOf(number), 'worker.json'), holder);
}

describe('a journal of Optuna', () => {
  const fixture = join(packageFolder, 'test/fixtures/optuna-journal.log');

  test('is read', async () => {
    const replay = new Replay();
    replay.apply(await new Journal(fixture).read());
    const study = replay.study()!;
    expect(study).toMatchObject({ name: 'by Optuna', directions: ['maximize'] });
    expect(study.trials.map(({ state }) => state)).toEqual([
      'complete',
      'complete',
      'pruned',
      'failed',
      'complete',
      'waiting',
    ]);
    expect(study.trials[0]).toMatchObject({
      number: 0,
      values: [-101.94834074001925],
      parameters: {
        beta: 1.5889657400192458,
        latentSize: 23,
        'optimizer.type': 'sgd',
        'optimizer.momentum': 0.1,
      },
      userAttributes: { note: 'größer' },
    });
    expect([...study.trials[3]!.intermediate]).toEqual([
      [1, -103.208435633581],
      [2, -101.6042178167905],
      [3, -101.069478544527],
      [4, Number.NaN],
    ]);
    expect(study.trials[5]!.systemAttributes.fixed_params).toEqual({ beta: 1.5, 'optimizer.type': 'adam' });
  });

  test('is gone on with: its waiting trial first, with what it leaves open proposed', async () => {
    const place = directory();
    mkdirSync(place);
    copyFileSync(fixture, join(place, 'study.log'));
    const { 'encoder.hidden': _, ...space } = SPACE;
    const study = await Study.open(place, defined({ space, sampler: 'bayesian' }));
    const waiting = await asked(study);
    expect(waiting).toMatchObject({ number: 5, values: { beta: 1.5, 'optimizer.type': 'adam' } });
    expect(waiting.values.latentSize).toBeGreaterThanOrEqual(2);
    expect(waiting.values).not.toHaveProperty('optimizer.momentum');
    await waiting.stopBeating();
    await study.finish(5, 'complete', { values: [-99] });
    expect(bestOf(study.trials.map((trial) => trialOf(study, trial)))[0]).toMatchObject({ number: 5 });
  });

  test('of another direction is refused, before anything is written to it', async () => {
    const place = directory();
    mkdirSync(place);
    copyFileSync(fixture, join(place, 'study.log'));
    const message = await refusal('ERR_STATE', () => Study.open(place, defined({ objectives: ['loss'] })));
    expect(message).toMatch(/^Expected objectives to maximize, .* but received loss, to minimize/);
    expect(readFileSync(join(place, 'study.log'), 'utf8')).toBe(readFileSync(fixture, 'utf8'));
  });

  test('that is not one is refused', async () => {
    const path = join(folder, 'not.log');
    writeFileSync(path, 'epoch 1\n');
    expect(await refusal('ERR_DATA_FORMAT', () => new Journal(path).read())).toMatch(
      /^Expected lines of an Optuna journal in .*not\.log but received epoch 1;/,
    );
    expect(await refusal('ERR_CHECKPOINT', () => Study.load(folder))).toMatch(/^Expected a study in /);
  });
});

describe('a study', () => {
  test('is what another process reads', async () => {
    const study = await Study.open(directory(), defined());
    const first = await asked(study);
    await study.report(0, 1, -120);
    await study.report(0, 2, -110);
    await study.finish(0, 'complete', { values: [-110], attributes: { margins: [2] } });
    await asked(study);
    const read = await Study.load(study.directory);
    expect(read.definition).toEqual(study.definition);
    expect(read.trials).toEqual(study.trials);
    expect(trialOf(read, read.trials[0]!)).toEqual({
      number: 0,
      state: 'complete',
      values: first.values,
      results: [{ objective: 'elbo', value: -110, margin: 2 }],
      epochs: 2,
      directory: join(study.directory, 'trials', '0000'),
    });
    expect(read.trials[1]!.state).toBe('running');
  });

  test('gives each trial to one worker, up to the limit', async () => {
    const place = directory();
    const workers = await Promise.all([0, 1, 2].map(() => Study.open(place, defined())));
    const given = await Promise.all(workers.map((worker) => worker.ask(3)));
    expect(given.map((each) => (each as Assignment).number).sort()).toEqual([0, 1, 2]);
    expect(await workers[0]!.ask(3)).toBe('later');
    for (const [i, worker] of workers.entries()) {
      await worker.finish((given[i] as Assignment).number, 'complete', { values: [-1] });
      await (given[i] as Assignment).stopBeating();
    }
    expect(await workers[0]!.ask(3)).toBe('none');
    // Values are those of the number, whoever asks.
    const alone = await Study.open(directory(), defined());
    const numbers = [await asked(alone), await asked(alone), await asked(alone)];
    for (const { number, values } of numbers)
      expect(workers[0]!.valuesOf(workers[0]!.trials[number]!)).toEqual(values);
  });

  test('with another space or other settings is refused, saying which', async () => {
    const study = await Study.open(directory(), defined());
    const refused = (change: Parameters<typeof defined>[0]) =>
      refusal('ERR_STATE', () => Study.open(study.directory, defined(change)));
    expect(await refused({ space: { ...SPACE, beta: { low: 0.5, high: 4, log: true } } })).toMatch(
      /^Expected the space\.beta that the study in .* was begun with, {"low":0\.5,"high":8,.*}, but received {"low":0\.5,"high":4,/,
    );
    expect(await refused({ space: { ...SPACE, batchSize: [32, 64] } })).toMatch(
      /space\.batchSize .* not among its parameters/,
    );
    expect(await refused({ space: { beta: SPACE.beta } })).toMatch(/space\.latentSize/);
    expect(await refused({ seeds: 3 })).toMatch(
      /^Expected the number of seeds that .* was begun with, 1, but received 3/,
    );
    expect(await refused({ base: baseOf('linear', { epochs: 4 }) })).toMatch(/^Expected the settings that/);
    expect(await refused({ data: { name: 'none', examples: 11 } })).toMatch(/^Expected the data that/);
    await Study.open(study.directory, defined());
  });

  test('goes on where a write was cut short', async () => {
    const study = await Study.open(directory(), defined());
    await asked(study);
    const path = join(study.directory, 'study.log');
    const whole = readFileSync(path, 'utf8');
    appendFileSync(path, '{"op_code":7,"trial_id":0,"st');
    const other = await Study.load(study.directory);
    expect(other.trials).toEqual(study.trials);
    expect((await asked(other)).number).toBe(1);
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    expect(readFileSync(path, 'utf8').startsWith(whole)).toBe(true);
    for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
  });

  test('breaks the lock of a process that died, and waits for one that lives', async () => {
    const study = await Study.open(directory(), defined());
    const { pid } = spawnSync(process.execPath, ['--version']);
    const lock = join(study.directory, 'study.log.lock');
    writeFileSync(lock, JSON.stringify({ pid, host: hostname(), token: 'dead' }));
    expect((await asked(study)).number).toBe(0);
    // Optuna's lock is a link that leads nowhere where its path was relative.
    symlinkSync('study.log', lock);
    let isDone = false;
    const waits = asked(study).then(() => {
      isDone = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(isDone).toBe(false);
    rmSync(lock);
    await waits;
    expect(isDone).toBe(true);
  });
});

describe('a worker', () => {
  test('that was interrupted gives its trial back, which is gone on with', async () => {
    const study = await Study.open(directory(), defined());
    const { values, stopBeating } = await asked(study);
    await study.report(0, 1, -130);
    await study.finish(0, 'waiting');
    await stopBeating();
    const other = await Study.load(study.directory);
    expect(await asked(other)).toMatchObject({ number: 0, values, isTakenOver: true });
  });

  test('that died is found, and its trial taken over, but not by two, and after three in a row no more', async () => {
    const study = await Study.open(directory(), defined());
    const { values } = await asked(study);
    await study.report(0, 1, -130);
    bury(study, 0);
    const others = await Promise.all([1, 2, 3].map(() => Study.load(study.directory)));
    const given = await Promise.all([others[0]!.ask(2), others[1]!.ask(2)]);
    const taken = given.find((each) => typeof each === 'object' && each.number === 0) as Assignment;
    expect(taken).toMatchObject({ values, isTakenOver: true });
    expect(
      given
        .filter((each) => typeof each === 'object')
        .map((each) => each.number)
        .sort(),
    ).toEqual([0, 1]);
    // What the first worker still says has no effect.
    expect(await study.report(0, 2, -120)).toBe('lost');
    await study.finish(0, 'complete', { values: [-120] });
    await others[2]!.sync();
    expect(others[2]!.trials[0]).toMatchObject({
      state: 'running',
      userAttributes: { attempts: { workers: 1, epochs: 1 } },
    });
    bury(study, 0);
    expect(await asked(others[2]!)).toMatchObject({ number: 0 });
    bury(study, 0);
    expect(await asked(study)).toMatchObject({ number: 0 });
    bury(study, 0);
    await study.ask(2);
    expect(trialOf(study, study.trials[0]!)).toMatchObject({
      state: 'failed',
      error: '3 workers died over it',
    });
  });

  test('that lives keeps its trial', async () => {
    const study = await Study.open(directory(), defined());
    const { stopBeating } = await asked(study);
    const other = await Study.load(study.directory);
    expect(await other.ask(1)).toBe('later');
    // Its next sign of life shows that there is nothing to wait for.
    let verdict: unknown = 'later';
    for (let look = 0; look < 60 && verdict === 'later'; look++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      verdict = await other.ask(1);
    }
    expect(verdict).toBe('none');
    await stopBeating();
  });
});

describe('pruning', () => {
  const curve = (...values: number[]) => new Map(values.map((value, i) => [i + 1, value]));
  const peer = (state: Peer['state'], ...values: number[]): Peer => ({ state, curve: curve(...values) });

  test('by the median: the best value so far against completed trials at that epoch', () => {
    const peers = [1, 2, 3, 4, 5].map((value) => peer('complete', value + 10, value));
    expect(PRUNERS.median(curve(20, 3.1), peers)).toBe(true);
    expect(PRUNERS.median(curve(20, 2.9), peers)).toBe(false);
    expect(PRUNERS.median(curve(2, 30), peers)).toBe(false);
    expect(PRUNERS.median(curve(20, 9), peers.slice(1))).toBe(false);
    expect(PRUNERS.median(curve(20, 9), [...peers.slice(1), peer('running', 1, 1)])).toBe(false);
  });

  test('by successive halving: the best third at epochs 1, 3, 9', () => {
    const peers = [1, 2, 3, 4, 5].map((value) => peer('running', value, value, value));
    expect(PRUNERS.asha(curve(1.5), peers)).toBe(false);
    expect(PRUNERS.asha(curve(2.5), peers)).toBe(true);
    expect(PRUNERS.asha(curve(9, 9), peers)).toBe(false);
    expect(PRUNERS.asha(curve(1, 1, 2.5), peers)).toBe(true);
    expect(PRUNERS.asha(curve(9), peers.slice(0, 1))).toBe(false);
  });
});

describe('results', () => {
  test('of several seeds are a mean with its 95% confidence interval', () => {
    // By scipy.stats.t.interval(0.95, 3, 4, sem).
    expect(estimate([2, 3, 5, 6])).toEqual({ mean: 4, margin: expect.closeTo(2.9052, 2) });
    expect(estimate([7])).toEqual({ mean: 7 });
  });

  test('of several objectives are a front', () => {
    const trial = (number: number, reconstruction: number, activeUnits: number) =>
      ({
        number,
        results: [
          { objective: 'reconstruction', value: reconstruction },
          { objective: 'activeUnits', value: activeUnits },
        ],
      }) as unknown as Trial;
    const trials = [
      trial(0, 5, 5),
      trial(1, 4, 4),
      trial(2, 4, 5),
      trial(3, 3, 1),
      trial(4, 9, 9),
      trial(5, 4, 5),
    ];
    expect(bestOf(trials).map(({ number }) => number)).toEqual([2, 3, 4]);
  });
});

const python = process.env.TORCHVAE_BENCH_OPTUNA || 'python3';
const hasOptuna = spawnSync(python, ['-c', 'import optuna']).status === 0;

test.runIf(hasOptuna)('Optuna reads what torchvae wrote, and the other way round', async () => {
  const script = join(packageFolder, 'scripts/fixtures/optuna-journal.py');
  const study = await Study.open(directory(), defined());
  const { values } = await asked(study);
  await study.report(0, 1, -120);
  await study.finish(0, 'complete', { values: [-110] });
  const pruned = await asked(study);
  await study.report(1, 1, -150);
  await study.finish(1, 'pruned');
  const path = join(study.directory, 'study.log');
  const read = () => JSON.parse(spawnSync(python, [script, 'read', path], { encoding: 'utf8' }).stdout);
  const shown = ({ 'encoder.hidden': hidden, ...rest }: typeof values) => ({
    ...rest,
    'encoder.hidden': JSON.stringify(hidden),
  });
  expect(read()).toEqual([
    {
      name: 'torchvae linear',
      directions: ['maximize'],
      metrics: ['elbo'],
      trials: [
        { number: 0, state: 'complete', values: [-110], params: shown(values), intermediate: { 1: -120 } },
        { number: 1, state: 'pruned', values: null, params: shown(pruned.values), intermediate: { 1: -150 } },
      ],
    },
  ]);
  expect(spawnSync(python, [script, 'add', path], { encoding: 'utf8' }).stderr).toBe('');
  const resumed = await Study.open(study.directory, defined());
  expect(await asked(resumed)).toMatchObject({ number: 3, values, isTakenOver: false });
  expect(trialOf(resumed, resumed.trials[2]!)).toMatchObject({
    state: 'complete',
    values,
    results: [{ value: -109 }],
  });
  await resumed.finish(3, 'complete', { values: [-110] });
  expect(read()[0].trials).toHaveLength(4);
});
