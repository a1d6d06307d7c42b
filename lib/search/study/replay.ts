import { objectOf } from '../../report/epochs.ts';
import type { Json } from '../space/parameter.ts';
import type { JournalRecord } from './journal.ts';

/** Optuna's `JournalOperation`. */
export const OPERATION = {
  createStudy: 0,
  deleteStudy: 1,
  setStudyUserAttribute: 2,
  setStudySystemAttribute: 3,
  createTrial: 4,
  setTrialParameter: 5,
  setTrialState: 6,
  setTrialIntermediateValue: 7,
  setTrialUserAttribute: 8,
  setTrialSystemAttribute: 9,
} as const;

/** Optuna's `TrialState`. */
export const STATE = { running: 0, complete: 1, pruned: 2, failed: 3, waiting: 4 } as const;
/** Where a trial stands. */
export type TrialState = keyof typeof STATE;
const STATES = Object.keys(STATE) as TrialState[];

/** A trial as the journal has it. */
export interface JournalTrial {
  /** Of the journal. */
  id: number;
  /** Within its study, from 0. */
  number: number;
  state: TrialState;
  /** Values as Optuna shows them. */
  parameters: Record<string, Json>;
  /** As many as the study has directions; none unless complete. */
  values: readonly number[] | undefined;
  /** By step. */
  intermediate: Map<number, number>;
  userAttributes: Record<string, Json>;
  systemAttributes: Record<string, Json>;
}

/** A study as the journal has it. */
export interface JournalStudy {
  id: number;
  name: string;
  directions: readonly ('minimize' | 'maximize')[];
  userAttributes: Record<string, Json>;
  trials: JournalTrial[];
}

type Fields = Record<string, Json>;

/** What the operations of a journal have come to, by the rules of Optuna's `JournalStorageReplayResult`. */
export class Replay {
  readonly studies = new Map<number, JournalStudy>();
  readonly #trials: JournalTrial[] = [];
  #nextStudy = 0;

  apply(records: readonly JournalRecord[]): void {
    for (const record of records) this.#apply(record);
  }

  /** The study of this name; without a name, the first. */
  study(name?: string): JournalStudy | undefined {
    const all = [...this.studies.values()];
    return name === undefined ? all[0] : all.find((study) => study.name === name);
  }

  #apply(record: JournalRecord): void {
    const { op_code: operation } = record;
    if (operation === OPERATION.createStudy) this.#createStudy(record);
    else if (operation === OPERATION.deleteStudy) this.studies.delete(record.study_id as number);
    else if (operation === OPERATION.setStudyUserAttribute) {
      Object.assign(this.studies.get(record.study_id as number)?.userAttributes ?? {}, record.user_attr);
    } else if (operation === OPERATION.createTrial) this.#createTrial(record);
    else {
      const trial = this.#trials[record.trial_id as number];
      // What comes after a trial has ended is from a worker that was taken for dead.
      if (trial && ['running', 'waiting'].includes(trial.state)) changeTrial(trial, record);
    }
  }

  #createStudy(record: JournalRecord): void {
    const name = String(record.study_name);
    if (this.study(name)) return;
    const id = this.#nextStudy++;
    const directions = (record.directions as number[]).map((code) =>
      code === 2 ? ('maximize' as const) : ('minimize' as const),
    );
    this.studies.set(id, { id, name, directions, userAttributes: {}, trials: [] });
  }

  #createTrial(record: JournalRecord): void {
    const study = this.studies.get(record.study_id as number);
    if (!study) return;
    const distributions = fieldsOf(record.distributions);
    const values = record.values ?? (record.value === null ? undefined : record.value);
    const trial: JournalTrial = {
      id: this.#trials.length,
      number: study.trials.length,
      state: STATES[(record.state as number) ?? 0] ?? 'failed',
      parameters: Object.fromEntries(
        Object.entries(fieldsOf(record.params)).map(([name, value]) => [
          name,
          external(distributions[name], value),
        ]),
      ),
      values: values === undefined ? undefined : ([values].flat() as number[]),
      intermediate: new Map(
        Object.entries(fieldsOf(record.intermediate_values)).map(([step, value]) => [
          Number(step),
          numberOf(value),
        ]),
      ),
      userAttributes: { ...fieldsOf(record.user_attrs) },
      systemAttributes: { ...fieldsOf(record.system_attrs) },
    };
    this.#trials.push(trial);
    study.trials.push(trial);
  }
}

function changeTrial(trial: JournalTrial, record: JournalRecord): void {
  switch (record.op_code) {
    case OPERATION.setTrialParameter:
      trial.parameters[String(record.param_name)] = external(
        record.distribution as Json,
        record.param_value_internal as Json,
      );
      return;
    case OPERATION.setTrialState:
      trial.state = STATES[record.state as number] ?? 'failed';
      if (Array.isArray(record.values)) trial.values = record.values as number[];
      return;
    case OPERATION.setTrialIntermediateValue:
      trial.intermediate.set(record.step as number, numberOf(record.intermediate_value));
      return;
    case OPERATION.setTrialUserAttribute:
      Object.assign(trial.userAttributes, record.user_attr);
      return;
    case OPERATION.setTrialSystemAttribute:
      Object.assign(trial.systemAttributes, record.system_attr);
  }
}

/** A value as Optuna shows it, from the number that the journal has: choices are numbered. */
function external(distribution: Json | undefined, internal: Json): Json {
  if (typeof distribution !== 'string') return internal;
  const { attributes, choices } = JSON.parse(distribution);
  const list: unknown = attributes?.choices ?? choices;
  return Array.isArray(list) ? list[internal as number] : internal;
}

function fieldsOf(value: unknown): Fields {
  return (objectOf(value) ?? {}) as Fields;
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : Number.NaN;
}
