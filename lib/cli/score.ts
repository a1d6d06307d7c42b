import { type Command, Option } from 'commander';
import type { Dataset } from '../data/index.ts';
import { writeFileAtomic } from '../files.ts';
import { MEASURES } from '../model/anomaly.ts';
import { VAE } from '../vae.ts';
import { checkpointOf, integer, share } from './options.ts';
import { addShownOptions, type ShownOptions } from './pictures.ts';
import { openShown } from './run-data.ts';

interface ThresholdFlags extends ShownOptions {
  split: 'train' | 'test';
  falseAlarmRate?: number;
  quantile?: number;
  measure: (typeof MEASURES)[number];
  draws: number;
}

interface ScoreFlags extends ShownOptions {
  split: 'train' | 'test';
  out: string;
}

interface Scores {
  scores: Float32Array;
  anomalous?: readonly boolean[];
}

const SPLIT = () =>
  new Option('--split <name>', 'split to use, of sets that have both')
    .choices(['train', 'test'])
    .default('test');

/** Adds `torchvae threshold` and `torchvae score`. */
export function register(program: Command): void {
  addShownOptions(program.command('threshold'))
    .description('Set the anomaly threshold from normal examples and store it in the checkpoint.')
    .addOption(SPLIT())
    .option('--false-alarm-rate <share>', 'share of normal examples that may be flagged as anomalies', share)
    .option('--quantile <share>', 'quantile of the scores to use, instead of a false-alarm rate', share)
    .addOption(
      new Option('--measure <name>', 'measure that scores examples').choices(MEASURES).default('elbo'),
    )
    .option('--draws <n>', 'draws of z for each example', integer(1, 2 ** 20), 10)
    .addHelpText(
      'after',
      `
Example, with normal examples that the model was not trained on:
  torchvae threshold runs/people --data normal.csv --false-alarm-rate 0.01
  torchvae score runs/people --data new.csv --out scores.csv`,
    )
    .action(learn);
  addShownOptions(program.command('score'))
    .description(
      'Write the anomaly score of each example and, if there is a threshold, whether it is an anomaly.',
    )
    .addOption(SPLIT())
    .option('--out <file>', 'CSV to write', 'scores.csv')
    .addHelpText('after', '\nExample:\n  torchvae score runs/people --data new.csv --out scores.csv')
    .action(score);
}

async function learn(
  name: string,
  { split, falseAlarmRate, quantile, measure, draws, ...flags }: ThresholdFlags,
): Promise<void> {
  const checkpoint = checkpointOf(name, flags.best);
  using vae = await VAE.load(checkpoint, { device: flags.device });
  const data = await openShown(name, flags, split, vae.schema);
  const { value, examples } = await vae.fitThreshold(data, {
    measure,
    draws,
    ...(falseAlarmRate !== undefined && { falseAlarmRate }),
    ...(quantile !== undefined && { quantile }),
  });
  await vae.save(checkpoint);
  process.stderr.write(
    `${checkpoint} flags scores above ${value.toFixed(4)} nats (${measure}) as anomalies, set from ${examples} examples\n`,
  );
}

async function score(name: string, { split, out, ...flags }: ScoreFlags): Promise<void> {
  using vae = await VAE.load(checkpointOf(name, flags.best), { device: flags.device });
  const data = await openShown(name, flags, split, vae.schema);
  const found: Scores = vae.threshold ? await vae.detect(data) : { scores: await vae.score(data) };
  await writeFileAtomic(out, lines(data, found).join('\n'));
  const anomalies = found.anomalous?.filter(Boolean).length;
  const judged = anomalies === undefined ? 'no threshold is set' : `${anomalies} of them anomalies`;
  process.stderr.write(`Wrote the scores of ${data.length} examples, ${judged}, to ${out}\n`);
}

/** CSV: a line of names, then a line for each example in the order of the data. */
function lines({ labels, classes }: Dataset, { scores, anomalous }: Scores): string[] {
  const quoted = (text: string) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const label = (i: number) => quoted(classes?.[labels![i]!] ?? String(labels![i]));
  const names = ['example', 'score', ...(anomalous ? ['anomalous'] : []), ...(labels ? ['label'] : [])];
  const rows = Array.from(scores, (value, i) =>
    [i, value, ...(anomalous ? [anomalous[i]] : []), ...(labels ? [label(i)] : [])].join(','),
  );
  return [names.join(','), ...rows, ''];
}
