import { existsSync } from 'node:fs';
import { open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { types } from 'node:util';
import { TorchvaeError } from '../errors.ts';
import { ioError, isTemporaryFile, makeDirectory, writeFileAtomic } from '../files.ts';
import type { Losses } from '../model/losses.ts';
import type { EpochResult } from '../training/fit-options.ts';
import { type EpochRecord, parseEpochs } from './epochs.ts';
import { decodePng, encodePng, type Picture } from './png.ts';

export const CHECKPOINT_FILE = 'checkpoint.safetensors';
export const BEST_FILE = 'best.safetensors';
export const CONFIG_FILE = 'config.json';
const METRICS_FILE = 'metrics.jsonl';

/** A line of `metrics.jsonl`: a result of `fit()`, with its validation under the name `validation` or `test`. */
export interface MetricsLine extends Omit<EpochResult, 'validation'> {
  validation?: Losses;
  test?: Losses;
}

/** The folder that a training run leaves: configuration, metrics, pictures, checkpoint. */
export class RunDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Creates the folder if it does not exist.
   *
   * @throws TorchvaeError ERR_IO
   */
  async create(): Promise<void> {
    await makeDirectory(this.path).catch((cause) => {
      throw ioError('create', this.path, cause);
    });
  }

  /**
   * Removes the unfinished files of a killed process. Only for the process that writes the run: those of one that lives look
   * the same, and it would fail without them.
   *
   * @throws TorchvaeError ERR_IO
   */
  async removeUnfinished(): Promise<void> {
    try {
      const left = (await readdir(this.path)).filter(isTemporaryFile);
      await Promise.all(left.map((name) => rm(join(this.path, name), { force: true })));
    } catch (cause) {
      throw ioError('clear', this.path, cause);
    }
  }

  get checkpoint(): string {
    return join(this.path, CHECKPOINT_FILE);
  }

  /**
   * That of the best epoch. To be written before {@link checkpoint}, which says which epoch that was: where a run is killed
   * between the two, the epoch comes again and writes the same.
   */
  get best(): string {
    return join(this.path, BEST_FILE);
  }

  get config(): string {
    return join(this.path, CONFIG_FILE);
  }

  async writeConfig(config: object): Promise<void> {
    await writeFileAtomic(this.config, `${JSON.stringify(config, null, 2)}\n`);
  }

  /** @throws TorchvaeError ERR_IO where there is none, ERR_CHECKPOINT where it is no JSON object */
  async readConfig(): Promise<Record<string, unknown>> {
    const path = this.config;
    const text = await readText(path);
    try {
      const value = JSON.parse(text);
      if (typeof value === 'object' && value !== null) return value;
    } catch {
      // The message below covers both.
    }
    throw new TorchvaeError(
      'ERR_CHECKPOINT',
      `Expected a JSON object in ${path}; start the run anew in another --out`,
    );
  }

  /** Keeps the lines of the first `epochs` epochs: those after the checkpoint that a run resumes from will come again. */
  async keepMetrics(epochs: number): Promise<void> {
    const path = join(this.path, METRICS_FILE);
    // A file that is there and cannot be read must not be written over with nothing.
    const text = epochs === 0 || !existsSync(path) ? '' : await readText(path);
    const kept = text.split('\n').filter((line) => line !== '' && epochOf(line) <= epochs);
    await writeFileAtomic(path, kept.map((line) => `${line}\n`).join(''));
  }

  /**
   * The epochs that have ended.
   *
   * @throws TorchvaeError ERR_IO where there is no `metrics.jsonl`
   */
  async readEpochs(): Promise<EpochRecord[]> {
    return parseEpochs(await readText(join(this.path, METRICS_FILE)));
  }

  /** To be called before the checkpoint of that epoch is written: a line too many is dropped by a resume, one that is missing never comes. */
  async appendMetrics(line: MetricsLine): Promise<void> {
    const path = join(this.path, METRICS_FILE);
    try {
      const file = await open(path, 'a');
      try {
        await file.appendFile(`${JSON.stringify(line, plainArrays)}\n`);
        await file.datasync();
      } finally {
        await file.close();
      }
    } catch (cause) {
      throw ioError('write', path, cause);
    }
  }

  /** A picture that {@link writePicture} wrote, if there is one. */
  async readPicture(name: string): Promise<Picture | undefined> {
    const bytes = await readFile(join(this.path, name)).catch(() => undefined);
    return bytes && decodePng(bytes);
  }

  /** Returns the path of the picture. */
  async writePicture(name: string, picture: Picture): Promise<string> {
    const path = join(this.path, name);
    await writeFileAtomic(path, encodePng(picture));
    return path;
  }
}

function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause) => {
    throw ioError('read', path, cause);
  });
}

/** A replacer for `JSON.stringify`, which makes an object of a typed array without it. */
export function plainArrays(_key: string, value: unknown): unknown {
  return types.isFloat32Array(value) ? Array.from(value) : value;
}

/** A line that a crash cut short counts as one of an epoch that is not kept. */
function epochOf(line: string): number {
  try {
    return JSON.parse(line).epoch;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
