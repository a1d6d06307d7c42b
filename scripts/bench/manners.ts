import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Program } from './program.ts';
import { type Spread, spread } from './results.ts';

/** How a program gets along with others. */
export interface Manners {
  name: string;
  /** Milliseconds a step: with the machine to itself, and while a busy loop takes one core. */
  alone: Spread;
  besideBusyLoop: Spread;
  /** Resident memory in MB after the steps in `memoryAt`. */
  memory: number[];
  memoryAt: number[];
}

const TURNS = 5;
const MEMORY_STEPS = [1000, 10_000];

/** Measures each program in turn. */
export async function runManners(
  commands: readonly Command[],
  seconds: number,
  say: (line: string) => void,
): Promise<Manners[]> {
  const found: Manners[] = [];
  for (const command of commands) {
    const program = await Program.start(command);
    try {
      const manners = await measure(command.name, program, seconds);
      say(describe(manners));
      found.push(manners);
    } finally {
      await program.stop();
    }
  }
  return found;
}

async function measure(name: string, program: Program, seconds: number): Promise<Manners> {
  await program.train(1);
  const alone = await turns(program, seconds);
  const loop = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  const kill = () => loop.kill('SIGKILL');
  process.once('exit', kill);
  try {
    await sleep(500);
    const besideBusyLoop = await turns(program, seconds);
    kill();
    const { memory, memoryAt } = await memoryGrowth(program);
    return { name, alone, besideBusyLoop, memory, memoryAt };
  } finally {
    kill();
    process.off('exit', kill);
  }
}

async function turns(program: Program, seconds: number): Promise<Spread> {
  const times: number[] = [];
  for (let turn = 0; turn < TURNS; turn++) times.push((await program.train(seconds)).mean_ms);
  return spread(times);
}

async function memoryGrowth(program: Program): Promise<{ memory: number[]; memoryAt: number[] }> {
  const memory: number[] = [];
  const memoryAt: number[] = [];
  let steps = 0;
  for (const wanted of MEMORY_STEPS) {
    // Short stretches, so that the count is met nearly.
    while (steps < wanted) steps = (await program.train(0.2)).total;
    memory.push(program.memory);
    memoryAt.push(steps);
  }
  return { memory, memoryAt };
}

function describe({ name, alone, besideBusyLoop, memory, memoryAt }: Manners): string {
  const factor = besideBusyLoop.median / alone.median;
  return (
    `${name}: ${alone.median.toFixed(2)} ms a step alone, ${besideBusyLoop.median.toFixed(2)} beside a busy loop ` +
    `(${factor.toFixed(2)}x, turns up to ${besideBusyLoop.high.toFixed(2)}); ` +
    memory.map((size, i) => `${size.toFixed(1)} MB at step ${memoryAt[i]}`).join(', ')
  );
}
