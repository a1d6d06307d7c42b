#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { TorchvaeError } from '../errors.ts';
import { ioError } from '../files.ts';
import { packageVersion } from '../package.ts';
import { inFlags, setCalled } from './flags.ts';

/** The commands, in the order of the help. Only the module of the one that is called is loaded: all of them are hundreds of files. */
const COMMANDS: Readonly<Record<string, () => Promise<{ register: (program: Command) => void }>>> = {
  train: () => import('./train.ts'),
  search: () => import('./search.ts'),
  sample: () => import('./sample.ts'),
  reconstruct: () => import('./reconstruct.ts'),
  evaluate: () => import('./evaluate.ts'),
  inspect: () => import('./inspect.ts'),
  report: () => import('./report.ts'),
  interpolate: () => import('./interpolate.ts'),
  traverse: () => import('./traverse.ts'),
  plot: () => import('./plot.ts'),
  score: () => import('./score.ts'),
  encode: () => import('./encode.ts'),
  compress: () => import('./compress.ts'),
  setup: () => import('./setup.ts'),
  doctor: () => import('./doctor.ts'),
  build: () => import('./build.ts'),
};

/** The modules that a command line with this first word needs. */
function modulesFor(first: string) {
  if (first === '--version' || first === '-V') return [];
  return Object.hasOwn(COMMANDS, first) ? [COMMANDS[first]!] : Object.values(COMMANDS);
}

async function createProgram(first = ''): Promise<Command> {
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
  setCalled(program);
  program.hook('preAction', (_, command) => setCalled(command));
  for (const { register } of await Promise.all(modulesFor(first).map((load) => load()))) register(program);
  return program;
}

/** Errors that have a code are for people: their message, without a stack. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  if (!(error instanceof TorchvaeError)) throw error;
  process.stderr.write(`error: ${inFlags(error.message)} [${error.code}]\n`);
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
  const program = await createProgram(process.argv[2]);
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
