import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { defined } from '../check.ts';
import type { Dataset } from '../data/index.ts';
import { TorchvaeError } from '../errors.ts';
import { preset } from '../model/presets.ts';
import { isImage, reconstructionPicture, samplePicture } from '../report/gallery.ts';
import { RunDirectory } from '../report/run-directory.ts';
import type { TensorBoardWriter } from '../report/tensorboard/writer.ts';
import type { DeviceName } from '../runtime/device.ts';
import type { EpochResult, FitOptions } from '../training/fit-options.ts';
import { applyOverrides, SET_HELP } from '../training/overrides.ts';
import { usualEpochs, usualSchedule } from '../training/usual.ts';
import { VAE } from '../vae.ts';
import { openBoard, writeEpoch } from './board.ts';
import { type DistributedFlags, type Role, resumes, roleOf } from './distributed.ts';
import { describeTraining } from './dry-run.ts';
import { columnLines, drawsNote, kernelsInWords } from './facts.ts';
import { hashOf, noteChange } from './file-hash.ts';
import { inFlags } from './flags.ts';
import { collect, nonNegative } from './parsers.ts';
import { ProgressBar } from './progress-bar.ts';
import { checkSameData, checkSameRun, readRun } from './resume.ts';
import { describeRun } from './run-config.ts';
import { notesOnTest, openRunData, someOf } from './run-data.ts';
import { checkpointTime, holdRun } from './run-lock.ts';
import type { RunSettings } from './run-settings.ts';
import { specFor } from './run-spec.ts';
import { isStreamed } from './streams.ts';
import { addDataOptions, addPresetOption, addTrainingOptions } from './train-options.ts';

/** The flags as given; others come from the resumed run, else from the preset or the defaults. */
interface Flags extends Partial<RunSettings>, DistributedFlags {
  device: DeviceName;
  tensorboard?: boolean;
  dryRun?: boolean;
}

/** Adds `torchvae train`. */
export function register(program: Command): void {
  const command = program
    .command('train')
    .description('Train a VAE and leave a run directory: config, metrics, pictures, checkpoint.')
    .optionsGroup('Model:');
  addPresetOption(command).option('--set <key=value>', SET_HELP, collect);
  addDataOptions(command, "of the training data, for validation; default the preset's");
  addTrainingOptions(command)
    .option('--device <name>', 'auto, cpu, cuda or cuda:N', 'auto')
    .addOption(
      new Option(
        '--distributed <mode>',
        'auto: train one model by all processes of torchrun or another launcher, by their RANK and WORLD_SIZE; off: alone',
      )
        .choices(['auto', 'off'])
        .default('auto'),
    )
    .option(
      '--distributed-timeout <seconds>',
      'for all processes to come together; default 60',
      nonNegative(86_400),
    )
    .optionsGroup('Run:')
    .option('--out <dir>', 'run directory; default runs/PRESET-DATA-TIME')
    .option('--resume', 'go on from the checkpoint in --out, as that run was started, to --epochs in all')
    .option('--tensorboard', 'write losses, health, weights and pictures of every epoch to OUT/tensorboard')
    .option('--dry-run', 'print model, columns, steps and memory; train and write nothing')
    .addHelpText(
      'after',
      `
Examples:
  torchvae train --preset mlp-400 --data mnist --epochs 10 --seed 1
  torchvae train --data sprites --size 32 --count 50000 --out runs/sprites
  torchvae train --out runs/sprites --resume --epochs 20
  torchvae train --data people.csv --label-column kind --dry-run
  torchvae train --data people.csv --label-column kind --on-missing impute --set likelihood.type=gaussian
  torchvae train --data mnist --binarize dynamic --set objective.type=iwae --set objective.samples=5
  torchvae train --data huge.npy --stream --test-data held-out.npy --out runs/huge
  torchvae train --data mnist --set condition.classes=10 --set 'schedule={"type":"cosine","epochs":10}'
  torchrun --nproc-per-node 2 --no-python torchvae train --data mnist --out runs/mnist

The run directory holds config.json, metrics.jsonl (a line per epoch), reconstructions.png (originals above, their
reconstructions below), samples.png (draws from the prior), checkpoint.safetensors, and best.safetensors: the epoch with the
lowest validation loss, or test loss where nothing is held out of data with a test split. The checkpoint is written after every epoch; Ctrl-C writes one at the step it has come to, and --resume goes on from there with the same numbers.`,
    )
    .action(train);
}

