import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { objectOf } from '../report/epochs.ts';
import { RunDirectory } from '../report/run-directory.ts';
import { searchPage } from '../search/report/page.ts';
import { resultOf } from '../search/search.ts';
import type { Study } from '../search/study/study.ts';
import type { Trial } from '../search/trial.ts';
import { wholeCommand } from './run-facts.ts';
import { settingsOf } from './run-settings.ts';

/** The page of a study. */
export async function studyPage(study: Study): Promise<string> {
  const { definition } = study;
  const { best } = resultOf(study);
  const command = best && (await bestCommand(study, best));
  const name = objectOf(definition.data.data)?.name ?? definition.data.name;
  return searchPage(study, {
    title: `Search of ${definition.base.preset} on ${name}`,
    subtitle: study.directory,
    commands: command === undefined ? [] : [{ said: `This trains trial ${best!.number}:`, lines: [command] }],
  });
}

/** The command that trains a trial; undefined where another program made it. */
export async function bestCommand(study: Study, { number }: Trial): Promise<string | undefined> {
  const run = new RunDirectory(study.runsOf(number)[0]!);
  if (!existsSync(run.config)) return undefined;
  const config = await run.readConfig();
  return wholeCommand(settingsOf(run.path, config).settings, config.device, join('runs', `trial-${number}`));
}
