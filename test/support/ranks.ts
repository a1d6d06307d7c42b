import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type CommandOptions, type Outcome, runNode, torchvae } from './command.ts';

/** A port of this machine that nobody listens to. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** The variables that torchrun sets, for `rank` of `size`. */
export function rankEnvironment(rank: number, size: number, port: number): Record<string, string> {
  return {
    RANK: String(rank),
    WORLD_SIZE: String(size),
    LOCAL_WORLD_SIZE: String(size),
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: String(port),
  };
}

type OptionsOf = (rank: number) => CommandOptions;

/** Of two processes the second stops to answer after an epoch, and the first is interrupted. */
export function interruptsBesideOneThatStops(): OptionsOf {
  const children: ChildProcess[] = [];
  let isStopped = false;
  return (rank) => ({
    onStart: (child) => {
      children[rank] = child;
      if (rank === 0) child.once('exit', () => children[1]!.kill('SIGKILL'));
    },
    onStderr: (child, stderr) => {
      if (isStopped || !stderr.includes('epoch 2 ')) return;
      isStopped = true;
      children[1]!.kill('SIGSTOP');
      child.kill('SIGINT');
    },
  });
}

/** Starts `size` processes, each by `start`. */
export async function together(
  size: number,
  start: (options: CommandOptions, rank: number) => Promise<Outcome>,
  optionsOf: OptionsOf = () => ({}),
): Promise<Outcome[]> {
  const port = await freePort();
  const ranks = Array.from({ length: size }, (_, rank) => {
    const options = optionsOf(rank);
    return start({ ...options, env: { ...rankEnvironment(rank, size, port), ...options.env } }, rank);
  });
  return Promise.all(ranks);
}

/** Runs a command of `torchvae` in `size` processes that train together. */
export function torchvaeRanks(
  size: number,
  argsOf: (rank: number) => readonly string[],
  optionsOf?: OptionsOf,
): Promise<Outcome[]> {
  return together(size, (options, rank) => torchvae(argsOf(rank), options), optionsOf);
}

/** Runs rank.mjs in `size` processes that train together. */
export function trainInRanks(
  size: number,
  cases: object,
  folder: string,
  program = fileURLToPath(new URL('rank.mjs', import.meta.url)),
  optionsOf?: OptionsOf,
): Promise<Outcome[]> {
  return together(size, (options) => runNode([program, JSON.stringify(cases), folder], options), optionsOf);
}
