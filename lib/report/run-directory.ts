import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TorchvaeError } from '../errors.ts';
import { ioError, writeFileAtomic } from '../files.ts';
import { encodePng, type Picture } from './png.ts';

export const CHECKPOINT_FILE = 'checkpoint.safetensors';
const CONFIG_FILE = 'config.json';
const METRICS_FILE = 'metrics.jsonl';

/** A line of `metrics.jsonl`. */
export interface MetricsLine {
  epoch: number;
  step: number;
  seconds: number;
  train: object;
  test?: object;
}

/** The folder that a training run leaves: configuration, metrics, pictures, checkpoint. */
export class RunDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @throws TorchvaeError ERR_IO */
  static async open(path: string): Promise<RunDirectory> {
    await mkdir(path, { recursive: true }).catch((cause) => {
      throw ioError('create', path, cause);
    });
    return new RunDirectory(path);
  }

  get checkpoint(): string {
    return join(this.path, CHECKPOINT_FILE);
  }

  async writeConfig(config: object): Promise<void> {
    await writeFileAtomic(join(this.path, CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`);
  }

  /** @throws TorchvaeError ERR_IO where there is none, ERR_CHECKPOINT where it is no JSON object */
  async readConfig(): Promise<Record<string, unknown>> {
    const path = join(this.path, CONFIG_FILE);
    const text = await readFile(path, 'utf8').catch((cause) => {
      throw ioError('read', path, cause);
    });
    try {
      const value = JSON.parse(text);
      if (typeof value === 'object' && value !== null) return value;
    } catch {
      // the message below serves both
    }
    throw new TorchvaeError(
      'ERR_CHECKPOINT',
      `Expected a JSON object in ${path}; start the run anew in another --out`,
    );
  }

  /** Keeps the lines of the first `epochs` epochs: those after the checkpoint that a run resumes from will come again. */
  async keepMetrics(epochs: number): Promise<void> {
    const path = join(this.path, METRICS_FILE);
    const text = epochs === 0 ? '' : await readFile(path, 'utf8').catch(() => '');
    const kept = text.split('\n').filter((line) => line !== '' && epochOf(line) <= epochs);
    await writeFileAtomic(path, kept.map((line) => `${line}\n`).join(''));
  }

  async appendMetrics(line: MetricsLine): Promise<void> {
    const path = join(this.path, METRICS_FILE);
    await appendFile(path, `${JSON.stringify(line)}\n`).catch((cause) => {
      throw ioError('write', path, cause);
    });
  }

  async writePicture(name: string, picture: Picture): Promise<void> {
    await writeFileAtomic(join(this.path, name), encodePng(picture));
  }
}

/** A line that a crash cut short counts as one of an epoch that is not kept. */
function epochOf(line: string): number {
  try {
    return JSON.parse(line).epoch;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