async function train(flags: Flags): Promise<void> {
  if (flags.resume && flags.out === undefined) {
    throw new TorchvaeError(
      'ERR_STATE',
      'Expected --out beside --resume: the directory of the run to go on with',
    );
  }
  const role = roleOf(flags);
  const saved = resumes(flags, role) ? await readRun(new RunDirectory(flags.out!)) : undefined;
  const settings = completeSettings(flags, saved?.settings);
  const run = new RunDirectory(flags.out ?? defaultRun(settings));
  if (saved) checkSameRun(run, saved.settings, flags);
  else checkNoRun(run);
  const begun = checkpointTime(run);
  settings.stream = await isStreamed(settings, 'train');
  using resumed = saved && (await VAE.load(run.checkpoint, { device: flags.device }));
  const hash = await hashOf(settings.data);
  if (saved && role.leads) noteChange(saved, settings.data, hash);
  const opened = await openRunData(settings, resumed?.schema);
  const { data, validation, test } = opened;
  const examples = data.length + (validation?.length ?? 0);
  if (saved) checkSameData(run, saved, { length: examples, shape: data.shape });
  const judge = validation ?? test;
  if (!saved && flags.epochs === undefined)
    settings.epochs = usualEpochs(data, settings.epochs, settings.batchSize);
  const { spec, fit: set } = applyOverrides(specFor(settings, data), settings.set ?? []);
  const fit = { ...defined({ schedule: usualSchedule(data, [0, settings.epochs]) }), ...set };
  const { preset: name, seed, precision } = settings;
  const shape = { ...spec, inputShape: data.shape };
  using vae =
    resumed ?? (await VAE.create({ preset: name, spec: shape, device: flags.device, seed, precision }));
  const bar = new ProgressBar();
  const interruption = new AbortController();
  const stopping = earlyStopping(settings, fit);
  const epochs = vae.fit(data, {
    epochs: Math.max(0, settings.epochs - vae.epoch),
    batchSize: settings.batchSize,
    learningRate: settings.learningRate,
    ...(judge && { validation: judge }),
    latentHealth: true,
    ...fit,
    ...stopping,
    distributed: flags.distributed,
    ...(flags.distributedTimeout !== undefined && { distributedTimeout: flags.distributedTimeout }),
    signal: interruption.signal,
    ...(role.leads && { onProgress: (progress) => bar.update(progress) }),
  });
  if (flags.dryRun) {
    if (role.leads) process.stdout.write(describeTraining(settings, vae, opened, { ...fit, ...stopping }));
    return;
  }
  if (!role.leads) return await trainAlong(vae, epochs, interruption);
  // The directory is written only now, when everything has been checked.
  await run.create();
  await using _held = { [Symbol.asyncDispose]: await holdRun(run, begun) };
  await run.removeUnfinished();
  await run.keepMetrics(vae.epoch);
  await run.writeConfig(describeRun(settings, vae, opened, { ...fit, ...stopping }, hash, saved?.config));
  process.stderr.write(
    `${settings.preset} on ${inFlags(data.describe())}: ${vae.parameterCount} parameters, ${placeInWords(vae, role)}, ${kernelsInWords(vae.kernels)}, ${run.path}\n`,
  );
  process.stderr.write(columnLines(data.schema) + drawsNote(data.schema, vae.spec.likelihood));
  for (const note of notesOnTest(opened)) process.stderr.write(`${inFlags(note)}\n`);
  if (vae.epoch >= settings.epochs) process.stderr.write(`It has ${vae.epoch} epochs already.\n`);
  const shown = { data: await someOf(judge ?? data), judge: validation ? 'validation' : 'test' } as const;
  const board = openBoard(run, flags.tensorboard === true, vae);
  try {
    await recordEpochs(vae, epochs, { run, bar, board }, interruption, shown);
  } finally {
    await board?.close();
  }
  if (vae.epoch < settings.epochs) {
    const { patience } = stopping.earlyStopping!;
    process.stderr.write(`Ended early, at epoch ${vae.epoch}: the last ${patience} epochs were no better.\n`);
  }
  const pictures = isImage(data) ? await writePictures(vae, await someOf(test ?? data), run) : [];
  process.stderr.write(`Checkpoint: ${run.checkpoint}\n`);
  if (pictures.length > 0) process.stderr.write(`Pictures: ${pictures.join(', ')}\n`);
}

