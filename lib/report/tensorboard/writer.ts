import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { types } from 'node:util';
import { checkInteger, checkOptions, checkPath, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { ioError, makeDirectory } from '../../files.ts';
import type { Picture } from '../png.ts';
import { histogramValue, imageValue, scalarValue, startEvent, summaryEvent, versionEvent } from './events.ts';
import { record } from './record.ts';

/** Numbers the files that one process begins in the same second. */
let files = 0;

/**
 * Writes logs for TensorBoard: `tensorboard --logdir DIRECTORY`. Values are written in the order of the calls; each promise resolves
 * when its value is in the file.
 *
 * @example
 * const board = new TensorBoardWriter('runs/digits/tensorboard');
 * for await (const { step, train } of vae.fit(data)) await board.scalar('elbo/train', step, train.elbo);
 * await board.close();
 */
export class TensorBoardWriter {
  /** The folder that the file lies in. */
  readonly directory: string;
  readonly #begin: number | undefined;
  #file: Promise<FileHandle> | undefined;
  #path = '';
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  /**
   * The file is made when the first value is written.
   *
   * @param directory created if it does not exist
   * @param options.from the step at which an earlier run is resumed: TensorBoard drops its values from this step on
   * @throws TorchvaeError ERR_TYPE, ERR_RANGE
   */
  constructor(directory: string, options: { from?: number } = {}) {
    this.directory = checkPath('directory', directory);
    const { from } = checkOptions('options of TensorBoardWriter', options, ['from']);
    this.#begin = from === undefined ? undefined : checkStep('from', from);
  }

  /**
   * A number, shown as a curve over the steps.
   *
   * @param tag its name; what stands before a slash groups curves
   * @throws TorchvaeError ERR_TYPE, ERR_RANGE, ERR_IO, ERR_STATE after close()
   */
  async scalar(tag: string, step: number, value: number): Promise<void> {
    if (typeof value !== 'number') throw new TorchvaeError('ERR_TYPE', expected('a number', 'value', value));
    await this.#write(tag, step, scalarValue(value));
  }

  /** A picture, such as `imageGrid` makes. Throws as {@link scalar} does, and what `encodePng` throws. */
  async image(tag: string, step: number, picture: Picture): Promise<void> {
    await this.#write(tag, step, imageValue(picture));
  }

  /**
   * How values are distributed, in 64 buckets of one width from the least to the largest.
   *
   * @throws TorchvaeError ERR_NONFINITE for values that are NaN or infinite, and what {@link scalar} throws
   */
  async histogram(tag: string, step: number, values: Float32Array | readonly number[]): Promise<void> {
    await this.#write(tag, step, histogramValue(checkValues(values)));
  }

  /** Waits for all values to be written, and closes the file. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
    const file = await this.#file;
    this.#file = undefined;
    await file?.close();
  }

  #write(tag: string, step: number, value: Uint8Array): Promise<void> {
    if (typeof tag !== 'string' || tag === '')
      throw new TorchvaeError('ERR_TYPE', expected('a name', 'tag', tag));
    const event = summaryEvent(Date.now() / 1000, checkStep('step', step), tag, value);
    if (this.#closed) throw new TorchvaeError('ERR_STATE', 'This TensorBoardWriter was closed; make another');
    const written = this.#last.then(() => this.#append(event));
    this.#last = written.catch(() => {});
    return written;
  }

  async #append(event: Uint8Array): Promise<void> {
    this.#file ??= this.#open();
    const file = await this.#file;
    await file.appendFile(record(event)).catch((cause) => {
      throw ioError('write', this.#path, cause);
    });
  }

  async #open(): Promise<FileHandle> {
    const seconds = Date.now() / 1000;
    const name = `events.out.tfevents.${Math.floor(seconds)}.${hostname()}.${process.pid}.${files++}`;
    this.#path = join(this.directory, name);
    try {
      await makeDirectory(this.directory);
      const file = await open(this.#path, 'ax');
      await file.appendFile(record(versionEvent(seconds)));
      if (this.#begin !== undefined) await file.appendFile(record(startEvent(seconds, this.#begin)));
      return file;
    } catch (cause) {
      throw ioError('write', this.#path, cause);
    }
  }
}

function checkStep(name: string, step: unknown): number {
  return checkInteger(name, step, 0);
}

function checkValues(values: unknown): Float32Array | readonly number[] {
  const isArray = Array.isArray(values) || types.isFloat32Array(values);
  if (!isArray || values.length === 0) {
    throw new TorchvaeError(
      'ERR_TYPE',
      expected('a Float32Array or numbers, at least one,', 'values', values),
    );
  }
  const bad = (values as readonly unknown[]).findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return values;
  throw new TorchvaeError('ERR_NONFINITE', expected('finite numbers', `values[${bad}]`, values[bad]));
}
