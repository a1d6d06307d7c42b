import { existsSync } from 'node:fs';
import { TorchvaeError } from '../errors.ts';
import type { RunDirectory } from '../report/run-directory.ts';
import { type RunSettings, type SavedRun, SETTINGS, settingsOf } from './run-settings.ts';

/**
 * What the run in this directory was started with.
 *
 * @throws TorchvaeError ERR_CHECKPOINT where there is no run or no checkpoint to go on from, or config.json is damaged
 */
export async function readRun(run: RunDirectory): Promise<SavedRun> {
  if (!existsSync(run.checkpoint)) {
    const what = existsSync(run.path) ? 'it holds no checkpoint' : 'there is no such directory';
    throw new TorchvaeError(
      'ERR_CHECKPOINT',
      `Expected a run to resume in ${run.path} but ${what}; leave --resume out to start one`,
    );
  }
  return settingsOf(run.path, await run.readConfig());
}

/** @throws TorchvaeError ERR_STATE for a flag that says otherwise than the run was started with */
export function checkSameRun(run: RunDirectory, saved: RunSettings, given: Partial<RunSettings>): void {
  for (const [name, { flag, mayChange }] of Object.entries(SETTINGS)) {
    const key = name as keyof RunSettings;
    if (mayChange || given[key] === undefined || String(given[key]) === String(saved[key])) continue;
    throw new TorchvaeError(
      'ERR_STATE',
      `The run in ${run.path} was started with ${flag} ${saved[key] ?? '(not given)'} and cannot be resumed with ` +
        `${flag} ${given[key]}; leave ${flag} out, or start another run in another --out`,
    );
  }
}

/** @throws TorchvaeError ERR_STATE for data that are not as many or not of the shape that the run began with */
export function checkSameData(
  run: RunDirectory,
  { examples, shape }: SavedRun,
  data: { readonly length: number; readonly shape: readonly number[] },
): void {
  if (examples === data.length && String(shape) === String(data.shape)) return;
  throw new TorchvaeError(
    'ERR_STATE',
    `The run in ${run.path} began with ${examples} examples of shape ${String(shape).replaceAll(',', ' x ')} and cannot ` +
      `be resumed with ${data.length} of shape ${data.shape.join(' x ')}; restore its data, or start another run`,
  );
}
