import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { TorchvaeError } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import type { DeviceName } from '../runtime/device.ts';
import { checkDefinition } from '../search/check-definition.ts';
import { OBJECTIVE_NAMES } from '../search/objectives.ts';
import { PRUNERS } from '../search/pruning.ts';
import { runStudy } from '../search/run-study.ts';
import type { TrialRunner } from '../search/runner.ts';
import { SAMPLERS } from '../search/samplers.ts';
import { defaultTrials, resultOf } from '../search/search.ts';
import { STUDY_FILE } from '../search/study/beginning.ts';
import { Study } from '../search/study/study.ts';
import { collect, integer } from './parsers.ts';
import { resultText, trialLine, valuesText } from './search-lines.ts';
import { bestCommand, studyPage } from './search-page.ts';
import {
  checkStudyData,
  openRunner,
  type StudyFlags,
  settingsOfStudy,
  wantedStudy,
} from './search-settings.ts';
import { runWorkers } from './search-workers.ts';
import { addDataOptions, addPresetOption, addTrainingOptions } from './train-options.ts';

interface Flags extends StudyFlags {
  trials?: number;
  timeout?: number;
  workers: number;
  device: DeviceName;
  out?: string;
  resume?: string;
  worker?: boolean;
}

/** What a worker may be told of a study that exists. */
const ON_RESUME = ['resume', 'trials', 'timeout', 'workers', 'worker', 'device', 'dataDir'];

const SET_HELP =
  'a setting and what to search: beta=0.5..8:log, latentSize=2..64:int:log, optimizer.type=adam,sgd, ' +
  'optimizer.momentum=0..0.95@optimizer.type=sgd (only where the other has that value); with one value it is fixed; may be repeated';

/** Adds `torchvae search`. */
export function register(program: Command): void {
  const command = program
    .command('search')
    .description('Search for the best settings of a model and its training: grid, random or Bayesian.')
    .optionsGroup('Search:')
    .option('--set <key=values>', SET_HELP, collect)
    .option('--space <file>', 'JSON of the same: {"beta": {"low": 0.5, "high": 8, "log": true}}')
    .addOption(
      new Option('--sampler <name>', 'how values are chosen')
        .choices(Object.keys(SAMPLERS))
        .default('bayesian'),
    )
    .addOption(
      new Option('--pruner <name>', 'which trials are ended early')
        .choices(Object.keys(PRUNERS))
        .default('none'),
    )
    .addOption(
      new Option(
        '--objective <name>',
        'what trials are judged by; repeated for a front of several; default elbo',
      )
        .choices(OBJECTIVE_NAMES)
        .argParser(collectObjective),
    )
    .option('--trials <n>', 'trials of the study in all; default 50, or a whole grid', integer(1))
    .option('--timeout <seconds>', 'begin no trial after this time', integer(1))
    .option(
      '--seeds <n>',
      'trainings of each trial under as many seeds, whose mean counts',
      integer(1, 1000),
      1,
    )
    .option('--grid-points <n>', 'grid: values of each range', integer(1, 1000), 5)
    .optionsGroup('Model:');
  addPresetOption(command);
  addDataOptions(command, "of the training data, to judge the trials by; default the preset's, else 0.1");
  addTrainingOptions(command)
    .option('--device <name>', 'auto, cpu, cuda or cuda:N', 'auto')
    .optionsGroup('Study:')
    .option('--out <dir>', 'directory of a new study; default studies/PRESET-TIME')
    .option('--resume <dir>', 'go on with the study in this directory, or work on it beside others')
    .option('--workers <n>', 'processes that work on it', integer(1, 1024), 1)
    .addOption(new Option('--worker').hideHelp())
    .addHelpText(
      'after',
      `
Examples:
  torchvae search --preset linear --data mnist --set beta=0.5..8:log --epochs 5 --trials 20
  torchvae search --data sprites --space space.json --pruner asha --workers 4 --out studies/sprites
  torchvae search --resume studies/sprites --trials 100
  torchvae search --data mnist --set beta=0.1..10:log --objective reconstruction --objective kl

Ctrl-C ends it, and --resume goes on with the trial that was under way. More workers may join with --resume at any time, also from
other machines that share the directory; a trial whose worker died is taken over. DIR/trials holds a run directory for each
trial. DIR/study.log is a journal of Optuna: optuna-dashboard DIR/study.log shows it.`,
    )
    .action(run);
}

function collectObjective(name: string, before: readonly string[] | undefined): string[] {
  if (OBJECTIVE_NAMES.includes(name as never)) return [...(before ?? []), name];
  throw new InvalidArgumentError(`Allowed choices are ${OBJECTIVE_NAMES.join(', ')}.`);
}

