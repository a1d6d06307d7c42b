import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { ioError } from '../../files.ts';
import { Age, beat, type Holder, isDead, look } from '../../setup/lock.ts';

/** Milliseconds without a beat after which a worker counts as dead: network file systems show a change up to a minute late. */
const PATIENCE = 75_000;

/** Who this process is, in files that workers share. */
export function thisWorker(): Holder {
  return { pid: process.pid, host: hostname(), token: randomBytes(8).toString('hex') };
}

/** Leaves a sign of life in the file `path`, every second until the result is called. */
export async function startBeating(path: string, worker: Holder): Promise<() => Promise<void>> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, JSON.stringify(worker));
  } catch (cause) {
    throw ioError('write', path, cause);
  }
  const stop = beat(path);
  return async () => {
    stop();
    await rm(path, { force: true });
  };
}

/** Watches the signs of life of other workers. */
export class Watch {
  readonly #ages = new Map<string, Age>();

  /** `dead` where its process on this machine has ended, or there was no beat for 75 s; `unknown` until a beat was seen. */
  async judge(path: string): Promise<'alive' | 'dead' | 'unknown'> {
    const sight = (await look(path)) ?? { holder: undefined, state: 'missing' };
    const known = this.#ages.get(path);
    const age = known ?? new Age();
    this.#ages.set(path, age);
    if (isDead(sight.holder)) return 'dead';
    const unchanged = age.of(sight);
    if (unchanged > PATIENCE) return 'dead';
    return known && unchanged === 0 ? 'alive' : 'unknown';
  }
}
