import { randomBytes } from 'node:crypto';
import { lstat, readFile, readlink, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { TorchvaeError } from '../errors.ts';
import { ioError } from '../files.ts';
import { type OnProgress, throwIfAborted } from './progress.ts';

/** How often a holder touches its lock, in milliseconds. */
const HEARTBEAT = 1_000;

/** Milliseconds after which a file that nobody touches is one of a dead process. */
const PATIENCE = 15_000;

/** How to wait for a lock. */
export interface LockOptions {
  /** Called once when another process holds the lock. */
  onProgress?: OnProgress | undefined;
  /** Stops waiting. */
  signal?: AbortSignal | undefined;
  /** False: fails with ERR_STATE once the holder is seen to live, which takes a second or two; default true. */
  waits?: boolean;
  /** Milliseconds after which a lock that nobody touches is broken; default 15,000. */
  patience?: number;
  /** Milliseconds between two tries; default 200. */
  pause?: number;
}

/** Whoever holds a lock. */
export interface Holder {
  pid: number;
  host: string;
  /** Tells one holding from another, also by the same process. */
  token: string;
}

/** A lock file at one moment. */
export interface Sight {
  /** Undefined while the holder is still writing it. */
  holder: Holder | undefined;
  /** Another where the file was touched since, or is another one. */
  state: string;
}

/**
 * Takes the lock file `path`, waiting while somebody else holds it. A lock whose process is dead, or which has not been
 * touched for 15 s (process identifiers repeat in containers), is broken, by one of those that wait. Where two hold it by
 * mistake, one may take the other's files for left-overs, which then ends with an error: what is installed is whole, as one
 * rename makes it.
 *
 * @returns gives the lock back, unless it was broken and is somebody else's by now
 * @throws TorchvaeError ERR_IO if the lock cannot be written, ERR_ABORTED, ERR_STATE (see {@link LockOptions.waits})
 */
export async function takeLock(path: string, options: LockOptions = {}): Promise<() => Promise<void>> {
  const { patience = PATIENCE, pause = 200, waits = true } = options;
  const token = randomBytes(8).toString('hex');
  let announced = false;
  const [age, guardAge, pulse] = [new Age(), new Age(), new Pulse()];
  while (!(await tryLock(path, token))) {
    throwIfAborted(options.signal);
    const seen = await look(path);
    if (!seen) continue;
    if (!waits && pulse.isIn(seen))
      throw new TorchvaeError('ERR_STATE', `${path} is held by another process`);
    if (isDead(seen.holder) || age.of(seen) > patience) {
      if (await breakLock(path, seen, token)) continue;
      // Another one breaks it, unless it died over that.
      const guard = await look(guardOf(path));
      if (guard && (isDead(guard.holder) || guardAge.of(guard) > patience)) {
        await rm(guardOf(path), { force: true });
      }
    }
    if (!announced) {
      const { holder } = seen;
      const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another process';
      options.onProgress?.({
        phase: 'wait',
        message: `Waiting for ${who}, which is setting up libtorch too`,
      });
      announced = true;
    }
    await sleep(pause);
  }
  const stop = beat(path);
  return async () => {
    stop();
    if ((await look(path))?.holder?.token === token) await rm(path, { force: true });
  };
}

/** Touches a file every second until the result is called. */
export function beat(path: string): () => void {
  const timer = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), HEARTBEAT);
  timer.unref();
  return () => clearInterval(timer);
}

/** How long a file has looked the same, on this machine's clock: a file server's may be off. */
export class Age {
  #last = '';
  #since = 0;

  /** In milliseconds. */
  of({ state }: Sight): number {
    const now = performance.now();
    if (state !== this.#last) [this.#last, this.#since] = [state, now];
    return now - this.#since;
  }
}

/** Finds out whether a holder lives: whether it touches its lock while somebody looks. */
class Pulse {
  #first: Sight | undefined;

  isIn(sight: Sight): boolean {
    if (this.#first && this.#first.holder?.token === sight.holder?.token)
      return this.#first.state !== sight.state;
    this.#first = sight;
    return false;
  }
}

/**
 * Removes a lock that was found dead, if it is still that one: of two that find it dead at once, the second would otherwise
 * remove the lock that the first has taken since. A file beside it, which one at a time can make, guards the look and the removal.
 *
 * @returns whether this call held the guard
 */
async function breakLock(path: string, seen: Sight, token: string): Promise<boolean> {
  const guard = guardOf(path);
  if (!(await tryLock(guard, token))) return false;
  try {
    const now = await look(path);
    if (now?.state === seen.state) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
  return true;
}

function guardOf(path: string): string {
  return `${path}.break`;
}

async function tryLock(path: string, token: string): Promise<boolean> {
  const holder: Holder = { pid: process.pid, host: hostname(), token };
  try {
    await writeFile(path, JSON.stringify(holder), { flag: 'wx' });
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw ioError('create', path, cause);
  }
}

/** Undefined where there is no file. */
export async function look(path: string): Promise<Sight | undefined> {
  const file = await lstat(path).catch((error: NodeJS.ErrnoException) => error);
  if ('code' in file && file.code === 'ENOENT') return undefined;
  const touched = 'mtimeMs' in file ? file.mtimeMs : '?';
  // Other programs lock by a link, which need not lead anywhere.
  const isLink = 'isSymbolicLink' in file && file.isSymbolicLink();
  const text = await (isLink ? readlink(path) : readFile(path, 'utf8')).catch(() => '');
  return { holder: parseHolder(text), state: `${touched} ${text}` };
}

function parseHolder(text: string): Holder | undefined {
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return undefined;
  }
}

/** Whether its process, on this machine, has ended. */
export function isDead(holder: Holder | undefined): boolean {
  if (!holder || holder.host !== hostname() || holder.pid === process.pid) return false;
  try {
    process.kill(holder.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