/** --patience, with what --set says beside it. */
function earlyStopping(
  { patience }: RunSettings,
  { earlyStopping: rest }: Partial<FitOptions>,
): Pick<FitOptions, 'earlyStopping'> {
  if (patience !== undefined) return { earlyStopping: { ...rest, patience } };
  return rest ? { earlyStopping: rest } : {};
}

function completeSettings(flags: Flags, saved: RunSettings | undefined): RunSettings {
  const {
    device: _device,
    distributed: _distributed,
    distributedTimeout: _distributedTimeout,
    out: _out,
    resume: _resume,
    tensorboard: _tensorboard,
    dryRun: _dryRun,
    ...given
  } = flags;
  const name = given.preset ?? saved?.preset ?? 'mlp-400';
  const { training, validation } = preset(name);
  const defaults = {
    preset: name,
    data: 'sprites',
    seed: 0,
    precision: 'float32' as const,
    ...training,
    ...(validation !== undefined && { holdout: validation }),
  };
  return { ...defaults, ...saved, ...given };
}

function defaultRun({ preset: name, data }: RunSettings): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  const dataName = data.replaceAll(/[^A-Za-z0-9_.-]+/g, '_').replace(/^[._]+/, '');
  return join('runs', `${name}-${dataName}-${time}`);
}

function checkNoRun(run: RunDirectory): void {
  if (!existsSync(run.checkpoint)) return;
  throw new TorchvaeError(
    'ERR_STATE',
    `${run.path} holds a finished or interrupted run; add --resume to go on with it, or give another --out`,
  );
}

/** Where the results of epochs go. */
interface Listeners {
  run: RunDirectory;
  bar: ProgressBar;
  board: TensorBoardWriter | undefined;
}

/** Writes each epoch to the metrics and the checkpoint; Ctrl-C saves the step that training has reached. */
async function recordEpochs(
  vae: VAE,
  epochs: AsyncIterable<EpochResult>,
  { run, bar, board }: Listeners,
  interruption: AbortController,
  shown: { data: Dataset; judge: 'test' | 'validation' },
): Promise<void> {
  const hush = listen(interruption);
  try {
    for await (const result of epochs) {
      bar.epochDone(result, shown.judge);
      const { validation, ...line } = result;
      await run.appendMetrics({ ...line, ...(validation && { [shown.judge]: validation }) });
      if (board) await writeEpoch(board, vae, result, shown);
      if (result.best.epoch === result.epoch) await vae.save(run.best);
      await vae.save(run.checkpoint);
    }
  } catch (error) {
    bar.close();
    if (!(error instanceof TorchvaeError && error.code === 'ERR_ABORTED')) throw error;
    await vae.save(run.checkpoint);
    const message = `Interrupted after step ${vae.step}, which ${run.checkpoint} holds`;
    throw new TorchvaeError(
      'ERR_ABORTED',
      `${message}. Go on with: torchvae train --out ${run.path} --resume`,
    );
  } finally {
    hush();
  }
}

/** What all processes but the first do: they leave writing and talking to that. */
async function trainAlong(
  vae: VAE,
  epochs: AsyncIterable<EpochResult>,
  interruption: AbortController,
): Promise<void> {
  const hush = listen(interruption);
  try {
    for await (const _ of epochs);
  } catch (error) {
    if (!(error instanceof TorchvaeError && error.code === 'ERR_ABORTED')) throw error;
    throw new TorchvaeError('ERR_ABORTED', `Interrupted after step ${vae.step}`, { cause: error });
  } finally {
    hush();
  }
}

/** Has Ctrl-C interrupt training, until the function that it returns is called. */
function listen(interruption: AbortController): () => void {
  const interrupt = () => interruption.abort();
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  return () => process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
}

function placeInWords({ device }: VAE, { size }: Role): string {
  return size === 1 ? device : `${device} in ${size} processes`;
}

/** Returns the paths of the pictures. */
async function writePictures(vae: VAE, data: Dataset, run: RunDirectory): Promise<string[]> {
  return [
    await run.writePicture('reconstructions.png', await reconstructionPicture(vae, data)),
    await run.writePicture('samples.png', await samplePicture(vae, data.shape)),
  ];
}
