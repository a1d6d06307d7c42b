import {
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkPath,
  checkSignal,
  expected,
} from '../check.ts';
import type { Dataset } from '../data/dataset.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import { TorchvaeError } from '../errors.ts';
import { type PresetName, presetNames, preset as presetOf } from '../model/presets.ts';
import { describeModel } from '../report/run-model.ts';
import type { DeviceName } from '../runtime/device.ts';
import { checkDefinition } from './check-definition.ts';
import { OBJECTIVE_NAMES, type ObjectiveName } from './objectives.ts';
import { PRUNERS, type PrunerName } from './pruning.ts';
import { runStudy } from './run-study.ts';
import { serialRunner, type TrialData, type TrialRunner } from './runner.ts';
import { SAMPLERS, type SamplerName } from './samplers.ts';
import { baseOf, type TrialSettings } from './settings.ts';
import type { Json } from './space/parameter.ts';
import { completeSpace, type Space, type ValuesOf } from './space/space.ts';
import type { StudyDefinition } from './study/definition.ts';
import { Study } from './study/study.ts';
import { bestOf, type Trial, trialOf } from './trial.ts';

/** How to search. */
export interface SearchOptions {
  /**
   * Where the study lies: `study.log`, and a run directory for each trial in `trials`. A study that is there is gone on with; other
   * processes, also on other machines, may work on it at the same time.
   */
  directory: string;
  /** The model and training that the values are put into. Default `mlp-400`. */
  preset?: PresetName;
  /** Settings that all trials share, by the names that a space has: `{ epochs: 5, 'optimizer.type': 'adamw' }`. */
  settings?: Readonly<Record<string, Json>>;
  /** What trials are judged by. Default a tenth of the data, held out by the seed; needed for streams. */
  validation?: Dataset | StreamedDataset;
  /**
   * The numbers of the best epoch that are searched by; of several, the trials that no other is better than. Default `elbo`,
   * which can be compared between values of beta, as the loss cannot.
   */
  objectives?: ObjectiveName | readonly ObjectiveName[];
  /** Default `bayesian`. */
  sampler?: SamplerName;
  /** Default `none`. */
  pruner?: PrunerName;
  /** Trials of the study in all. Default 50, or all combinations of a grid. */
  trials?: number;
  /** Seconds after which no trial is begun. Default: no limit. */
  timeout?: number;
  /** Trainings of each trial, under seeds from `seed` on; a trial's value is their mean. Default 1. */
  seeds?: number;
  /** Of the sampler and the trainings. Default 0. */
  seed?: number;
  /** Values of each range that a grid has. Default 5. */
  gridPoints?: number;
  /** Default `auto`. */
  device?: DeviceName;
  /** Ends the search: it throws ERR_ABORTED, and the trial under way is gone on with by the next call. */
  signal?: AbortSignal;
  /** Called when a trial of this process ends. */
  onTrial?: (trial: Trial) => void;
}

/** What a search found. */
export interface SearchResult<V = Record<string, Json>> {
  /** The best completed trial by the first objective; undefined where none was completed. */
  best: Trial<V> | undefined;
  /** The completed trials that no other is better than by all objectives. */
  front: readonly Trial<V>[];
  /** All trials of the study, those of other processes included. */
  trials: readonly Trial<V>[];
}

const KEYS = [
  'directory',
  'preset',
  'settings',
  'validation',
  'objectives',
  'sampler',
  'pruner',
  'trials',
  'timeout',
  'seeds',
  'seed',
  'gridPoints',
  'device',
  'signal',
  'onTrial',
] as const satisfies readonly (keyof SearchOptions)[];

/**
 * Searches settings of a model and its training.
 *
 * @example
 * const { best } = await search(
 *   { beta: { low: 0.5, high: 8, log: true }, latentSize: '2..64:int:log' },
 *   await mnist(),
 *   { directory: 'studies/beta', preset: 'linear', trials: 30, pruner: 'median' },
 * );
 * console.log(best?.values, best?.results);
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE, ERR_SPEC for a space or options that are not sound; ERR_STATE for a directory that holds
 * a study of another space; ERR_ABORTED when `signal` fires; the code of the last trial's error where five in a row fail; ERR_IO
 */
