/** The parts of scripts/gpu-verify that need neither a GPU nor PyTorch: names of stages, and the reading of ncu's table. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageFolder } from './support/command.ts';

const scripts = join(packageFolder, 'scripts');
const python = process.env.TORCHVAE_PYTHON ?? 'python3';

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(python, args, { cwd: packageFolder, encoding: 'utf8' });
  return { status, stdout, stderr };
}

function evaluate(program: string): unknown {
  const { status, stdout, stderr } = run(
    '-B',
    '-c',
    `import json, sys; sys.path.insert(0, ${JSON.stringify(join(scripts, 'gpu'))})\n${program}`,
  );
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}

describe('stages', () => {
  test('are those that are named, in their order', () => {
    const program = `
from verify.stages import NAMES, chosen, stages
class Machine:
    has_gpu = True
    check = None
class Options:
    seconds = 1
    precisions = "float32"
print(json.dumps([[name for name, _ in stages(Machine, Options)] == list(NAMES), chosen(['w1-*', 'cpu']), len(chosen([])) == len(NAMES)]))`;
    expect(evaluate(program)).toEqual([true, ['cpu', 'w1-128', 'w1-1024', 'w1-8192'], true]);
  });

  test('of other names are refused with those that there are', () => {
    const { status, stderr } = run('-B', join(scripts, 'gpu-verify'), '--stages', 'w2');
    expect(status).toBe(1);
    expect(stderr).toMatch(/names of stages for --stages but received w2; there are refusal, .*conv64-512/);
  });
});

test("ncu's table is read in its units", () => {
  const lines = [
    '==PROF== Connected to process 7',
    '"ID","Kernel Name","gpu__time_duration.sum","launch__grid_size","launch__block_size","launch__registers_per_thread","smsp__inst_executed.sum"',
    '"","","usecond","","","register/thread","inst"',
    '"0","forward(Arguments)","3.25","132","256","96","12,345"',
    '"1","weights(Arguments)","1,024.5","1,320","128","255","1,000,000"',
  ];
  const program = `from verify.profile import listed\nprint(json.dumps(listed(${JSON.stringify(lines.join('\n'))})))`;
  expect(evaluate(program)).toEqual([
    { kernel: 'forward(Arguments)', us: 3.25, blocks: 132, threads: 256, registers: 96, instructions: 12345 },
    {
      kernel: 'weights(Arguments)',
      us: 1024.5,
      blocks: 1320,
      threads: 128,
      registers: 255,
      instructions: 1000000,
    },
  ]);
});

test('ratios compare programs of one precision', () => {
  const program = `
from verify.contest import ratios
found = {name: {'median_wall_ms': ms} for name, ms in
         {'torchvae float32': 2, 'torchvae bf16': 1, 'jax scan float32': 3, 'jax scan bf16': 4, 'plain JavaScript': 100}.items()}
found['torch eager float32'] = {'error': 'none'}
print(json.dumps(ratios(found, ['float32', 'bf16'])))`;
  expect(evaluate(program)).toEqual({
    'jax scan float32 / torchvae float32': 1.5,
    'plain JavaScript / torchvae float32': 50,
    'jax scan bf16 / torchvae bf16': 4,
    'plain JavaScript / torchvae bf16': 100,
  });
});
