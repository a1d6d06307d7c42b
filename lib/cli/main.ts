#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { TorchvaeError } from '../errors.ts';
import { ioError } from '../files.ts';
import { packageVersion } from '../package.ts';
import { register as registerBuild } from './build.ts';
import { register as registerCompress } from './compress.ts';
import { register as registerDoctor } from './doctor.ts';
import { register as registerEncode } from './encode.ts';
import { register as registerEvaluate } from './evaluate.ts';
import { inFlags } from './flags.ts';
import { register as registerInspect } from './inspect.ts';
import { register as registerInterpolate } from './interpolate.ts';
import { register as registerPlot } from './plot.ts';
import { register as registerReconstruct } from './reconstruct.ts';
import { register as registerReport } from './report.ts';
import { register as registerSample } from './sample.ts';
import { register as registerScore } from './score.ts';
import { register as registerSearch } from './search.ts';
import { register as registerSetup } from './setup.ts';
import { register as registerTrain } from './train.ts';
import { register as registerTraverse } from './traverse.ts';

/** The command whose action runs, or the program before one does. */
let called: Command;

function createProgram(): Command {
  const program = new Command('torchvae')
    .description('Variational autoencoders on libtorch: train, sample, look inside.')
    .version(packageVersion())
    .exitOverride()
    .showHelpAfterError('(add --help to see what there is)')
    .addHelpText(
      'after',
      `
A first run, from nothing to pictures in runs/:
  torchvae setup                                     fetch libtorch into your cache
  torchvae train --preset mlp-400 --data sprites     train on the built-in images
  torchvae sample runs/NAME --out samples.png        draw new images from it
  torchvae report runs/NAME                          all of the run on a page of HTML`,
    );
  called = program;
  program.hook('preAction', (_, command) => {
    called = command;
  });
  registerTrain(program);
  registerSearch(program);
  registerSample(program);
  registerReconstruct(program);
  registerEvaluate(program);
  registerInspect(program);
  registerReport(program);
  registerInterpolate(program);
  registerTraverse(program);
  registerPlot(program);
  registerScore(program);
  registerEncode(program);
  registerCompress(program);
  registerSetup(program);
  registerDoctor(program);
  registerBuild(program);
  return program;
}

/** Errors that have a code are for people: their message, without a stack. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  if (!(error instanceof TorchvaeError)) throw error;
  process.stderr.write(`error: ${inFlags(error.message, called)} [${error.code}]\n`);
  return error.code === 'ERR_ABORTED' ? 130 : 1;
}

// Whoever reads has enough and closed the pipe, as `head` does: end as a process does that SIGPIPE ends.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(128 + 13);
  process.exit(report(ioError('write', 'standard output', error)));
});
// What is said of the work is less than the work: a log on a full disk does not end a training.
process.stderr.on('error', () => {});

try {
  await createProgram().parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
