import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';

/** A training program that speaks the line protocol of serve.mjs. */
export interface Command {
  name: string;
  /** `bf16` programs are listed, but not what float32 is compared with. */
  precision: 'float32' | 'bf16';
  command: readonly string[];
  env?: Readonly<Record<string, string>>;
}

/** A program's answer to `go SECONDS`. */
export interface Stretch {
  steps: number;
  secs: number;
  mean_ms: number;
  med_ms: number;
  min_ms: number;
  /** Nats an example. */
  loss: number;
  /** Steps since the start. */
  total: number;
  /** Peak memory in MB. */
  rss: number;
}

/** Compilers take their time before a first step, and a stretch may end late. */
const START_LIMIT = 300_000;
const STRETCH_LIMIT = 120_000;

/** None outlives this process. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A running program. */
export class Program {
  /** Seconds from the start of the process to the end of its first step. */
  readonly firstStep: number;
  /** The first step's loss in nats an example. */
  readonly firstLoss: number;
  /** What it says of itself. */
  readonly info: Readonly<Record<string, unknown>>;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #closed: Promise<unknown>;

  private constructor(child: ChildProcess, lines: Interface) {
    this.#child = child;
    this.#lines = lines[Symbol.asyncIterator]();
    this.#closed = new Promise((resolve) => child.once('close', resolve));
    this.firstStep = Number.NaN;
    this.firstLoss = Number.NaN;
    this.info = {};
  }

  /** @throws Error with what the program said where it cannot run */
  static async start({ name, command, env }: Command): Promise<Program> {
    const started = performance.now();
    const [file, ...args] = command;
    const child = spawn(file!, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'ignore'] });
    child.stdin!.on('error', () => {}); // it ended; the missing answer tells
    const spawned = new Promise<never>((_, reject) => child.once('error', reject));
    const program = new Program(child, createInterface({ input: child.stdout! }));
    running.add(child);
    child.once('close', () => running.delete(child));
    try {
      const ready = await Promise.race([program.#answer(START_LIMIT), spawned]);
      if (typeof ready.error === 'string') throw new Error(ready.error);
      return Object.assign(program, {
        firstStep: (performance.now() - started) / 1000,
        firstLoss: ready.loss0,
        info: ready.info,
      });
    } catch (error) {
      child.kill('SIGKILL');
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Resident memory at this moment in MB. */
  get memory(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]) / 1024;
  }

  /** Trains for `seconds`. */
  async train(seconds: number): Promise<Stretch> {
    this.#child.stdin!.write(`go ${seconds}\n`);
    return (await this.#answer(STRETCH_LIMIT)) as unknown as Stretch;
  }

  /** Ends the program by ending its input; resolves to its exit code. */
  async stop(): Promise<number | null> {
    this.#child.stdin!.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await this.#closed;
    clearTimeout(timer);
    return this.#child.exitCode;
  }

  /** The next line in JSON; libraries print other things too. */
  async #answer(limit: number): Promise<Record<string, unknown>> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), limit);
    try {
      for (;;) {
        const { value, done } = await this.#lines.next();
        if (done) throw new Error('it ended without an answer');
        if (value.startsWith('{')) return JSON.parse(value);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
