/**
 * Several processes that train one model by the CUDA kernels, compiled for the CPU, and exchange by NCCL's functions: those of a library
 * in NCCL's place (nccl/fake.cpp), which works between processes of this machine.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type CommandOptions, type Outcome, packageFolder, runNode } from '../support/command.ts';
import { testRanks } from '../support/rank-comparison.ts';
import { interruptsBesideOneThatStops, together } from '../support/ranks.ts';
import { packageOfTwin } from './package.ts';
import { CASES, OF_GRAPHS, OF_LOOP } from './rank-cases.ts';

const copy = packageOfTwin();
const folder = mkdtempSync(join(tmpdir(), 'torchvae-nccl-'));
afterAll(() => {
  for (const path of [copy, folder]) rmSync(path, { recursive: true });
});

const fake = { TORCHVAE_TWIN_NCCL: join(packageFolder, 'build/twin-test/libfake_nccl.so') };

const program = join(copy, 'test/support/rank.mjs');
// Of two processes every perceptron takes its own kernels, which load batches ahead.
testRanks(2, CASES, { program, env: { ...fake, TORCHVAE_GPU_STEP: 'fused' }, exchange: 'NCCL 2.27.3' });
const coupled = CASES.filter(({ name }) => name.startsWith('batch normalization'));
testRanks(3, [...OF_GRAPHS, ...coupled], { program, env: fake, exchange: 'NCCL 2.27.3' });
testRanks(
  2,
  OF_LOOP.filter((each) => OF_GRAPHS.includes(each)),
  {
    program,
    env: { ...fake, TORCHVAE_RANKS_STEPS: 'loop' },
    exchange: 'NCCL 2.27.3, step by step, as TORCHVAE_RANKS_STEPS of ranks 0, 1 says',
  },
);

/** `torchvae train` in processes that find the library. */
function train(
  size: number,
  name: string,
  epochs: number,
  optionsOf: (rank: number) => CommandOptions = () => ({}),
): Promise<Outcome[]> {
  const small = ['--set', 'encoder.hidden=[8]', '--set', 'decoder.hidden=[8]'];
  const flags = ['--data', 'sprites', '--count', '200', '--batch-size', '48', ...small];
  const command = [join(copy, 'dist/cli/main.js'), 'train', '--device', 'cpu', ...flags];
  return together(
    size,
    (options) => runNode([...command, '--epochs', String(epochs), '--out', join(folder, name)], options),
    (rank) => {
      const { env, ...rest } = optionsOf(rank);
      return { ...rest, env: { ...fake, ...env } };
    },
  );
}

const codes = (outcomes: readonly Outcome[]) => outcomes.map(({ code }) => code);

/** Each process ended by words that match, in one line. */
function expectLost(outcomes: readonly Outcome[], wordsOf: (rank: number) => string): void {
  outcomes.forEach(({ code, stderr }, rank) => {
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(new RegExp(`error: ${wordsOf(rank)}.*\\[ERR_DISTRIBUTED\\]\\n$`));
  });
}

/** What rank 0 asked NCCL for. */
async function callsOf(name: string, env: Record<string, string>): Promise<string[]> {
  const log = join(folder, `${name}.log`);
  const outcomes = await train(2, name, 1, (rank) => ({
    env: rank === 0 ? { ...env, FAKE_NCCL_LOG: log } : {},
  }));
  expect(codes(outcomes)).toEqual([0, 0]);
  expect(outcomes[1]!.stderr).toBe('');
  return readFileSync(log, 'utf8').trim().split('\n');
}

const metricsOf = (name: string) => readFileSync(join(folder, name, 'metrics.jsonl'), 'utf8');

describe('a run sends all that lies on a GPU by NCCL', () => {
  test.each([
    // The gradient in each of five updates.
    ['in captured graphs', {}, 'NCCL 2.27.3', 5],
    // Also before the last one, which is watched.
    [
      'in the loop where one process asks for it',
      { TORCHVAE_RANKS_STEPS: 'loop' },
      'NCCL 2.27.3, step by step, as TORCHVAE_RANKS_STEPS of rank 0 says',
      6,
    ],
  ])('%s', async (name, env, exchange, sums) => {
    const [trial, weights, ...rest] = await callsOf(name, env);
    expect(JSON.parse(metricsOf(name)).exchange).toBe(exchange);
    // A trial; weights and both moments, with the room between tensors.
    expect(trial).toBe('ncclAllReduce 1');
    expect(weights).toMatch(/^ncclBroadcast \d+$/);
    expect(rest.slice(0, 2)).toEqual([weights, weights]);
    const gradient = weights!.replace('Broadcast', 'AllReduce');
    expect(rest.filter((call) => call === gradient)).toHaveLength(sums);
  });

  test('and waits for its sums by asking, before the host reads what comes of them', async () => {
    const loop = { TORCHVAE_RANKS_STEPS: 'loop' };
    const lazy = await train(2, 'lazy', 1, () => ({ env: { ...loop, FAKE_NCCL_LAZY: '1000' } }));
    const eager = await train(2, 'eager', 1, () => ({ env: loop }));
    expect([...codes(lazy), ...codes(eager)]).toEqual([0, 0, 0, 0]);
    const trainOf = (name: string) => JSON.parse(metricsOf(name)).train;
    expect(trainOf('lazy')).toEqual(trainOf('eager'));
  });

  test('unless the environment says something else', async () => {
    const outcomes = await train(2, 'mistaken', 1, () => ({ env: { TORCHVAE_RANKS_STEPS: 'graph' } }));
    expectLost(
      outcomes,
      () => "Expected 'graphs' or 'loop' for the environment variable TORCHVAE_RANKS_STEPS",
    );
  });
});