export async function search<const S extends Space>(
  space: S,
  data: Dataset | StreamedDataset,
  options: SearchOptions,
): Promise<SearchResult<ValuesOf<S>>> {
  const given = checkOptions('options of search', options, KEYS);
  const { trials, timeout, device = 'auto', validation, signal, onTrial } = given;
  const directory = checkPath('directory', given.directory);
  if (typeof data?.describe !== 'function') {
    throw new TorchvaeError('ERR_TYPE', expected('a Dataset or a StreamedDataset', 'data', data));
  }
  if (trials !== undefined) checkInteger('trials', trials, 1);
  checkNumber('timeout', timeout ?? 0, 0);
  checkSignal(signal);
  const definition = define(space, data, given);
  const runner = runnerOver(data, validation, device);
  checkDefinition(definition, runner);
  const study = await Study.open(directory, definition);
  await runStudy(study, runner, {
    trials: trials ?? defaultTrials(study),
    timeout: 1000 * (timeout ?? Number.POSITIVE_INFINITY),
    signal,
    onTrial,
  });
  return resultOf(study) as unknown as SearchResult<ValuesOf<S>>;
}

/** A whole grid, else 50. */
export function defaultTrials({ definition, size }: Study): number {
  return definition.sampler === 'grid' ? size : 50;
}

/** The trials of a study, and the best of them. */
export function resultOf(study: Study): SearchResult {
  const trials = study.trials.map((trial) => trialOf(study, trial));
  const front = bestOf(trials);
  const [first] = study.definition.objectives;
  // Of trials that are better than all others by something, the best by the first objective is the best of all by it.
  const isMore = ['elbo', 'activeUnits'].includes(first!);
  const [best] = [...front].sort((a, b) => (isMore ? -1 : 1) * (a.results[0]!.value - b.results[0]!.value));
  return { best, front, trials } as SearchResult;
}

function define(
  space: Space,
  data: Dataset | StreamedDataset,
  { preset = 'mlp-400', settings = {}, objectives = 'elbo', ...rest }: Partial<SearchOptions>,
): StudyDefinition {
  const names = [objectives].flat() as ObjectiveName[];
  return {
    parameters: completeSpace(space),
    objectives: names.map((name) => checkOneOf('objectives', name, OBJECTIVE_NAMES)),
    sampler: checkOneOf('sampler', rest.sampler ?? 'bayesian', Object.keys(SAMPLERS) as SamplerName[]),
    pruner: checkOneOf('pruner', rest.pruner ?? 'none', Object.keys(PRUNERS) as PrunerName[]),
    seed: checkInteger('seed', rest.seed ?? 0, 0),
    seeds: checkInteger('seeds', rest.seeds ?? 1, 1, 1000),
    gridPoints: checkInteger('gridPoints', rest.gridPoints ?? 5, 1, 1000),
    base: baseOf(checkOneOf('preset', preset, presetNames), settings),
    data: { name: data.name, examples: data.length, shape: [...data.shape] },
  };
}

function runnerOver(
  data: Dataset | StreamedDataset,
  validation: Dataset | StreamedDataset | undefined,
  device: DeviceName,
): TrialRunner {
  if (!validation && data instanceof StreamedDataset) {
    throw new TorchvaeError(
      'ERR_TYPE',
      expected('a data set, since nothing can be held out of a stream,', 'validation', validation),
    );
  }
  let held: { seed: number; data: TrialData } | undefined;
  return serialRunner({
    device,
    inputShape: data.shape,
    specFor: (settings) => presetOf(settings.preset).spec,
    async open(seed) {
      if (validation) return { data, judge: validation, judgedBy: 'validation' };
      if (held?.seed !== seed) {
        const parts = (data as Dataset).split({ validation: HOLDOUT, seed });
        held = { seed, data: { data: parts.train, judge: parts.validation, judgedBy: 'validation' } };
      }
      return held.data;
    },
    describe: (settings, seed, vae, opened, fit) =>
      configOf(settings, seed, opened, !validation, {
        ...describeModel(vae, fit),
      }),
  });
}

/** The share of the data that judges trials where no other data do. */
export const HOLDOUT = 0.1;

/** The content of config.json, as `torchvae train` would write it. */
function configOf(
  { preset, precision, ...training }: TrialSettings,
  seed: number,
  { data, judge }: TrialData,
  isHeldOut: boolean,
  model: object,
): object {
  return {
    preset,
    precision,
    seed,
    data: {
      name: data.name,
      examples: data.length + (isHeldOut ? judge.length : 0),
      shape: data.shape,
      kind: data.kind,
      description: data.describe(),
      judge: `${isHeldOut ? 'held out' : judge.name}: ${judge.length} examples`,
    },
    training: { ...training, ...(isHeldOut && { holdout: HOLDOUT }) },
    ...model,
    invocations: [{ date: new Date().toISOString(), arguments: process.argv.slice(2) }],
  };
}
