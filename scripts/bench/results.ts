import type { Disturbance } from './load.ts';
import type { Command, Stretch } from './program.ts';
import { parameterCount, stepOperations, type Workload } from './workloads.ts';

/** A median with what it was taken from. */
export interface Spread {
  median: number;
  low: number;
  high: number;
}

/** One program's turn in one round. */
export interface Turn extends Stretch, Disturbance {}

/** What one program came to on one workload. */
export interface ProgramResult {
  name: string;
  precision: Command['precision'];
  info: Readonly<Record<string, unknown>>;
  /** Milliseconds a step, over the rounds. */
  milliseconds: Spread;
  /** Seconds from the start of a new process to the end of its first step. */
  firstStep: number;
  /** Peak memory in MB. */
  memory: number;
  /** Nats an example: of the first step, and of the last stretch, which ends at `steps`. */
  firstLoss: number;
  lastLoss: number;
  steps: number;
  turns: Turn[];
}

/** The peaks that peak.c measured with all cores, in GFLOP/s, and in GB/s for each workload's Adam. */
export interface Peaks {
  threads: number;
  float32: number;
  bf16?: number;
  traffic: number[];
}

/** What no program of these sums can go below: milliseconds a step. */
export interface Floor {
  float32: number;
  bf16?: number;
}

export interface WorkloadResult {
  workload: string;
  title: string;
  programs: ProgramResult[];
  floor?: Floor;
}

/** All that a run of the benchmark found. */
export interface Report {
  date: string;
  machine: { cpu: string; cores: number; memoryGB: number; flags: string[]; system: string; node: string };
  /** About the load of the machine. */
  notes: string[];
  peaks?: Peaks[];
  workloads: WorkloadResult[];
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, low: sorted[0]!, high: sorted.at(-1)! };
}

/** The turns that nothing disturbed; all of them if there is none. */
function quietTurns(turns: readonly Turn[]): readonly Turn[] {
  const quiet = turns.filter((turn) => turn.quiet);
  return quiet.length > 0 ? quiet : turns;
}

/** Milliseconds a step over the quiet rounds. */
export function stepTime(turns: readonly Turn[]): Spread {
  return spread(quietTurns(turns).map((turn) => turn.mean_ms));
}

/**
 * How many times as fast as `other` a program is, round by round: programs of one round shared the machine's state, so
 * the ratio holds where the times drift. Rounds in which either was disturbed are left out, unless all were.
 */
export function timesAsFast(program: ProgramResult, other: ProgramResult): Spread {
  const pairs = program.turns.map((turn, round) => [turn, other.turns[round]!] as const);
  const quiet = pairs.filter(([a, b]) => a.quiet && b.quiet);
  return spread((quiet.length > 0 ? quiet : pairs).map(([a, b]) => b.mean_ms / a.mean_ms));
}

/** Whether no turn of the program was undisturbed, so that its times say little. */
export function isUnreliable({ turns }: ProgramResult): boolean {
  return !turns.some((turn) => turn.quiet);
}

/**
 * The fastest of those in this precision that are not `except`, by their lowest rounds: a disturbance raises these least,
 * and must not decide who is the best.
 */
export function bestPeer(
  programs: readonly ProgramResult[],
  precision: Command['precision'],
  except: (name: string) => boolean,
): ProgramResult | undefined {
  return programs
    .filter((program) => program.precision === precision && !except(program.name))
    .sort((a, b) => a.milliseconds.low - b.milliseconds.low)[0];
}

/** The higher of each two, of measurements taken one after the other: only a disturbance makes a peak lower. */
export function highestPeaks(some: readonly Peaks[], others: readonly Peaks[]): Peaks[] {
  return some.map((peaks, i) => {
    const other = others[i]!;
    return {
      ...peaks,
      float32: Math.max(peaks.float32, other.float32),
      ...(peaks.bf16 !== undefined && { bf16: Math.max(peaks.bf16, other.bf16!) }),
      traffic: peaks.traffic.map((value, j) => Math.max(value, other.traffic[j]!)),
    };
  });
}

/** The layers' arithmetic at the cores' peak, then Adam's 28 bytes a parameter at the caches' or the memory's. */
export function floor(workload: Workload, peaks: Peaks, index: number): Floor {
  const adam = (28 * parameterCount(workload)) / (peaks.traffic[index]! * 1e6);
  const operations = stepOperations(workload);
  return {
    float32: operations / (peaks.float32 * 1e6) + adam,
    ...(peaks.bf16 !== undefined && { bf16: operations / (peaks.bf16 * 1e6) + adam }),
  };
}
