import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { TorchvaeError } from '../errors.ts';

/**
 * Runs `torchvae search` with these arguments in so many processes, which share the processor's cores, until all have ended.
 *
 * @throws TorchvaeError ERR_ABORTED where they were interrupted, ERR_STATE where none came to its end
 */
export async function runWorkers(count: number, args: readonly string[]): Promise<void> {
  const threads = Math.max(1, Math.floor(availableParallelism() / count));
  const env = { TORCHVAE_THREADS: String(threads), ...process.env };
  const command = [process.argv[1]!, 'search', ...args];
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, command, { env, stdio: ['ignore', 'inherit', 'inherit'] }),
  );
  // A terminal sends Ctrl-C to all of them; what is sent to this process alone is passed on.
  const passOn = () => {
    for (const child of children) child.kill('SIGTERM');
  };
  process.on('SIGTERM', passOn).on('SIGINT', passOn);
  try {
    const codes = await Promise.all(children.map(ended));
    if (codes.includes(130)) throw new TorchvaeError('ERR_ABORTED', 'The search was aborted');
    if (codes.includes(0)) return;
    throw new TorchvaeError('ERR_STATE', `All ${count} workers failed; their messages stand above`);
  } finally {
    process.off('SIGTERM', passOn).off('SIGINT', passOn);
  }
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
}
