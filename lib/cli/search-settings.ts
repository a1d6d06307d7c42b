import { readFile } from 'node:fs/promises';
import { defined, describeValue } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { ioError } from '../files.ts';
import { preset } from '../model/presets.ts';
import { objectOf } from '../report/epochs.ts';
import type { DeviceName } from '../runtime/device.ts';
import { serialRunner, type TrialData, type TrialRunner } from '../search/runner.ts';
import { HOLDOUT } from '../search/search.ts';
import { baseOf, checkSettingName } from '../search/settings.ts';
import type { Json } from '../search/space/parameter.ts';
import { completeSpace, type Space } from '../search/space/space.ts';
import { isSearched, parseValue } from '../search/space/text.ts';
import type { StudyDefinition } from '../search/study/definition.ts';
import { describeRun } from './run-config.ts';
import { openRunData } from './run-data.ts';
import { type RunSettings, settingsOf, storedSettings } from './run-settings.ts';
import { specFor } from './run-spec.ts';
import { isStreamed } from './streams.ts';

/** The flags that make a study; those of `train` mean the same here. */
export interface StudyFlags extends Partial<RunSettings> {
  space?: string;
  sampler: StudyDefinition['sampler'];
  pruner: StudyDefinition['pruner'];
  objective?: string[];
  seeds: number;
  gridPoints: number;
}

/** What the flags say, but for what only the data tell. */
export interface Wanted {
  settings: RunSettings;
  definition: Omit<StudyDefinition, 'data'>;
}

/**
 * The study that the flags describe.
 *
 * @throws TorchvaeError ERR_RANGE, ERR_TYPE, ERR_IO, ERR_DATA_FORMAT for flags that do not
 */
export async function wantedStudy(flags: StudyFlags): Promise<Wanted> {
  const { space: file, sampler, pruner, objective = ['elbo'], seeds, gridPoints, set = [], ...given } = flags;
  const space: Record<string, unknown> = file === undefined ? {} : await readSpace(file);
  const { preset: name = 'mlp-400', epochs, batchSize, learningRate, precision, patience, seed = 0 } = given;
  const fixed: Record<string, Json> = defined({ epochs, batchSize, learningRate, precision });
  if (patience !== undefined) fixed['earlyStopping.patience'] = patience;
  for (const assignment of set) {
    const at = assignment.indexOf('=');
    if (at < 1) {
      throw new TorchvaeError('ERR_RANGE', `Expected KEY=VALUES for --set but received ${assignment}`);
    }
    const [key, text] = [assignment.slice(0, at), assignment.slice(at + 1)];
    checkSettingName(key, '--set');
    if (isSearched(text)) space[key] = text;
    else fixed[key] = parseValue(text);
  }
  const base = baseOf(name, fixed);
  const { training, validation = HOLDOUT } = preset(name);
  const settings: RunSettings = {
    preset: name,
    data: 'sprites',
    precision: 'float32',
    ...training,
    ...given,
    ...defined({ holdout: given.testData === undefined ? (given.holdout ?? validation) : given.holdout }),
    seed,
    set: base.set ?? [],
  };
  delete settings.patience;
  settings.stream = await isStreamed(settings, 'train');
  const objectives = objective as StudyDefinition['objectives'][number][];
  const parameters = completeSpace(space as Space);
  return { settings, definition: { parameters, objectives, sampler, pruner, seed, seeds, gridPoints, base } };
}

/** The settings that a study's file has, for its workers. */
export function settingsOfStudy(
  directory: string,
  { data }: StudyDefinition,
  given: Pick<RunSettings, 'dataDir'>,
): RunSettings {
  return { ...settingsOf(directory, { ...data }).settings, ...defined(given) };
}

/** Opens the data of the settings, and what trains on them. */
export async function openRunner(
  settings: RunSettings,
  device: DeviceName,
): Promise<{ runner: TrialRunner; data: StudyDefinition['data'] }> {
  const first = await openRunData(settings);
  const { schema, shape } = first.data;
  let last = { seed: settings.seed, opened: first };
  const openedBy = async (seed: number) => {
    // The part that is held out is that of `torchvae train --seed`, so that a trial can be repeated.
    if (last.seed !== seed) last = { seed, opened: await openRunData({ ...settings, seed }, schema) };
    return last.opened;
  };
  const runner = serialRunner({
    device,
    inputShape: shape,
    specFor: (trial) => specFor(trial, first.data),
    async open(seed): Promise<TrialData> {
      const { data, validation, test } = await openedBy(seed);
      return { data, judge: (validation ?? test)!, judgedBy: validation ? 'validation' : 'test' };
    },
    describe: (trial, seed, vae, _, fit) =>
      describeRun({ ...settings, ...trial, seed }, vae, last.opened, fit, undefined, undefined),
  });
  const examples = first.data.length + (first.validation?.length ?? 0);
  const stored = JSON.parse(JSON.stringify(storedSettings(settings)));
  return { runner, data: { ...stored, data: { ...stored.data, examples, shape: [...shape] } } };
}

/** @throws TorchvaeError ERR_STATE for data that are not as many or not of the shape that the study began with */
export function checkStudyData(
  directory: string,
  begun: StudyDefinition['data'],
  found: StudyDefinition['data'],
): void {
  const [before, now] = [begun.data, found.data].map((data) => objectOf(data) ?? {});
  if (before?.examples === now?.examples && String(before?.shape) === String(now?.shape)) return;
  throw new TorchvaeError(
    'ERR_STATE',
    `The study in ${directory} began with ${before?.examples} examples of shape ${before?.shape} and cannot go on with ` +
      `${now?.examples} of shape ${now?.shape}; restore its data, or start another study`,
  );
}

async function readSpace(path: string): Promise<Record<string, unknown>> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw ioError('read', path, cause);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const { message } = cause as Error;
    throw new TorchvaeError('ERR_DATA_FORMAT', `Expected JSON in ${path}, the file of --space: ${message}`, {
      cause,
    });
  }
  const space = objectOf(value);
  if (space) return space;
  throw new TorchvaeError(
    'ERR_DATA_FORMAT',
    `Expected an object of settings and their ranges in ${path}, the file of --space, but received ${describeValue(value)}`,
  );
}
