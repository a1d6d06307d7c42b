import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TorchvaeError } from '../../errors.ts';
import type { Holder } from '../../setup/lock.ts';
import { toMinimize } from '../objectives.ts';
import { PRUNERS } from '../pruning.ts';
import { SAMPLERS } from '../samplers.ts';
import type { Observation, Sampler } from '../sampling/sampler.ts';
import type { Json, Values } from '../space/parameter.ts';
import { beginning, checkDirections, journalIn, STUDY_FILE } from './beginning.ts';
import { attemptsAt, completed, now } from './claim.ts';
import { checkSameStudy, DEFINITION, definitionFrom, type StudyDefinition } from './definition.ts';
import { distributionOf, internalOf, valuesFrom } from './distribution.ts';
import { startBeating, thisWorker, Watch } from './heartbeat.ts';
import { Journal, type JournalRecord } from './journal.ts';
import { type JournalStudy, type JournalTrial, OPERATION, Replay, STATE, type TrialState } from './replay.ts';

/** Workers in a row that a trial may outlive without an epoch before it counts as failed: it may be what kills them. */
const ATTEMPTS = 3;

/** A trial that this worker is to train. */
export interface Assignment {
  number: number;
  values: Values;
  /** Whether another worker began it. */
  isTakenOver: boolean;
  /** Ends its sign of life. */
  stopBeating(): Promise<void>;
}

/** A study in its file: the trials that all workers know, and what this one writes. */
export class Study {
  readonly directory: string;
  readonly definition: StudyDefinition;
  readonly #journal: Journal;
  readonly #replay: Replay;
  readonly #sampler: Sampler;
  readonly #worker: Holder = thisWorker();
  readonly #watch = new Watch();

  private constructor(directory: string, definition: StudyDefinition, journal: Journal, replay: Replay) {
    this.directory = directory;
    this.definition = definition;
    this.#journal = journal;
    this.#replay = replay;
    const { parameters, sampler, seed, gridPoints } = definition;
    this.#sampler = SAMPLERS[sampler](parameters, { seed, gridPoints });
  }

  /**
   * Begins the study in this directory, or joins the one that is there.
   *
   * @throws TorchvaeError ERR_STATE where that one has another definition, ERR_IO, ERR_DATA_FORMAT
   */
  static async open(directory: string, wanted: StudyDefinition): Promise<Study> {
    const journal = await journalIn(directory);
    const replay = new Replay();
    const stored = await journal.exclusive(async () => {
      replay.apply(await journal.read());
      const begun = replay.study();
      if (begun && DEFINITION in begun.userAttributes) return begun.userAttributes[DEFINITION];
      if (begun) checkDirections(journal.path, begun, wanted);
      await journal.append(beginning(begun, wanted));
      replay.apply(await journal.read());
      return undefined;
    });
    if (stored !== undefined) checkSameStudy(directory, definitionFrom(directory, stored), wanted);
    return new Study(directory, wanted, journal, replay);
  }

  /**
   * The study that is in this directory.
   *
   * @throws TorchvaeError ERR_CHECKPOINT where there is none, ERR_IO, ERR_DATA_FORMAT
   */
  static async load(directory: string): Promise<Study> {
    const path = join(directory, STUDY_FILE);
    if (!existsSync(path)) {
      throw new TorchvaeError(
        'ERR_CHECKPOINT',
        `Expected a study in ${directory} but ${path} does not exist; check the spelling, or begin one there`,
      );
    }
    const journal = new Journal(path);
    const replay = new Replay();
    replay.apply(await journal.read());
    const definition = definitionFrom(directory, replay.study()?.userAttributes[DEFINITION]);
    return new Study(directory, definition, journal, replay);
  }

  /** How many different trials there are. */
  get size(): number {
    return this.#sampler.size;
  }

  /** All trials, as far as they were read. */
  get trials(): readonly JournalTrial[] {
    return this.#study.trials;
  }

  /** The values of a trial that are of this space. */
  valuesOf(trial: JournalTrial): Values {
    return valuesFrom(this.definition.parameters, trial.parameters);
  }

  directoryOf(number: number): string {
    return join(this.directory, 'trials', String(number).padStart(4, '0'));
  }

