import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Program } from '../scripts/bench/program.ts';
import { PLAIN, PYTORCH_EAGER, TORCHVAE } from '../scripts/bench/programs.ts';
import {
  bestPeer,
  floor,
  highestPeaks,
  type ProgramResult,
  type Report,
  spread,
  stepTime,
  type Turn,
  timesAsFast,
} from '../scripts/bench/results.ts';
import { insertTable, markdown, summary } from '../scripts/bench/table.ts';
import { parameterCount, stepOperations, WORKLOADS } from '../scripts/bench/workloads.ts';

const worker = fileURLToPath(new URL('../scripts/bench/worker.mjs', import.meta.url));
const command = (...args: string[]) => ({
  name: 'torchvae',
  precision: 'float32' as const,
  command: [process.execPath, worker, ...args],
});

describe('the worker', () => {
  test('takes a first step, trains for as long as it is told, and ends with its input', async () => {
    const program = await Program.start(command('W2', '--data', 'sprites', '--threads', '1'));
    expect(program.firstLoss).toBeGreaterThan(100);
    expect(program.info).toMatchObject({ parameters: parameterCount(WORKLOADS[1]!) });

    const started = performance.now();
    const first = await program.train(0.2);
    const waited = (performance.now() - started) / 1000;
    expect(first.secs).toBeGreaterThanOrEqual(0.2);
    expect(first.secs).toBeLessThanOrEqual(waited);
    expect(first.mean_ms * first.steps).toBeCloseTo(first.secs * 1000, 6);
    expect(first.min_ms).toBeLessThanOrEqual(first.med_ms);
    expect(first.total).toBe(first.steps + 1);
    expect(first.rss).toBeGreaterThan(50);

    const second = await program.train(0.2);
    expect(second.total).toBe(first.total + second.steps);
    expect(second.loss).toBeLessThan(first.loss);
    expect(await program.stop()).toBe(0);
  });

  test.each([
    [['W9'], 'Expected W1, W2, W3 or a model of family.mjs but received W9'],
    [['W1', '--data', 'sprites', '--precision', 'float8'], 'float8'],
  ])('says why it cannot run %j', async (args, why) => {
    await expect(Program.start(command(...args))).rejects.toThrow(why);
  });
});

test('a program that cannot be started has an error that names it', async () => {
  const missing = { ...command(), name: 'gone', command: ['/nonexistent/python'] };
  await expect(Program.start(missing)).rejects.toThrow('gone: spawn');
});

describe('the workloads', () => {
  test.each([
    ['W1', 652_824],
    ['W2', 219_808],
    ['W3', 191_265],
  ])('%s has the parameters that PyTorch counts', (name, count) => {
    expect(parameterCount(WORKLOADS.find((workload) => workload.name === name)!)).toBe(count);
  });

  test('W1 takes three matrix products a layer, two in the first', () => {
    const later = 400 * 40 + 20 * 400 + 400 * 784;
    expect(stepOperations(WORKLOADS[0]!)).toBe(2 * 128 * (2 * 784 * 400 + 3 * later));
  });

  test('the floor is the arithmetic at its peak and then 28 bytes a parameter', () => {
    const peaks = { threads: 2, float32: 500, bf16: 1000, traffic: [100] };
    const [operations, bytes] = [stepOperations(WORKLOADS[0]!), 28 * 652_824];
    const { float32, bf16 } = floor(WORKLOADS[0]!, peaks, 0);
    expect(float32).toBeCloseTo(1000 * (operations / 500e9 + bytes / 100e9), 9);
    expect(bf16).toBeCloseTo(1000 * (operations / 1000e9 + bytes / 100e9), 9);
  });
});

test('a peak is the highest that was seen', () => {
  const quiet = { threads: 2, float32: 500, bf16: 900, traffic: [90, 80] };
  const busy = { threads: 2, float32: 100, bf16: 1000, traffic: [20, 85] };
  const highest = { threads: 2, float32: 500, bf16: 1000, traffic: [90, 85] };
  expect(highestPeaks([quiet], [busy])).toEqual([highest]);
});

function turn(mean_ms: number, quiet = true): Turn {
  const stretch = { steps: 10, secs: mean_ms / 100, med_ms: mean_ms, min_ms: mean_ms, loss: 100, total: 10 };
  return { ...stretch, mean_ms, rss: 300, foreign: quiet ? 0 : 1, cores: 2, slowdown: 1, quiet };
}

function program(name: string, turns: Turn[], precision: 'float32' | 'bf16' = 'float32'): ProgramResult {
  const measures = { firstStep: 0.5, memory: 300, firstLoss: 550, lastLoss: 100, steps: 10 };
  return { name, precision, info: {}, milliseconds: stepTime(turns), ...measures, turns };
}

