import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TorchvaeError } from '../../errors.ts';
import { ioError } from '../../files.ts';
import { OBJECTIVES } from '../objectives.ts';
import { DEFINITION, type StudyDefinition, storedDefinition } from './definition.ts';
import { Journal, type JournalRecord } from './journal.ts';
import { type JournalStudy, OPERATION } from './replay.ts';

/** The file of a study in its directory. */
export const STUDY_FILE = 'study.log';

/** The journal in a directory; both are made where they are not there. */
export async function journalIn(directory: string): Promise<Journal> {
  const path = join(directory, STUDY_FILE);
  try {
    await mkdir(join(directory, 'trials'), { recursive: true });
    await writeFile(path, '', { flag: 'a' });
  } catch (cause) {
    throw ioError('create', path, cause);
  }
  return new Journal(path);
}

/** The records that begin a study; one that another program began gets the definition alone. */
export function beginning(begun: JournalStudy | undefined, definition: StudyDefinition): JournalRecord[] {
  const worker_id = 'torchvae';
  const directions = definition.objectives.map((name) => (OBJECTIVES[name].direction === 'maximize' ? 2 : 1));
  const { preset } = definition.base;
  const study = { op_code: OPERATION.createStudy, worker_id, study_name: `torchvae ${preset}`, directions };
  // By which dashboards name the axis of a value.
  const system_attr = { 'study:metric_names': definition.objectives };
  const names = { op_code: OPERATION.setStudySystemAttribute, worker_id, study_id: 0, system_attr };
  const stored = { op_code: OPERATION.setStudyUserAttribute, worker_id, study_id: begun?.id ?? 0 };
  return [
    ...(begun ? [] : [study, names]),
    { ...stored, user_attr: { [DEFINITION]: storedDefinition(definition) } },
  ];
}

/** @throws TorchvaeError ERR_STATE where a study that another program began has other directions */
export function checkDirections(
  path: string,
  { directions }: JournalStudy,
  { objectives }: StudyDefinition,
): void {
  const wanted = objectives.map((name) => OBJECTIVES[name].direction);
  if (String(directions) === String(wanted)) return;
  throw new TorchvaeError(
    'ERR_STATE',
    `Expected objectives to ${directions.join(', ')}, as the study in ${path} says, but received ${objectives.join(', ')}, ` +
      `to ${wanted.join(', ')}; choose others, or start a study in another directory`,
  );
}
