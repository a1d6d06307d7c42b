import { existsSync } from 'node:fs';
import { checkInteger, checkNumber, checkOneOf } from '../check.ts';
import type { Dataset } from '../data/dataset.ts';
import type { StreamedDataset } from '../data/streamed-dataset.ts';
import { PRECISIONS } from '../model/precision.ts';
import { completeSpec, type ModelSpecInput } from '../model/spec.ts';
import type { EpochRecord } from '../report/epochs.ts';
import { RunDirectory } from '../report/run-directory.ts';
import type { DeviceName } from '../runtime/device.ts';
import type { FitOptions } from '../training/fit-options.ts';
import { checkSchedule } from '../training/learning-rate.ts';
import { checkOptimizer } from '../training/optimizer.ts';
import { applyOverrides } from '../training/overrides.ts';
import { VAE } from '../vae.ts';
import type { TrialSettings } from './settings.ts';

/** One training that a search asks for. */
export interface TrialJob {
  settings: TrialSettings;
  /** Of the weights, the noise and the order of the data. */
  seed: number;
  /** The run directory to write; where it holds a checkpoint, training goes on from there. */
  directory: string;
  signal: AbortSignal;
  /** Of a CPU: the thread that trains alone, beside other jobs. Default all threads. */
  lane?: number;
  /**
   * Called after each epoch, when its checkpoint is written, with the number of trained weights; where training goes on from a
   * checkpoint, first for the epochs before. Training ends where it answers `stop`.
   */
  onEpoch(epoch: EpochRecord, parameters: number): Promise<'go on' | 'stop'>;
}

/** What trains the settings of trials. The search knows nothing else of models and data. */
export interface TrialRunner {
  /** Throws what `VAE.create` or `VAE.fit` would for settings that cannot be trained. */
  check(settings: TrialSettings): void;
  /**
   * Trains, and leaves a run directory.
   *
   * @returns the number of trained weights, and how many such jobs can be trained at a time, each in a lane
   * @throws TorchvaeError ERR_ABORTED when the signal fires, with a checkpoint at the step it came to; what `VAE.fit` throws
   */
  run(job: TrialJob): Promise<{ parameters: number; lanes: number }>;
}

/** The data of a training, and what every epoch is judged by, with its name in `metrics.jsonl`. */
export interface TrialData {
  data: Dataset | StreamedDataset;
  judge: Dataset | StreamedDataset;
  judgedBy: 'validation' | 'test';
}

/** What a {@link TrialRunner} over one data set is made of. */
export interface RunnerParts {
  device: DeviceName;
  /** Of one example. */
  inputShape: readonly number[];
  /** The data; a part that is held out may depend on the seed. */
  open(seed: number): Promise<TrialData>;
  /** The preset's model as it suits the data, before `set` is applied. */
  specFor(settings: TrialSettings): ModelSpecInput;
  /** The content of a run's config.json. */
  describe(
    settings: TrialSettings,
    seed: number,
    vae: VAE,
    data: TrialData,
    fit: Partial<FitOptions>,
  ): object;
}

/** Trains one model after the other in this process. */
export function serialRunner(parts: RunnerParts): TrialRunner {
  return {
    check: (settings) => checkSettings(parts, settings),
    run: (job) => train(parts, job),
  };
}

function checkSettings({ specFor, inputShape }: RunnerParts, settings: TrialSettings): void {
  const { spec, fit } = applyOverrides(specFor(settings), settings.set);
  const { precision, epochs, batchSize, learningRate } = settings;
  checkOneOf('precision', precision, PRECISIONS);
  checkInteger('epochs', epochs, 1);
  checkInteger('batchSize', batchSize, 1, 1 << 20);
  checkNumber('learningRate', learningRate, 0, 1e3);
  completeSpec({ ...spec, inputShape });
  checkOptimizer(fit);
  checkSchedule(fit.schedule);
}

async function train(parts: RunnerParts, job: TrialJob): ReturnType<TrialRunner['run']> {
  const { settings, seed, signal } = job;
  const { epochs, batchSize, learningRate, precision } = settings;
  const { spec, fit } = applyOverrides(parts.specFor(settings), settings.set);
  const opened = await parts.open(seed);
  const { data, judge, judgedBy } = opened;
  const run = new RunDirectory(job.directory);
  const device = job.lane === undefined ? parts.device : (`cpu/${job.lane}` as const);
  using vae = existsSync(run.checkpoint)
    ? await VAE.load(run.checkpoint, { device })
    : await VAE.create({
        preset: settings.preset,
        spec: { ...spec, inputShape: parts.inputShape },
        device,
        seed,
        precision,
      });
  const results = vae.fit(data, {
    epochs: Math.max(0, epochs - vae.epoch),
    batchSize,
    learningRate,
    validation: judge,
    latentHealth: true,
    ...fit,
    signal,
  });
  await run.create();
  await run.removeUnfinished();
  await run.keepMetrics(vae.epoch);
  await run.writeConfig(parts.describe(settings, seed, vae, opened, fit));
  const parameters = vae.parameterCount;
  for (const epoch of await run.readEpochs()) {
    if ((await job.onEpoch(epoch, parameters)) === 'stop') return { parameters, lanes: vae.lanes };
  }
  try {
    for await (const result of results) {
      const { validation, ...line } = result;
      await run.appendMetrics({ ...line, ...(validation && { [judgedBy]: validation }) });
      if (result.best.epoch === result.epoch) await vae.save(run.best);
      await vae.save(run.checkpoint);
      if ((await job.onEpoch(result, parameters)) === 'stop') break;
    }
  } catch (error) {
    if (signal.aborted && vae.step > 0) await vae.save(run.checkpoint);
    throw error;
  }
  return { parameters, lanes: vae.lanes };
}
