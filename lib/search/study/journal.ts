import { type FileHandle, open } from 'node:fs/promises';
import { TorchvaeError } from '../../errors.ts';
import { ioError } from '../../files.ts';
import { takeLock } from '../../setup/lock.ts';

/** One line of a journal. */
export type JournalRecord = Readonly<Record<string, unknown>> & { op_code: number };

/** Milliseconds between two looks at the lock: an append takes about one. */
const PAUSE = 20;
const NEWLINE = 10;

/**
 * The file of Optuna's `JournalFileBackend`: a line of JSON for each operation, appended while holding `FILE.lock`. A process that
 * is killed leaves at most a line without its end, which readers leave alone and the next writer cuts off.
 */
export class Journal {
  readonly path: string;
  /** Bytes that {@link read} has given. */
  #offset = 0;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * The records since the last call.
   *
   * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for a whole line that is not JSON
   */
  async read(): Promise<JournalRecord[]> {
    const file = await this.#open('r', 'read');
    try {
      const { size } = await file.stat();
      const bytes = Buffer.alloc(Math.max(0, size - this.#offset));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, this.#offset);
      const whole = bytes.subarray(0, bytesRead).lastIndexOf(NEWLINE) + 1;
      const lines = bytes.toString('utf8', 0, whole).split('\n').slice(0, -1);
      const records = lines.map((line) => this.#parse(line));
      this.#offset += whole;
      return records;
    } finally {
      await file.close();
    }
  }

  /** Does what no other process may come between; the lock of one that died is broken. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    const release = await takeLock(`${this.path}.lock`, { pause: PAUSE });
    try {
      return await work();
    } finally {
      await release();
    }
  }

  /** Appends in one write that reaches the disk; to be called within {@link exclusive}. */
  async append(records: readonly JournalRecord[]): Promise<void> {
    const file = await this.#open('a+', 'write');
    try {
      await cutTornLine(file);
      await file.appendFile(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
      await file.datasync();
    } catch (cause) {
      throw ioError('write', this.path, cause);
    } finally {
      await file.close();
    }
  }

  async #open(flags: string, action: string): Promise<FileHandle> {
    return open(this.path, flags).catch((cause) => {
      throw ioError(action, this.path, cause);
    });
  }

  #parse(line: string): JournalRecord {
    try {
      const record = JSON.parse(plainJson(line));
      if (typeof record?.op_code === 'number') return record;
    } catch {
      // The message below covers both.
    }
    throw new TorchvaeError(
      'ERR_DATA_FORMAT',
      `Expected lines of an Optuna journal in ${this.path} but received ${line.slice(0, 60)}; choose another file, or mend the line`,
    );
  }
}

/** Python writes numbers that JSON does not have. */
function plainJson(line: string): string {
  const numbers: Readonly<Record<string, string>> = { NaN: 'null', Infinity: '1e999', '-Infinity': '-1e999' };
  return line.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (part) => numbers[part] ?? part);
}

async function cutTornLine(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  const step = 4096;
  for (let end = size; end > 0; end -= step) {
    const start = Math.max(0, end - step);
    const bytes = Buffer.alloc(end - start);
    await file.read(bytes, 0, bytes.length, start);
    const last = bytes.lastIndexOf(NEWLINE);
    if (last < 0 && start > 0) continue;
    const whole = last < 0 ? 0 : start + last + 1;
    if (whole < size) await file.truncate(whole);
    return;
  }
}
