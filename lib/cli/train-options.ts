import { type Command, Option } from 'commander';
import { PRECISIONS } from '../model/precision.ts';
import { presetNames } from '../model/presets.ts';
import { DATA_HELP, SIZE_HELP } from './options.ts';
import { integer, nonNegative, one, share } from './parsers.ts';
import { addReadingOptions } from './reading.ts';
import { addStreamOptions } from './streams.ts';

/** Adds `--preset`. */
export function addPresetOption(command: Command): Command {
  return command.addOption(
    new Option('--preset <name>', 'the model and its training settings; default mlp-400').choices(
      presetNames,
    ),
  );
}

/** Adds the options that say which data are trained on, and how they are read. */
export function addDataOptions(command: Command, holdoutHelp: string): Command {
  command
    .optionsGroup('Data:')
    .option('--data <name|path>', `${DATA_HELP}; default sprites`, one)
    .option(
      '--data-dir <dir>',
      'where MNIST and Fashion-MNIST lie; else TORCHVAE_DATA, the cache, a download',
    )
    .option('--count <n>', 'sprites: how many to draw', integer(1))
    .option('--size <pixels>', SIZE_HELP, integer(1));
  return addStreamOptions(addReadingOptions(command))
    .addOption(
      new Option(
        '--binarize <mode>',
        'make 0 and 1 of the data: cut, drawn once, or drawn for every batch',
      ).choices(['threshold', 'fixed', 'dynamic']),
    )
    .option('--holdout <share>', holdoutHelp, share)
    .option(
      '--chronological',
      'hold out the end of the data instead of examples drawn at random, as is always done for windows',
    )
    .option(
      '--test-data <path>',
      'data of the same kind that every epoch is judged by, and that is not trained on',
    );
}

/** Adds the options of training that have separate flags. */
export function addTrainingOptions(command: Command): Command {
  return command
    .optionsGroup('Training:')
    .option(
      '--epochs <n>',
      "epochs in all; default the preset's, of small tables more, for 1,000 updates, at most 200",
      integer(1),
    )
    .option('--batch-size <n>', "examples per batch; default the preset's", integer(1, 2 ** 20))
    .option('--learning-rate <x>', "the optimizer's step size; default the preset's", nonNegative(1000))
    .option(
      '--patience <n>',
      'end training when the validation loss has not fallen for n epochs; default it does not end early',
      integer(1),
    )
    .option('--seed <n>', 'of the weights, the noise and the order of the data; default 0', integer(0))
    .addOption(
      new Option(
        '--precision <name>',
        'of matrix products: float32 (default); bf16, faster where the processor or GPU has it; tf32 (CUDA); float64',
      ).choices(PRECISIONS),
    );
}
