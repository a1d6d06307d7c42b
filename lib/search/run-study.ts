import { setTimeout as sleep } from 'node:timers/promises';
import { TorchvaeError } from '../errors.ts';
import { RunDirectory } from '../report/run-directory.ts';
import { estimate } from './confidence.ts';
import { objectiveOf } from './objectives.ts';
import type { TrialRunner } from './runner.ts';
import { settle } from './settings.ts';
import type { Assignment, Study } from './study/study.ts';
import { type Trial, trialOf } from './trial.ts';

/** Trials that may fail one after the other before the search gives up: something else is wrong then. */
const FAILURES = 5;
/** Milliseconds between two looks at workers that may be dead. */
const PAUSE = 1_000;

/** How long to go on. */
export interface Limits {
  /** Trials of the study in all, those of other workers included. */
  trials: number;
  /** Milliseconds after which no trial is begun. */
  timeout: number;
  signal?: AbortSignal | undefined;
  /** Called when this worker begins a trial, with whether another one had begun it. */
  onBegin?: ((trial: Trial, isTakenOver: boolean) => void) | undefined;
  /** Called when a trial of this worker ends. */
  onTrial?: ((trial: Trial) => void | Promise<void>) | undefined;
}

/**
 * Works on a study until it has its trials, as one worker among any number.
 *
 * @throws TorchvaeError ERR_ABORTED when the signal fires: the trial under way is given back to be gone on with; the code of the last
 * trial's error where five in a row fail
 */
export async function runStudy(study: Study, runner: TrialRunner, limits: Limits): Promise<void> {
  const { trials, timeout, signal, onBegin, onTrial } = limits;
  const end = performance.now() + timeout;
  let failures = 0;
  while (performance.now() < end) {
    throwIfAborted(signal);
    const assignment = await study.ask(trials);
    if (assignment === 'none') return;
    if (assignment === 'later') {
      await sleep(PAUSE, undefined, signal ? { signal } : {}).catch(() => {});
      continue;
    }
    const trial = () => trialOf(study, study.trials[assignment.number]!);
    onBegin?.(trial(), assignment.isTakenOver);
    const failure = await workOn(study, runner, assignment, signal);
    failures = failure ? failures + 1 : 0;
    await onTrial?.(trial());
    if (failure && failures >= FAILURES) {
      const trouble = `Expected a trial that can be trained but ${FAILURES} in a row failed, the last since: ${failure.message}`;
      throw new TorchvaeError(failure.code, trouble, { cause: failure });
    }
  }
}

/** Trains a trial, tells the study how it ended, and answers with the error where it failed. */
async function workOn(
  study: Study,
  runner: TrialRunner,
  assignment: Assignment,
  signal: AbortSignal | undefined,
): Promise<TorchvaeError | undefined> {
  const { number, stopBeating } = assignment;
  try {
    await trainTrial(study, runner, assignment, signal);
    return undefined;
  } catch (error) {
    if (signal?.aborted) {
      await study.finish(number, 'waiting');
      throw error;
    }
    await study.finish(number, 'failed', {
      attributes: { error: String((error as Error).message ?? error) },
    });
    if (!(error instanceof TorchvaeError)) throw error;
    return error;
  } finally {
    await stopBeating();
  }
}

/** Trains under each seed; the first, which may be pruned, alone, the others as many at a time as the device can. */
async function trainTrial(
  study: Study,
  runner: TrialRunner,
  { number, values }: Assignment,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const { base, objectives, seed } = study.definition;
  const settings = settle(base, values);
  const [first, ...others] = study.runsOf(number);
  let verdict: Awaited<ReturnType<Study['report']>> = 'go on';
  const { parameters, lanes } = await runner.run({
    settings,
    seed,
    directory: first!,
    signal,
    onEpoch: async (result, weights) => {
      if (objectives.length > 1) return 'go on';
      const run = { parameters: weights, seconds: result.seconds };
      verdict = await study.report(number, result.epoch, objectiveOf(objectives[0]!, result, run));
      // After the last epoch there is nothing left to save.
      if (verdict === 'prune' && result.epoch >= settings.epochs) verdict = 'go on';
      return verdict === 'go on' ? 'go on' : 'stop';
    },
  });
  if (isLost(verdict)) return;
  if (isPruned(verdict)) return study.finish(number, 'pruned');
  const train = async (i: number, lane: number) => {
    const onEpoch = async () => 'go on' as const;
    const place = lanes > 1 ? { lane } : {};
    await runner.run({ settings, seed: seed + 1 + i, directory: others[i]!, signal, onEpoch, ...place });
  };
  await inLanes(others.length, lanes, train);
  const runs = [first!, ...others];
  const bySeed = await Promise.all(runs.map((directory) => judge(directory, objectives, parameters)));
  const estimates = objectives.map((_, k) => estimate(bySeed.map((results) => results[k]!)));
  const margins = estimates.map(({ margin }) => margin ?? null);
  const epochs = (await new RunDirectory(first!).readEpochs()).length;
  await study.finish(number, 'complete', {
    values: estimates.map(({ mean }) => mean),
    attributes: { epochs, ...(bySeed.length > 1 && { margins, 'values by seed': bySeed }) },
  });
}

/** Calls `body` for 0 to `count` - 1, in each lane for one after the other; rejects when all that began have ended. */
async function inLanes(
  count: number,
  lanes: number,
  body: (index: number, lane: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const work = async (lane: number) => {
    while (next < count) {
      try {
        await body(next++, lane);
      } catch (error) {
        next = count;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(
    Array.from({ length: Math.min(lanes, count) }, (_, lane) => work(lane)),
  );
  const refused = ended.find((each) => each.status === 'rejected');
  if (refused) throw refused.reason;
}

// The compiler does not see that the callback changes the verdict.
const isLost = (verdict: string) => verdict === 'lost';
const isPruned = (verdict: string) => verdict === 'prune';

/** The objectives of the run's best epoch, whose weights `best.safetensors` holds. */
async function judge(
  folder: string,
  objectives: Study['definition']['objectives'],
  parameters: number,
): Promise<number[]> {
  const epochs = await new RunDirectory(folder).readEpochs();
  const best = epochs.find(({ epoch }) => epoch === epochs.at(-1)?.best?.epoch);
  if (!best) throw new TorchvaeError('ERR_STATE', `Expected a whole epoch in ${folder} but there is none`);
  const seconds = epochs.reduce((sum, { seconds: each }) => sum + each, 0);
  return objectives.map((name) => objectiveOf(name, best, { parameters, seconds }));
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new TorchvaeError('ERR_ABORTED', 'The search was aborted', { cause: signal.reason });
}
