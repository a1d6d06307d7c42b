import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TorchvaeError } from '../errors.ts';
import type { RunDirectory } from '../report/run-directory.ts';
import { takeLock } from '../setup/lock.ts';

/** When the run's checkpoint was written; undefined without one. */
export function checkpointTime(run: RunDirectory): number | undefined {
  return existsSync(run.checkpoint) ? statSync(run.checkpoint).mtimeMs : undefined;
}

/**
 * Keeps other processes from writing the run: two would mix their epochs. The lock of a process that was killed is broken.
 *
 * @param begun {@link checkpointTime} before the run was read
 * @returns ends that
 * @throws TorchvaeError ERR_STATE where another process writes the run, or has since `begun`
 */
export async function holdRun(run: RunDirectory, begun: number | undefined): Promise<() => Promise<void>> {
  const release = await takeLock(join(run.path, '.lock'), {
    waits: false,
    onProgress: () =>
      process.stderr.write(`${run.path} is held by another process; looking whether it lives\n`),
  }).catch((cause) => {
    if (!(cause instanceof TorchvaeError && cause.code === 'ERR_STATE')) throw cause;
    throw new TorchvaeError(
      'ERR_STATE',
      `${run.path}: another process writes it: wait until that has ended, or give another --out`,
      { cause },
    );
  });
  if (checkpointTime(run) === begun) return release;
  await release();
  throw new TorchvaeError('ERR_STATE', `${run.path}: another process has written it meanwhile; start again`);
}