describe('a process that is killed', () => {
  test.each([
    ['the last', 2],
    ['the first but one', 1],
  ])('%s, ends the others within seconds, who name it', async (name, victim) => {
    const children: ChildProcess[] = [];
    let isKilled = false;
    const outcomes = await train(3, name, 4000, (rank) => ({
      onStart: (child) => {
        children[rank] = child;
      },
      onStderr: (_, stderr) => {
        if (isKilled || !stderr.includes('epoch 2 ')) return;
        isKilled = true;
        children[victim]!.kill('SIGKILL');
      },
    }));
    expect(outcomes[victim]).toMatchObject({ signal: 'SIGKILL' });
    for (const rank of [0, 1, 2].filter((each) => each !== victim)) {
      expect(outcomes[rank]).toMatchObject({ code: 1 });
      expect(outcomes[rank]!.stderr).toMatch(
        new RegExp(
          `Rank ${rank} of 3 lost rank ${victim}: (.* by peer|the others have lost it).*\\[ERR_DISTRIBUTED\\]`,
        ),
      );
    }
  });

  test('ends one who is interrupted meanwhile', async () => {
    const outcomes = await train(2, 'stopped', 4000, interruptsBesideOneThatStops());
    expect(outcomes[0]).toMatchObject({ code: 1 });
    expect(outcomes[0]!.stderr).toContain('Rank 0 of 2 was aborted, and the other ranks did not answer');
  });
});

describe('an error of NCCL ends all processes, one of them in its words', () => {
  test.each([
    ['at once', { FAKE_NCCL_FAIL: 'ncclAllReduce:3' }, 'ncclAllReduce says: unhandled system error'],
    [
      'on the device',
      { FAKE_NCCL_LATE: 'ncclAllReduce:3' },
      'NCCL says: remote process exited or there was a network error',
    ],
    [
      'amid the replays of a graph',
      { FAKE_NCCL_LATE: 'ncclAllReduce:40' },
      'NCCL says: remote process exited or there was a network error',
    ],
    [
      'while they connect',
      { FAKE_NCCL_FAIL: 'ncclCommInitRankConfig:1' },
      'ncclCommInitRankConfig says: unhandled system error',
    ],
  ])('%s', async (name, env, words) => {
    const outcomes = await train(2, name, 4000, (rank) => (rank === 1 ? { env } : {}));
    expectLost(outcomes, (rank) =>
      rank === 1 ? `Rank 1 of 2 lost its connection to another rank: ${words}` : 'Rank 0 of 2 lost ',
    );
  });

  test('where the first cannot begin', async () => {
    const env = { FAKE_NCCL_FAIL: 'ncclGetUniqueId:1' };
    const outcomes = await train(2, 'no id', 1, (rank) => (rank === 0 ? { env } : {}));
    expectLost(outcomes, (rank) =>
      rank === 0
        ? 'Rank 0 of 2 lost its connection to another rank: ncclGetUniqueId says: unhandled system error'
        : 'Rank 1 of 2 lost ',
    );
  });
});

describe('without NCCL', () => {
  const shared = { TORCHVAE_TWIN_GPU: '0000:3b:00.0' };

  test.each<[string, (rank: number) => Record<string, string>, string]>([
    ['processes that share a GPU', () => shared, 'since ranks 0, 1 share one GPU'],
    [
      'one whose NCCL is old',
      (rank) => (rank === 0 ? { FAKE_NCCL_VERSION: '21305' } : {}),
      'since rank 0 has no NCCL of version 2.14 or newer',
    ],
    [
      'other versions of NCCL',
      (rank) => (rank === 1 ? { FAKE_NCCL_VERSION: '22605' } : {}),
      'since rank 0 has NCCL 2.27.3 and rank 1 2.26.5',
    ],
    ['that is not wanted', () => ({ TORCHVAE_RANKS_BY: 'gloo' }), 'as TORCHVAE_RANKS_BY says'],
  ])('%s go by way of the host', async (name, envOf, words) => {
    const outcomes = await train(2, name, 1, (rank) => ({ env: envOf(rank) }));
    expect(codes(outcomes)).toEqual([0, 0]);
    expect(outcomes[0]!.stderr).toContain(`Gradients are summed by Gloo by way of the host, ${words}\n`);
  });

  test.each<[string, (rank: number) => Record<string, string>, string]>([
    ['on one GPU', () => ({ TORCHVAE_RANKS_BY: 'nccl', ...shared }), 'ranks 0, 1 share one GPU'],
    [
      'by one alone',
      (rank) => ({ TORCHVAE_RANKS_BY: rank === 0 ? 'nccl' : 'gloo' }),
      'that of rank 1 says gloo',
    ],
  ])('that is asked for %s all say why', async (name, envOf, words) => {
    const outcomes = await train(2, name, 1, (rank) => ({ env: envOf(rank) }));
    expectLost(
      outcomes,
      (rank) =>
        `Rank ${rank} of 2 cannot exchange by NCCL, as TORCHVAE_RANKS_BY of ranks? 0.* says, since ${words}`,
    );
  });
});
