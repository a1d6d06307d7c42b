import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { TorchvaeError } from '../../errors.ts';
import type { RankPlace } from './place.ts';

const PAUSE_MS = 100;
/** For a machine that does not answer at all. */
const TRY_MS = 2000;

/**
 * Waits until rank 0 listens. c10d's own client would wait as well, but is deaf to an abort, and prints a stack at every try.
 *
 * @throws TorchvaeError ERR_DISTRIBUTED where it does not within `seconds`, ERR_ABORTED
 */
export async function awaitListener(
  { rank, size, host, port }: RankPlace,
  seconds: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const end = performance.now() + 1000 * seconds;
  for (;;) {
    const refusal = await tryOnce(host, port);
    if (refusal === undefined) return;
    if (signal?.aborted)
      throw new TorchvaeError('ERR_ABORTED', 'Training was aborted', { cause: signal.reason });
    if (performance.now() >= end) {
      throw new TorchvaeError(
        'ERR_DISTRIBUTED',
        `Rank ${rank} of ${size} did not reach rank 0 at ${host}:${port} (MASTER_ADDR:MASTER_PORT) within ${seconds} s: ` +
          `${refusal}. Check that rank 0 runs, and that its address and port are right`,
      );
    }
    await pause(PAUSE_MS);
  }
}

/** Why nobody was reached; undefined where somebody was. */
function tryOnce(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: TRY_MS });
    const end = (refusal?: string) => {
      socket.destroy();
      resolve(refusal);
    };
    socket
      .on('connect', () => end())
      .on('timeout', () => end('it does not answer'))
      .on('error', ({ message }) => end(message));
  });
}
