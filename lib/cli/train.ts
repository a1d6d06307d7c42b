import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { Dataset } from '../data/index.ts';
import { TorchvaeError } from '../errors.ts';
import { type PresetName, preset, presetNames } from '../model/presets.ts';
import { imageGrid, reconstructionGrid } from '../report/grid.ts';
import { RunDirectory } from '../report/run-directory.ts';
import type { DeviceName } from '../runtime/device.ts';
import { VAE } from '../vae.ts';
import { DATA_HELP, type DataOptions, hasTestSplit, integer, nonNegative, openData } from './options.ts';
import { ProgressBar } from './progress-bar.ts';

interface TrainOptions extends DataOptions {
  preset: PresetName;
  epochs?: number;
  batchSize?: number;
  learningRate?: number;
  device: DeviceName;
  seed: number;
  out?: string;
  resume?: boolean;
}

/** Images in samples.png, and pairs in reconstructions.png. */
const SAMPLES = 64;
const RECONSTRUCTIONS = 16;

/** Adds `torchvae train`. */
export function register(program: Command): void {
  program
    .command('train')
    .description('Train a VAE and leave a run directory: config, metrics, pictures, checkpoint.')
    .addOption(
      new Option('--preset <name>', 'the model and its training settings')
        .choices(presetNames)
        .default('mlp-400'),
    )
    .option('--data <name|path>', DATA_HELP, 'sprites')
    .option(
      '--data-dir <dir>',
      'where MNIST and Fashion-MNIST lie; else TORCHVAE_DATA, the cache, a download',
    )
    .option('--count <n>', 'sprites: how many to draw', integer(1))
    .option('--size <pixels>', 'sprites: 28, 32 or 64', integer(1))
    .option('--epochs <n>', "epochs in all; default the preset's", integer(1))
    .option('--batch-size <n>', "examples a step; default the preset's", integer(1))
    .option('--learning-rate <x>', "Adam's step size; default the preset's", nonNegative)
    .option('--device <name>', 'auto, cpu, cuda or cuda:N', 'auto')
    .option('--seed <n>', 'of the weights, the noise and the order of the data', integer(0), 0)
    .option('--out <dir>', 'run directory; default runs/PRESET-DATA-TIME')
    .option('--resume', 'go on from the checkpoint in --out, to --epochs in all')
    .addHelpText(
      'after',
      `
Examples:
  torchvae train --preset mlp-400 --data mnist --epochs 10 --seed 1
  torchvae train --data sprites --size 32 --count 50000 --out runs/sprites
  torchvae train --data sprites --out runs/sprites --epochs 20 --resume

The run directory holds config.json, metrics.jsonl (a line an epoch), reconstructions.png (originals above, their
reconstructions below), samples.png (draws from the prior) and checkpoint.safetensors. The checkpoint is written after
every epoch; Ctrl-C writes one at the step it has come to, and --resume goes on from there with the same numbers.`,
    )
    .action(train);
}

async function train(options: TrainOptions): Promise<void> {
  const { training } = preset(options.preset);
  const settings = {
    epochs: options.epochs ?? training.epochs,
    batchSize: options.batchSize ?? training.batchSize,
    learningRate: options.learningRate ?? training.learningRate,
  };
  const data = await openData(options, 'train');
  const test = hasTestSplit(options.data) ? await openData(options, 'test') : undefined;
  const run = await RunDirectory.open(options.out ?? defaultRun(options));
  using vae = await openModel(options, run, data);
  await run.keepMetrics(vae.epoch);
  await run.writeConfig(describeRun(options, settings, vae, data));
  process.stderr.write(
    `${options.preset} on ${data.describe()}: ${vae.parameterCount} parameters, ${vae.device}, ${run.path}\n`,
  );
  await trainEpochs(vae, data, test, run, settings);
  if (isImage(data)) await writePictures(vae, test ?? data, run);
  process.stderr.write(`Wrote ${run.path}\n`);
}

function defaultRun({ preset: name, data }: TrainOptions): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  const dataName = data.replaceAll(/[^A-Za-z0-9_.-]+/g, '_').replace(/^[._]+/, '');
  return join('runs', `${name}-${dataName}-${time}`);
}

async function openModel(options: TrainOptions, run: RunDirectory, data: Dataset): Promise<VAE> {
  const { device, seed } = options;
  if (options.resume) return VAE.load(run.checkpoint, { device });
  if (existsSync(run.checkpoint)) {
    throw new TorchvaeError(
      'ERR_STATE',
      `${run.path} holds a finished or interrupted run; add --resume to go on with it, or give another --out`,
    );
  }
  return VAE.create({ preset: options.preset, spec: { inputShape: data.shape }, device, seed });
}

function describeRun(options: TrainOptions, settings: object, vae: VAE, data: Dataset): object {
  return {
    preset: options.preset,
    data: { name: options.data, examples: data.length, shape: data.shape, kind: data.kind },
    training: settings,
    seed: options.seed,
    device: vae.device,
    spec: vae.spec,
    versions: { torchvae: vae.versions.torchvae, libtorch: vae.versions.libtorch, node: process.version },
  };
}

async function trainEpochs(
  vae: VAE,
  data: Dataset,
  test: Dataset | undefined,
  run: RunDirectory,
  settings: { epochs: number; batchSize: number; learningRate: number },
): Promise<void> {
  const bar = new ProgressBar();
  const controller = new AbortController();
  const interrupt = () => controller.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    const epochs = vae.fit(data, {
      ...settings,
      epochs: Math.max(0, settings.epochs - vae.epoch),
      ...(test && { validation: test }),
      signal: controller.signal,
      onProgress: (progress) => bar.update(progress),
    });
    for await (const result of epochs) {
      bar.epochDone(result);
      const { validation, ...line } = result;
      await vae.save(run.checkpoint);
      await run.appendMetrics({ ...line, ...(validation && { test: validation }) });
    }
  } catch (error) {
    bar.close();
    if (error instanceof TorchvaeError && error.code === 'ERR_ABORTED') await vae.save(run.checkpoint);
    throw error;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

function isImage({ shape, kind }: Dataset): boolean {
  return shape.length === 3 && (shape[0] === 1 || shape[0] === 3) && (kind === 'unit' || kind === 'binary');
}

async function writePictures(vae: VAE, data: Dataset, run: RunDirectory): Promise<void> {
  const shown = Array.from({ length: Math.min(RECONSTRUCTIONS, data.length) }, (_, i) => i);
  const originals = data.batch(shown);
  const reconstructions = await vae.reconstruct(originals);
  const pairs = reconstructionGrid(originals, reconstructions.data, data.shape, { columns: 8, scale: 2 });
  await run.writePicture('reconstructions.png', pairs);
  const samples = await vae.sample(SAMPLES);
  await run.writePicture('samples.png', imageGrid(samples.data, data.shape, { columns: 8, scale: 2 }));
}
