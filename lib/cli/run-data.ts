import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DataSchema, Dataset } from '../data/index.ts';
import { TorchvaeError } from '../errors.ts';
import { CONFIG_FILE, RunDirectory } from '../report/run-directory.ts';
import { type DataOptions, hasTestSplit, openData, openTraining } from './options.ts';
import { type RunSettings, settingsOf } from './resume.ts';

/** What a run trains on, and what it is judged by. */
export interface RunData {
  data: Dataset;
  /** The part that is held out. */
  validation?: Dataset;
  /** The test split, where there is one. */
  test?: Dataset;
}

/** The data of a run, as its settings say. With `schema`, tables become examples by that instead of one that is learnt anew. */
export async function openRunData(settings: RunSettings, schema?: DataSchema): Promise<RunData> {
  const { seed, holdout = 0, binarise } = settings;
  const { data, validation } = await openTraining(settings, { holdout, seed }, schema);
  const test = hasTestSplit(settings.data) ? await openData(settings, 'test', schema) : undefined;
  return {
    data: binarised(data, binarise),
    ...(validation && { validation: binarised(validation, binarise) }),
    ...(test && { test: binarised(test, binarise) }),
  };
}

/**
 * The data that a command shows a model: `--data`, or what the run was trained on, of which the split where there are two.
 *
 * @throws TorchvaeError ERR_STATE where there is neither, and what the data sets throw
 */
export async function openShown(
  run: string,
  given: Partial<DataOptions>,
  split: 'train' | 'test',
  schema: DataSchema | undefined,
): Promise<Dataset> {
  const { data, dataDir, size } = given;
  if (data !== undefined) return openData({ ...given, data }, split, schema);
  const settings = await settingsNear(run);
  const own = { ...settings, ...(dataDir !== undefined && { dataDir }), ...(size !== undefined && { size }) };
  return binarised(await openData(own, split, schema), settings.binarise);
}

/** How the run in this directory, or the one that this checkpoint lies in, was started. */
async function settingsNear(run: string): Promise<RunSettings> {
  const directory = new RunDirectory(statSync(run).isDirectory() ? run : dirname(run));
  if (!existsSync(directory.config)) {
    throw new TorchvaeError(
      'ERR_STATE',
      `Expected --data: there is no ${CONFIG_FILE} beside ${run} that says what the model was trained on`,
    );
  }
  return settingsOf(directory.path, await directory.readConfig()).settings;
}

function binarised(data: Dataset, mode: RunSettings['binarise']): Dataset {
  return mode ? data.binarise({ mode }) : data;
}
