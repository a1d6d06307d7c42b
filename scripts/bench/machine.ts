import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import type { Peaks, Report } from './results.ts';
import { parameterCount, type Workload } from './workloads.ts';

/** Extensions that decide how fast dense layers are. */
const TELLING_FLAGS = ['avx2', 'fma', 'avx512f', 'avx512_bf16', 'amx_bf16', 'asimd', 'bf16'];

/** What the results depend on. */
export function describeMachine(): Report['machine'] {
  return {
    cpu: processorName(),
    cores: availableParallelism(),
    memoryGB: Math.round(totalmem() / 2 ** 30),
    flags: processorFlags(),
    system: `${type()} ${release()}`,
    node: process.version,
  };
}

function processorInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}

/** Virtual machines hide the model's name; its family and number remain. */
function processorName(): string {
  const name = cpus()[0]?.model.trim() || 'an unknown processor';
  const number = (field: string) => new RegExp(`^${field}\\s*: (\\d+)$`, 'm').exec(processorInfo())?.[1];
  const [family, model] = [number('cpu family'), number('model')];
  return family && model ? `${name} (family ${family}, model ${model})` : name;
}

function processorFlags(): string[] {
  const found = /^(?:flags|Features)\s*: (.*)$/m.exec(processorInfo())?.[1]?.split(' ') ?? [];
  return TELLING_FLAGS.filter((flag) => found.includes(flag));
}

/** Compiles and runs peak.c: with one thread, and with all; undefined where there is no compiler for it. */
export function measurePeaks(root: string, workloads: readonly Workload[]): Peaks[] | undefined {
  const program = join(root, 'build/bench/peak');
  mkdirSync(join(root, 'build/bench'), { recursive: true });
  const source = join(root, 'scripts/bench/peak.c');
  const compiled = spawnSync('cc', ['-O3', '-march=native', '-fopenmp', source, '-o', program]);
  if (compiled.status !== 0) return undefined;
  const run = spawnSync(
    program,
    workloads.map((workload) => String(parameterCount(workload))),
  );
  return run.status === 0 ? JSON.parse(run.stdout.toString()) : undefined;
}
