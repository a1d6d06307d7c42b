import { randomBytes } from 'node:crypto';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { ioError } from '../files.ts';
import { type OnProgress, throwIfAborted } from './progress.ts';

/** How often a holder touches its lock, in milliseconds. */
const HEARTBEAT = 1_000;

/** How to wait for a lock. */
export interface LockOptions {
  /** Called once when another process holds the lock. */
  onProgress?: OnProgress | undefined;
  /** Stops waiting. */
  signal?: AbortSignal | undefined;
  /** Milliseconds after which a lock that nobody touches is broken; default 15,000. */
  patience?: number;
}

interface Holder {
  pid: number;
  host: string;
  /** Tells one holding from another, also by the same process. */
  token: string;
}

/**
 * Takes the lock file `path`, waiting while somebody else holds it. A lock whose process is dead, or which has not been
 * touched for 15 s (process identifiers repeat in containers), is broken. Where two hold it by mistake, one may take the
 * other's files for left-overs, which then ends with an error: what is installed is whole, as one rename makes it.
 *
 * @returns gives the lock back, unless it was broken and is somebody else's by now
 * @throws TorchvaeError ERR_IO if the lock cannot be written, ERR_ABORTED
 */
export async function takeLock(path: string, options: LockOptions = {}): Promise<() => Promise<void>> {
  const { patience = 15_000 } = options;
  const token = randomBytes(8).toString('hex');
  let announced = false;
  // The age is measured on this machine's clock: a file server's clock may be off.
  let seen = { touched: Number.NaN, since: 0 };
  while (!(await tryLock(path, token))) {
    throwIfAborted(options.signal);
    const touched = await stat(path).then(
      (file) => file.mtimeMs,
      () => Number.NaN,
    );
    const now = performance.now();
    if (!Object.is(touched, seen.touched)) seen = { touched, since: now };
    const holder = await readHolder(path);
    if (isDead(holder) || now - seen.since > patience) {
      await rm(path, { force: true });
      continue;
    }
    if (!announced) {
      const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another process';
      options.onProgress?.({
        phase: 'wait',
        message: `Waiting for ${who}, which is setting up libtorch too`,
      });
      announced = true;
    }
    await sleep(200);
  }
  const timer = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), HEARTBEAT);
  timer.unref();
  return async () => {
    clearInterval(timer);
    if ((await readHolder(path))?.token === token) await rm(path, { force: true });
  };
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

/** Undefined while the holder is still writing it. */
async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

function isDead(holder: Holder | undefined): boolean {
  if (!holder || holder.host !== hostname() || holder.pid === process.pid) return false;
  try {
    process.kill(holder.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
