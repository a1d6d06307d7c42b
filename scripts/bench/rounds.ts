import { observe, waitForQuiet } from './load.ts';
import { type Command, Program } from './program.ts';
import { type ProgramResult, stepTime, type Turn } from './results.ts';

/** How often a disturbed turn is taken again. */
const TRIES = 3;

/** Seconds, in all, to wait for the machine to idle before turns. */
const PATIENCE = 240;

/** Seconds of training before the first round: compilers, caches and clocks settle. */
const WARM_UP = 1;

interface Patience {
  seconds: number;
}

interface Entry {
  command: Command;
  program: Program;
  turns: Turn[];
}

/**
 * Starts each program, then has them train in turn, round after round, alone on the machine as far as can be had.
 *
 * @param say hears of the progress, and of programs that cannot run
 */
export async function runRounds(
  commands: readonly Command[],
  { rounds, seconds }: { rounds: number; seconds: number },
  say: (line: string) => void,
): Promise<ProgramResult[]> {
  const entries: Entry[] = [];
  const patience = { seconds: PATIENCE };
  try {
    for (const command of commands) {
      const program = await startWarm(command, patience, say);
      if (program) entries.push({ command, program, turns: [] });
    }
    for (const { program } of entries) await program.train(WARM_UP);
    for (let round = 1; round <= rounds; round++) {
      for (const { program, turns } of entries) turns.push(await takeTurn(program, seconds, patience));
      const disturbed = entries.filter(({ turns }) => !turns.at(-1)!.quiet).length;
      say(
        `round ${round} of ${rounds}${disturbed ? `: ${disturbed} of ${entries.length} turns disturbed` : ''}`,
      );
    }
  } finally {
    await Promise.all(entries.map(({ program }) => program.stop()));
  }
  return entries.map(summary);
}

/** The second process of its kind: the first has read the files from the disk and filled the compilers' caches. */
async function startWarm(
  command: Command,
  patience: Patience,
  say: (line: string) => void,
): Promise<Program | undefined> {
  try {
    const cold = await Program.start(command);
    await cold.stop();
    await idle(patience);
    const program = await Program.start(command);
    say(`${command.name}: first step after ${program.firstStep.toFixed(2)} s`);
    return program;
  } catch (error) {
    say(`left out: ${(error as Error).message}`);
    return undefined;
  }
}

async function takeTurn(program: Program, seconds: number, patience: Patience): Promise<Turn> {
  const turns: Turn[] = [];
  for (let attempt = 0; attempt < TRIES; attempt++) {
    await idle(patience);
    const { result, disturbance } = await observe(program.pid, () => program.train(seconds));
    turns.push({ ...result, ...disturbance });
    if (disturbance.quiet) break;
  }
  return turns.reduce((best, turn) => (severity(turn) < severity(best) ? turn : best));
}

async function idle(patience: Patience): Promise<void> {
  patience.seconds -= await waitForQuiet(patience.seconds);
}

function severity({ quiet, foreign, slowdown }: Turn): number {
  return quiet ? 0 : foreign + slowdown;
}

function summary({ command, program, turns }: Entry): ProgramResult {
  const last = turns.at(-1)!;
  return {
    name: command.name,
    precision: command.precision,
    info: program.info,
    milliseconds: stepTime(turns),
    firstStep: program.firstStep,
    memory: Math.max(...turns.map(({ rss }) => rss)),
    firstLoss: program.firstLoss,
    lastLoss: last.loss,
    steps: last.total,
    turns,
  };
}
