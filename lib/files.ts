import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TorchvaeError } from './errors.ts';

/** What to do about the failures of file systems that users meet. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'permission was denied; choose another place or change the permissions',
  EEXIST: 'a file of this name is in the way; choose another name',
  EDQUOT: 'the disk quota is used up; free some space or choose another place',
  EISDIR: 'it is a directory; name a file',
  EMFILE: 'too many files are open; raise the limit of open files',
  ENOENT: 'it does not exist; check the spelling and create the missing directory',
  ENOSPC: 'no space is left on the device; free some space or choose another place',
  ENOTDIR: 'a part of the path is a file; name a directory there',
  ENOTEMPTY: 'it is a directory; name a file',
  EPERM: 'the operation is not permitted; choose another place or change the permissions',
  EROFS: 'the file system is read-only; choose another place',
};

/** An ERR_IO error out of what node:fs threw: "Could not ACTION PATH: advice (system code)". */
export function ioError(action: string, path: string, cause: unknown): TorchvaeError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const advice =
    code === 'ENOENT' && action === 'read' ? 'it does not exist; check the spelling' : ADVICE[code];
  const reason = advice ? `${advice} (${code})` : String((cause as Error).message ?? cause);
  return new TorchvaeError('ERR_IO', `Could not ${action} ${path}: ${reason}`, { cause });
}

/**
 * Creates a directory with those above it, unless it is there. Node's own way never ends where the system says ENOENT below a directory that
 * exists, as /proc and some network file systems do.
 *
 * @throws what node:fs throws
 */
export async function makeDirectory(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return;
  const above = dirname(path);
  if (above !== path) await makeDirectory(above);
  await mkdir(path).catch(async (cause) => {
    // Another process may have been faster.
    if (cause.code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw cause;
  });
}

/**
 * Writes a whole file so that `path` holds either its old or its new content, whatever is interrupted: the content goes
 * to a new file beside it, reaches the disk, and takes the name in one rename. The directory must exist. A link stays one, and a pipe or
 * device, such as /dev/stdout, is written to: a rename would put a file in its place.
 *
 * @param chunks the content; several arrays or strings are written one after the other, strings as UTF-8
 * @throws TorchvaeError ERR_IO, leaving no temporary file behind; errors with a code of what gives the content are passed on
 */
export async function writeFileAtomic(
  path: string,
  chunks: Uint8Array | readonly Uint8Array[] | string | AsyncIterable<string>,
): Promise<void> {
  const pieces = typeof chunks === 'string' || chunks instanceof Uint8Array ? [chunks] : chunks;
  try {
    const found = await stat(path).catch(() => undefined);
    if (found && !found.isFile() && !found.isDirectory()) await write(path, 'w', pieces);
    else await replaceFile(await realpath(path).catch(() => path), pieces);
  } catch (cause) {
    throw cause instanceof TorchvaeError ? cause : ioError('write', path, cause);
  }
}

type Pieces = Iterable<Uint8Array | string> | AsyncIterable<string>;

async function replaceFile(path: string, pieces: Pieces): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await write(temporary, 'wx', pieces);
    await rename(temporary, path);
    await syncDirectory(directory);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw cause;
  }
}

/** Whether this is the name of an unfinished file of {@link writeFileAtomic}. */
export function isTemporaryFile(name: string): boolean {
  return /^\..+\.[0-9a-f]{12}\.tmp$/.test(name);
}

/** @param flag `wx` for a new file, which reaches the disk */
async function write(path: string, flag: 'w' | 'wx', pieces: Pieces): Promise<void> {
  const file = await open(path, flag);
  try {
    for await (const piece of pieces)
      await writeAll(file, typeof piece === 'string' ? Buffer.from(piece) : piece);
    if (flag === 'wx') await file.sync();
  } finally {
    await file.close();
  }
}

/** One system call may write less than it was asked to, and never more than 2 GiB. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(bytes.length - done, 2 ** 30));
    done += bytesWritten;
  }
}

/** The rename itself is on the disk only once its directory is. Windows and some network file systems cannot do it. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
