import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { TorchvaeError } from '../../../errors.ts';
import { badData, checkFileSize, withFile } from '../../files/source.ts';
import { streamAborted } from '../../streams/source.ts';
import type { Column } from '../../tables/table.ts';
import type { ParquetAnswer, ParquetRequest } from './child.ts';

/** MiB of JavaScript values that reading may take: a base, what a file of MiB adds, and the most. */
const HEAP = { base: 512, perFile: 64, most: 8192 };

/** The program of the process; tests run its built form, since Node 20 cannot run the source. */
const CHILD = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../../../dist/data/formats/parquet/child.js' : './child.js',
    import.meta.url,
  ),
);

/** The limits of a {@link ParquetProcess}. */
export interface ProcessLimits {
  /** Bytes of the file. */
  maxFile: number;
  /** Seconds until an answer. */
  timeLimit: number;
  /** Ends the process at once. */
  signal?: AbortSignal | undefined;
}

/**
 * A process that reads a Parquet file and answers questions about it, one at a time. Its memory is bounded by the size of the file, and
 * each answer's time by `timeLimit`, since a file can state any size to the parser.
 */
export class ParquetProcess {
  /** Of the file that is open. */
  #path: string;
  readonly #megabytes: number;
  readonly #limits: ProcessLimits;
  readonly #child: ChildProcess;
  #fail: ((error: TorchvaeError) => void) | undefined;
  #isReady = false;
  readonly #abort = () => this.#end(streamAborted(this.#path, this.#limits.signal!));

  private constructor(path: string, megabytes: number, limits: ProcessLimits) {
    this.#path = path;
    this.#megabytes = Math.ceil(megabytes);
    this.#limits = limits;
    this.#child = fork(CHILD, {
      execArgv: [`--max-old-space-size=${this.#megabytes}`],
      env: { ...process.env, NODE_OPTIONS: '' },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#child.on('error', (cause) =>
      this.#fail?.(badData(path, `reading it failed: ${cause.message}`, cause)),
    );
    this.#child.once('message', () => {
      this.#isReady = true;
    });
    // V8 ends a process that has no memory left.
    this.#child.on('exit', (code, end) => this.#fail?.(this.#ended(end ?? code)));
    limits.signal?.addEventListener('abort', this.#abort);
    if (limits.signal?.aborted) this.#abort();
  }

  /**
   * @param paths of the files that it is to open
   * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT unless these are Parquet files of at most `maxFile` bytes
   */
  static async start(paths: readonly string[], limits: ProcessLimits): Promise<ParquetProcess> {
    const sizes = await Promise.all(paths.map((path) => sizeOf(path, limits.maxFile)));
    const size = Math.max(...sizes);
    return new ParquetProcess(
      paths[0]!,
      Math.min(HEAP.most, HEAP.base + (HEAP.perFile * size) / 2 ** 20),
      limits,
    );
  }

  /**
   * @param take gets the columns of a table before the answer comes
   * @throws TorchvaeError the process's error, ERR_DATA_FORMAT where it ran out of memory or time, ERR_ABORTED
   */
  ask<T>(request: ParquetRequest, take: (column: Column) => void = () => {}): Promise<T> {
    if (request.type === 'open') this.#path = request.path;
    const { signal, timeLimit } = this.#limits;
    return new Promise<T>((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        this.#fail = undefined;
        this.#child.off('message', listen);
      };
      const listen = (answer: ParquetAnswer) => {
        if ('ready' in answer) return;
        if ('column' in answer) {
          take(answer.column);
          return;
        }
        settle();
        if ('done' in answer) resolve(answer.done as T);
        else reject(new TorchvaeError(answer.code, answer.message));
      };
      this.#fail = (error) => {
        settle();
        reject(error);
      };
      const timer = Number.isFinite(timeLimit)
        ? setTimeout(() => this.#end(this.#late()), 1000 * timeLimit)
        : undefined;
      this.#child.on('message', listen);
      if (signal?.aborted) this.#abort();
      else if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        this.#fail(this.#ended(this.#child.signalCode ?? this.#child.exitCode));
      // A failure to send also ends the process or raises its error event.
      else this.#child.send(request, () => {});
    });
  }

  /** Ends the process, and waits until it has. */
  async close(): Promise<void> {
    this.#limits.signal?.removeEventListener('abort', this.#abort);
    const { exitCode, signalCode, pid } = this.#child;
    if (exitCode !== null || signalCode !== null || pid === undefined) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  #end(error: TorchvaeError): void {
    this.#fail?.(error);
    this.#child.kill('SIGKILL');
  }

  #ended(how: string | number | null): TorchvaeError {
    if (!this.#isReady && typeof how === 'number') {
      return new TorchvaeError(
        'ERR_ADDON',
        `The program that reads Parquet files (${CHILD}) ended with ${how} before it began: it, or the packages hyparquet and ` +
          'hyparquet-compressors, are missing; deploy torchvae with all its dependencies, since tools that trace imports do not find these',
      );
    }
    const trouble = `expected a whole Parquet file that unpacks to at most ${this.#megabytes} MiB but reading it ended with ${how}`;
    return badData(this.#path, `${trouble}; it is damaged, or divide it, or ignore columns`);
  }

  #late(): TorchvaeError {
    const { timeLimit } = this.#limits;
    return badData(
      this.#path,
      `expected a row group to be read within ${timeLimit} s but it was not; it is damaged, or divide it, or give a longer timeLimit`,
    );
  }
}

/** @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT unless it is a Parquet file of at most `most` bytes */
function sizeOf(path: string, most: number): Promise<number> {
  return withFile(path, async (file) => {
    checkFileSize(file, most);
    const start = await file.read(0, 4);
    if (file.size < 12 || Buffer.from(start).toString('latin1') !== 'PAR1') {
      throw badData(
        path,
        `expected PAR1 at offset 0 but received ${Buffer.from(start).toString('hex') || 'nothing'}; it is not a Parquet file`,
      );
    }
    return file.size;
  });
}