describe('the arithmetic', () => {
  test.each([
    [[3, 1, 2], { median: 2, low: 1, high: 3 }],
    [[4, 1, 2, 3], { median: 2.5, low: 1, high: 4 }],
  ])('the spread of %j', (values, wanted) => expect(spread(values)).toEqual(wanted));

  test('disturbed turns do not count', () => {
    expect(stepTime([turn(1), turn(9, false), turn(2)])).toEqual({ median: 1.5, low: 1, high: 2 });
  });

  test('but for a program that has no others', () => {
    expect(stepTime([turn(8, false), turn(9, false)])).toEqual({ median: 8.5, low: 8, high: 9 });
  });

  test('ratios are taken within a round, so that a drift of the machine cancels', () => {
    const ours = program('a', [turn(1), turn(2), turn(4)]);
    const theirs = program('b', [turn(3), turn(6), turn(12)]);
    expect(timesAsFast(ours, theirs)).toEqual({ median: 3, low: 3, high: 3 });
  });

  test('and only where both were undisturbed', () => {
    const ours = program('a', [turn(1), turn(50, false), turn(1)]);
    const theirs = program('b', [turn(2), turn(2), turn(90, false)]);
    expect(timesAsFast(ours, theirs)).toEqual({ median: 2, low: 2, high: 2 });
  });

  test('the best peer is that with the fastest round in the same precision, disturbed or not', () => {
    const programs = [
      program('us', [turn(1)]),
      program('disturbed', [turn(2, false), turn(30, false)]),
      program('slow', [turn(3)]),
      program('bf16', [turn(0.5)], 'bf16'),
    ];
    expect(bestPeer(programs, 'float32', (name) => name === 'us')?.name).toBe('disturbed');
  });
});

describe('the table', () => {
  const report: Report = {
    date: '2026-05-04T03:02:01Z',
    machine: { cpu: 'A processor', cores: 2, memoryGB: 8, flags: ['fma'], system: 'Linux', node: 'v20' },
    notes: ['All was quiet.'],
    workloads: [
      {
        workload: 'W1',
        title: 'a network',
        floor: { float32: 0.5 },
        programs: [
          program(TORCHVAE, [turn(1), turn(1.25)]),
          program(`${TORCHVAE}, bf16`, [turn(0.6)], 'bf16'),
          program(PYTORCH_EAGER, [turn(4), turn(5)]),
          program('JAX', [turn(2), turn(2.5)]),
          program(PLAIN, [turn(60), turn(60)]),
        ],
      },
      { workload: 'W2', title: 'another', programs: [program(PYTORCH_EAGER, [turn(40)])] },
    ],
  };
  const lines = markdown(report).split('\n');

  test('has the times of every program on every workload', () => {
    expect(lines[0]).toContain('A processor, 2 cores (fma), 2026-05-04');
    expect(lines).toContain('|  | W1 | W2 |');
    expect(lines).toContain('| **torchvae** | 1.13 [1.00, 1.25] |  |');
    expect(lines).toContain('| PyTorch eager | 4.50 [4.00, 5.00] | 40.0 [40.0, 40.0] |');
    expect(lines.some((line) => line.startsWith('| floor') && line.endsWith('| 0.500 |  |'))).toBe(true);
    expect(lines).toContain('- All was quiet.');
  });

  test('compares torchvae with the best peer, plain JavaScript, and the floor', () => {
    expect(lines).toContain('| W1 | 2.0 [2.0, 2.0], JAX | 54 [48, 60] | 44% | 300 (300) | 0.5 (0.5) |');
  });

  test('marks what was measured on a busy machine', () => {
    const busy = { workload: 'W1', title: 'a network', programs: [program(TORCHVAE, [turn(1, false)])] };
    const text = markdown({ ...report, workloads: [busy] });
    expect(text).toContain('| **torchvae** | 1.00 [1.00, 1.00] (!) |');
    expect(text).toContain('- (!): the machine was busy in every round');
    expect(lines.join()).not.toContain('(!)');
  });

  test('has a summary of medians: torchvae, the best other program, and those that readers know', () => {
    const brief = summary(report).split('\n');
    expect(brief[0]).toBe('| milliseconds a training step | a network | another |');
    expect(brief).toContain('| **torchvae** | 1.13 |  |');
    expect(brief).toContain('| the best other program | 2.25, JAX | 40.0, PyTorch eager |');
    expect(brief).toContain('| PyTorch eager | 4.50 | 40.0 |');
    expect(brief).toContain('| plain JavaScript, one thread | 60.0 |  |');
    const busy = { workload: 'W1', title: 'a network', programs: [program(TORCHVAE, [turn(1, false)])] };
    expect(summary({ ...report, workloads: [busy] })).toContain('| **torchvae** | 1.00 (!) |');
  });

  test('goes between the markers, and nothing else changes', () => {
    const text = 'before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n';
    const inserted = insertTable(text, 'new\n');
    expect(inserted).toBe('before\n<!-- bench:begin -->\nnew\n<!-- bench:end -->\nafter\n');
    expect(insertTable(inserted, 'new\n')).toBe(inserted);
    expect(() => insertTable('no markers', 'new')).toThrow('<!-- bench:begin -->');
  });
});