  /** The run directories of a trial, one for each seed. */
  runsOf(number: number): string[] {
    const { seed, seeds } = this.definition;
    const directory = this.directoryOf(number);
    if (seeds === 1) return [directory];
    return Array.from({ length: seeds }, (_, i) => join(directory, `seed-${seed + i}`));
  }

  /** Reads what other workers have written. */
  async sync(): Promise<void> {
    this.#replay.apply(await this.#journal.read());
  }

  /**
   * The trial to train next: one that waits, one whose worker died, or a new one as long as there are fewer than `limit`. `later` where
   * there is none, but a worker of another one may be dead; `none` where there is nothing to do.
   */
  async ask(limit: number): Promise<Assignment | 'later' | 'none'> {
    return this.#journal.exclusive(async () => {
      await this.sync();
      const waiting = this.trials.find(({ state }) => state === 'waiting');
      if (waiting) return this.#claim(waiting, waiting.userAttributes.worker !== undefined);
      const orphan = await this.#orphan();
      if (typeof orphan === 'object') return this.#claim(orphan, true);
      if (this.trials.length < Math.min(limit, this.size)) return this.#create();
      return orphan === 'unknown' ? 'later' : 'none';
    });
  }

  /**
   * Notes the value of an epoch, unless it is known already.
   *
   * @returns `prune` where the pruner ends the trial, `lost` where another worker has taken it over
   */
  async report(number: number, epoch: number, value: number): Promise<'go on' | 'prune' | 'lost'> {
    const { id, intermediate } = this.trials[number]!;
    // A worker that died may have come to no verdict over the last epoch that it noted.
    if ([...intermediate.keys()].some((later) => later > epoch)) return 'go on';
    const record = { trial_id: id, step: epoch, intermediate_value: value };
    if (!(await this.#write(number, [this.#record(OPERATION.setTrialIntermediateValue, record)])))
      return 'lost';
    const peers = this.trials.flatMap((trial) => {
      const { state } = trial;
      if (trial.number === number || state === 'failed' || state === 'waiting') return [];
      return [{ state, curve: this.#curveOf(trial) }];
    });
    const isPruned = PRUNERS[this.definition.pruner](this.#curveOf(this.trials[number]!), peers);
    return isPruned ? 'prune' : 'go on';
  }

  /** Ends a trial; `waiting` gives it back to be gone on with. Without effect where another worker has taken it over. */
  async finish(
    number: number,
    state: Exclude<TrialState, 'running'>,
    {
      values,
      attributes = {},
    }: { values?: readonly number[]; attributes?: Readonly<Record<string, Json>> } = {},
  ): Promise<void> {
    const { id } = this.trials[number]!;
    const notes = Object.entries(attributes).map(([key, value]) => this.#attribute(id, key, value));
    const end = { trial_id: id, state: STATE[state], values: values ?? null, datetime_complete: now() };
    await this.#write(number, [...notes, this.#record(OPERATION.setTrialState, end)]);
  }

  /** Appends unless the trial has ended or is another worker's by now. */
  async #write(number: number, records: readonly JournalRecord[]): Promise<boolean> {
    return this.#journal.exclusive(async () => {
      await this.sync();
      const { state, userAttributes } = this.trials[number]!;
      if (state !== 'running' || userAttributes.worker !== this.#name) return false;
      await this.#journal.append(records);
      await this.sync();
      return true;
    });
  }

  /** A running trial whose worker died; else whether it cannot be told yet. */
  async #orphan(): Promise<JournalTrial | 'unknown' | 'none'> {
    let isUnknown = false;
    for (const trial of this.trials) {
      // Trials of other programs have no worker that could be watched.
      if (trial.state !== 'running' || trial.userAttributes.worker === undefined) continue;
      const verdict = await this.#watch.judge(this.#heartbeatOf(trial.number));
      if (verdict === 'unknown') isUnknown = true;
      if (verdict !== 'dead') continue;
      if (attemptsAt(trial) < ATTEMPTS) return trial;
      const error = `${ATTEMPTS} workers died over it`;
      const end = { trial_id: trial.id, state: STATE.failed, values: null, datetime_complete: now() };
      await this.#journal.append([
        this.#attribute(trial.id, 'error', error),
        this.#record(OPERATION.setTrialState, end),
      ]);
      await this.sync();
    }
    return isUnknown ? 'unknown' : 'none';
  }

  async #create(): Promise<Assignment> {
    const number = this.trials.length;
    const values = this.#sampler.propose(number, this.#observations());
    const active = this.definition.parameters.filter(({ name }) => name in values);
    const stopBeating = await this.#beat(number);
    await this.#journal.append([
      this.#record(OPERATION.createTrial, {
        study_id: this.#study.id,
        datetime_start: now(),
        state: STATE.running,
        value: null,
        values: null,
        distributions: Object.fromEntries(active.map((each) => [each.name, distributionOf(each)])),
        params: Object.fromEntries(active.map((each) => [each.name, internalOf(each, values[each.name]!)])),
        user_attrs: { worker: this.#name, attempts: { workers: 1, epochs: 0 } },
        system_attrs: {},
        intermediate_values: {},
      }),
    ]);
    await this.sync();
    return { number, values, isTakenOver: false, stopBeating };
  }

  /** Takes over a trial that exists; values that it lacks are proposed. */
  async #claim(trial: JournalTrial, isTakenOver: boolean): Promise<Assignment> {
    const { id, number, state } = trial;
    const attempts = state === 'running' ? attemptsAt(trial) + 1 : 1;
    const fixed = (trial.systemAttributes.fixed_params ?? {}) as Readonly<Record<string, Json>>;
    const given = valuesFrom(this.definition.parameters, { ...fixed, ...trial.parameters });
    const proposed = this.#sampler.propose(number, this.#observations());
    const values = completed(this.definition.parameters, given, proposed);
    const missing = this.definition.parameters.filter(
      ({ name }) => name in values && !(name in trial.parameters),
    );
    const stopBeating = await this.#beat(number);
    await this.#journal.append([
      ...(state === 'waiting'
        ? [
            this.#record(OPERATION.setTrialState, {
              trial_id: id,
              state: STATE.running,
              values: null,
              datetime_start: now(),
            }),
          ]
        : []),
      ...missing.map((parameter) =>
        this.#record(OPERATION.setTrialParameter, {
          trial_id: id,
          param_name: parameter.name,
          param_value_internal: internalOf(parameter, values[parameter.name]!),
          distribution: distributionOf(parameter),
        }),
      ),
      this.#attribute(id, 'worker', this.#name),
      this.#attribute(id, 'attempts', { workers: attempts, epochs: trial.intermediate.size }),
    ]);
    await this.sync();
    return { number, values, isTakenOver, stopBeating };
  }

  /** The trials as samplers see them; one that failed counts as pruned at once. */
  #observations(): Observation[] {
    return this.trials.map((trial): Observation => {
      const values = this.valuesOf(trial);
      if (trial.state === 'running' || trial.state === 'waiting')
        return { values, state: 'running', losses: [] };
      if (trial.state === 'complete' && trial.values) {
        return { values, state: 'complete', losses: toMinimize(this.definition.objectives, trial.values) };
      }
      const last = [...this.#curveOf(trial)].at(-1);
      const reported = last ? { reported: { epochs: last[0], loss: last[1] } } : {};
      return { values, state: 'pruned', losses: [], ...reported };
    });
  }

  #curveOf({ intermediate }: JournalTrial): Map<number, number> {
    const [first] = this.definition.objectives;
    const curve = [...intermediate].filter(([, value]) => Number.isFinite(value)).sort(([a], [b]) => a - b);
    return new Map(curve.map(([epoch, value]) => [epoch, toMinimize([first!], [value])[0]!]));
  }

  get #study(): JournalStudy {
    return this.#replay.study()!;
  }

  get #name(): string {
    const { host, pid, token } = this.#worker;
    return `${host}-${pid}-${token}`;
  }

  #heartbeatOf(number: number): string {
    return join(this.directoryOf(number), 'worker.json');
  }

  #beat(number: number): Promise<() => Promise<void>> {
    return startBeating(this.#heartbeatOf(number), this.#worker);
  }

  #record(operation: number, fields: Readonly<Record<string, unknown>>): JournalRecord {
    return { op_code: operation, worker_id: this.#name, ...fields };
  }

  #attribute(trial: number, key: string, value: Json): JournalRecord {
    return this.#record(OPERATION.setTrialUserAttribute, { trial_id: trial, user_attr: { [key]: value } });
  }
}
