import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Foreign work above this share of one core makes a measurement worthless. */
const FOREIGN_LIMIT = 0.12;
/** So does a core this much slower than at its best, as when the host of a virtual machine takes it away. */
const SLOWDOWN_LIMIT = 1.15;
/** Of /proc's counters. */
const TICKS_PER_SECOND = 100;

/** What else the machine did during a measurement. */
export interface Disturbance {
  /** Cores that other processes kept busy; 0 where the system does not say. */
  foreign: number;
  /** Cores that the measured process kept busy. */
  cores: number;
  /** How much slower than at its best a fixed piece of work ran, before or after. */
  slowdown: number;
  quiet: boolean;
}

interface Ticks {
  machine: number;
  process: number;
  time: number;
}

/** Ticks of CPU time since the start, of the whole machine and of one process. */
function readTicks(pid: number): Ticks {
  const time = performance.now() / 1000;
  try {
    const fields = readFileSync('/proc/stat', 'utf8')
      .split('\n', 1)[0]!
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number);
    const [user = 0, nice = 0, system = 0, _idle, _wait, interrupt = 0, softInterrupt = 0, stolen = 0] =
      fields;
    const own = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ').map(Number);
    const machine = user + nice + system + interrupt + softInterrupt + stolen;
    return { machine, process: own[11]! + own[12]!, time };
  } catch {
    return { machine: 0, process: 0, time };
  }
}

let bestSpin = Number.POSITIVE_INFINITY;

/**
 * How much slower than ever before half a millisecond of arithmetic runs, at the best of several tries. Integers, since
 * V8's code for floating-point loops changes as it gathers what it knows of them.
 */
function spin(): number {
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 10; attempt++) {
    const started = performance.now();
    let x = 1;
    for (let i = 0; i < 500_000; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0;
    best = Math.min(best, performance.now() - started + (x === 0 ? 1 : 0));
  }
  bestSpin = Math.min(bestSpin, best);
  return best / bestSpin;
}

for (let i = 0; i < 20; i++) spin();

/** Runs `measure` on the process `pid` and tells what disturbed it. */
export async function observe<T>(
  pid: number,
  measure: () => Promise<T>,
): Promise<{ result: T; disturbance: Disturbance }> {
  const slownessBefore = spin();
  const before = readTicks(pid);
  const result = await measure();
  const after = readTicks(pid);
  const slowdown = Math.max(slownessBefore, spin());
  const rate = 1 / TICKS_PER_SECOND / (after.time - before.time);
  const cores = (after.process - before.process) * rate;
  const foreign = Math.max(0, (after.machine - before.machine) * rate - cores);
  const quiet = foreign < FOREIGN_LIMIT && slowdown < SLOWDOWN_LIMIT;
  return { result, disturbance: { foreign, cores, slowdown, quiet } };
}

/** Waits until the machine idles, at most `limit` seconds; resolves to the seconds it took. */
export async function waitForQuiet(limit: number): Promise<number> {
  const started = performance.now();
  const waited = () => (performance.now() - started) / 1000;
  while (waited() < limit) {
    const { disturbance } = await observe(process.pid, () => sleep(200));
    if (disturbance.quiet) break;
  }
  return waited();
}
