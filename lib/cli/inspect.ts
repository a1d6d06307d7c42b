import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { type Checkpoint, readCheckpoint } from '../model/checkpoint.ts';
import { isParameter } from '../model/parameters.ts';
import { namesInWords } from '../report/in-words.ts';
import { RunDirectory } from '../report/run-directory.ts';
import { type Facts, factLines, modelFacts, schemaFacts, thresholdFacts } from './facts.ts';
import { BEST_HELP, checkpointOf } from './options.ts';
import { factsOf } from './run-facts.ts';

/** Adds `torchvae inspect`. */
export function register(program: Command): void {
  program
    .command('inspect')
    .description('Print what a run or a checkpoint holds: model, columns, training, threshold.')
    .argument('<run>', 'run directory or checkpoint file')
    .option('--best', BEST_HELP)
    .addHelpText(
      'after',
      `
Examples:
  torchvae inspect runs/people
  torchvae inspect vae.safetensors

It reads files alone: it needs neither libtorch nor the data.`,
    )
    .action(inspect);
}

async function inspect(name: string, { best }: { best?: boolean }): Promise<void> {
  const path = checkpointOf(name, best);
  const run = new RunDirectory(name);
  const config = existsSync(run.config) ? await run.readConfig() : undefined;
  process.stdout.write(`${factLines(describe(path, await readCheckpoint(path), config))}\n`);
}

function describe(
  path: string,
  { spec, seed, precision, position, trainingSettings, schema, threshold, tensors }: Checkpoint,
  config: Record<string, unknown> | undefined,
): Facts {
  const weights = [...tensors].filter(([name]) => isParameter({ name }));
  const count = weights.reduce((sum, [, { data }]) => sum + data.length, 0);
  const { best, partial, stepInEpoch } = position;
  const { Data, Environment, 'Optimizer and schedule': training } = config ? factsOf(config) : {};
  return {
    [path]: {
      'epochs done': position.epoch,
      'steps done': position.step,
      'epoch under way':
        partial && stepInEpoch > 0 ? `${partial.sums.examples} examples of ${partial.examples}` : undefined,
      'best epoch': best && `${best.epoch}, ${best.of} ${best.value.toFixed(3)}`,
    },
    Model: { ...modelFacts(spec, count), precision },
    Columns: schemaFacts(schema),
    Data: Data ?? {},
    Training: training ?? {
      optimizer: position.optimizer ?? (position.step > 0 ? 'adam' : undefined),
      'batch size': partial?.batchSize,
      ...namesInWords(trainingSettings),
      seed,
    },
    Anomalies: thresholdFacts(threshold),
    Environment: Environment ?? {},
  };
}