async function run(flags: Flags, command: Command): Promise<void> {
  const { study, runner } = await (flags.resume === undefined ? begin(flags) : resume(flags, command));
  const trials = flags.trials ?? defaultTrials(study);
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    if (flags.workers > 1) await runWorkers(flags.workers, workerArguments(study, trials, flags));
    else await work(study, runner, trials, flags, interruption.signal);
  } catch (error) {
    if (!(error instanceof TorchvaeError && error.code === 'ERR_ABORTED') || flags.worker) throw error;
    await finish(study);
    const advice = `Go on with: torchvae search --resume ${study.directory}`;
    throw new TorchvaeError('ERR_ABORTED', `Interrupted. ${advice}`);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
  if (!flags.worker) await finish(study);
}

/** A new study, which must not be there yet. */
async function begin(flags: Flags): Promise<{ study: Study; runner: TrialRunner }> {
  const wanted = await wantedStudy(flags);
  const directory = flags.out ?? defaultDirectory(wanted.settings.preset);
  if (existsSync(join(directory, STUDY_FILE))) {
    throw new TorchvaeError(
      'ERR_STATE',
      `${directory} holds a study; go on with it by --resume ${directory}, or give another --out`,
    );
  }
  const { runner, data } = await openRunner(wanted.settings, flags.device);
  const definition = { ...wanted.definition, data };
  checkDefinition(definition, runner);
  const study = await Study.open(directory, definition);
  process.stderr.write(
    `${wanted.settings.preset} on ${wanted.settings.data}: ${definition.sampler} search of ` +
      `${definition.parameters.map(({ name }) => name).join(', ')}, ${directory}\n`,
  );
  return { study, runner };
}

async function resume(flags: Flags, command: Command): Promise<{ study: Study; runner: TrialRunner }> {
  const strange = command.options.find(
    (option) =>
      command.getOptionValueSource(option.attributeName()) === 'cli' &&
      !ON_RESUME.includes(option.attributeName()),
  );
  if (strange) {
    throw new TorchvaeError(
      'ERR_STATE',
      `${strange.long} belongs to the study in ${flags.resume}, which says it; leave it out, or begin a study with another --out`,
    );
  }
  const study = await Study.load(flags.resume!);
  const { data: begun } = study.definition;
  const { dataDir } = flags;
  const settings = settingsOfStudy(
    study.directory,
    study.definition,
    dataDir === undefined ? {} : { dataDir },
  );
  const { runner, data } = await openRunner(settings, flags.device);
  checkStudyData(study.directory, begun, data);
  return { study, runner };
}

function workerArguments(study: Study, trials: number, { timeout, device, dataDir }: Flags): string[] {
  return [
    ...['--resume', study.directory, '--worker', '--trials', String(trials), '--device', device],
    ...(timeout === undefined ? [] : ['--timeout', String(timeout)]),
    ...(dataDir === undefined ? [] : ['--data-dir', dataDir]),
  ];
}

function work(
  study: Study,
  runner: TrialRunner,
  trials: number,
  { timeout }: Flags,
  signal: AbortSignal,
): Promise<void> {
  return runStudy(study, runner, {
    trials,
    timeout: timeout === undefined ? Infinity : 1000 * timeout,
    signal,
    onBegin: ({ number }, isTakenOver) => {
      if (isTakenOver) process.stderr.write(`trial ${number} goes on from its last checkpoint\n`);
    },
    onTrial: (trial) => {
      if (trial.state !== 'waiting') process.stdout.write(`${trialLine(trial)}\n`);
    },
  });
}

/** Prints what was found, and writes the page. */
async function finish(study: Study): Promise<void> {
  await study.sync();
  const { best, front } = resultOf(study);
  const page = join(study.directory, 'report.html');
  await writeFileAtomic(page, await studyPage(study));
  if (!best) {
    process.stderr.write(`No trial was completed yet.\nReport: ${page}\n`);
    return;
  }
  const shown = front.length === 1 ? [best] : front;
  const lines = shown.map(
    ({ number, results, values }) =>
      `  trial ${number}  ${results.map(resultText).join('  ')}  ${valuesText(values)}`,
  );
  const heading =
    front.length === 1 ? 'Best:' : `Best, none of which another is better than by all objectives:`;
  const command = await bestCommand(study, best);
  process.stdout.write(`${heading}\n${lines.join('\n')}\n`);
  if (command !== undefined) process.stdout.write(`Train trial ${best.number} with:\n${command}\n`);
  process.stderr.write(`Report: ${page}\n`);
}

function defaultDirectory(preset: string): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  return join('studies', `${preset}-${time}`);
}
