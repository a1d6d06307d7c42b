import { type Command, Option } from 'commander';
import { counted } from '../counted.ts';
import { type Dataset, StreamedDataset } from '../data/index.ts';
import { MEASURES, rowStates } from '../model/anomaly.ts';
import { withKnownLabels } from '../model/classes.ts';
import { VAE } from '../vae.ts';
import { csvLine } from './csv.ts';
import { checkpointOf } from './options.ts';
import { checkNotData, checkOutput, putLines } from './outputs.ts';
import { collect, integer, share } from './parsers.ts';
import { addShownOptions, type ShownOptions } from './pictures.ts';
import { areTraining, cellsOf, openWhole, writeNotes } from './run-data.ts';

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
  keep?: string[];
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
    .option('--out <file>', 'CSV to write; - for standard output', 'scores.csv')
    .option(
      '--keep <column>',
      'a column of --data, a table, to write beside the scores; may be repeated',
      collect,
    )
    .addHelpText(
      'after',
      `
Examples:
  torchvae score runs/people --data new.csv --out scores.csv
  torchvae score runs/people --data new.csv --keep id --keep name --out - | sort -t, -k2 -g

The column state says what a score is worth: scored; infinite, for a row far from all others or with values that the likelihood
cannot give; imputed, where missing cells were filled in; unseen, where a cell has a category that no training row had or
no number where its column has numbers, or a line has tokens that are not in the vocabulary or too many; invalid, where the row holds no number. imputed and unseen count these cells or tokens.`,
    )
    .action(score);
}

async function learn(
  name: string,
  { split, falseAlarmRate, quantile, measure, draws, ...flags }: ThresholdFlags,
): Promise<void> {
  const checkpoint = checkpointOf(name, flags.best);
  using vae = await VAE.load(checkpoint, { device: flags.device });
  const data = await openWhole(name, flags, split, vae);
  const { value, examples, nonFinite } = await vae.fitThreshold(data, {
    measure,
    draws,
    ...(falseAlarmRate !== undefined && { falseAlarmRate }),
    ...(quantile !== undefined && { quantile }),
  });
  await vae.save(checkpoint);
  writeNotes(data);
  if (await areTraining(name, flags, split)) {
    process.stderr.write(
      `${data.name} is what the model was trained on, and scores lower than new data, of which more will be flagged; give others (--data), or hold a part out in training (--holdout)\n`,
    );
  }
  const without = nonFinite ? `, ${nonFinite} of them without a finite score` : '';
  process.stderr.write(
    `${checkpoint} flags scores above ${value.toFixed(4)} nats (${measure}) as anomalies, set from ${counted(examples, 'example')}${without}\n`,
  );
}

async function score(name: string, { split, out, keep = [], ...flags }: ScoreFlags): Promise<void> {
  checkOutput(out, ['.csv']);
  checkNotData(out, flags.data);
  using vae = await VAE.load(checkpointOf(name, flags.best), { device: flags.device });
  const data = await openWhole(name, flags, split, vae);
  const kept = keep.length > 0 ? await cellsOf(name, flags, keep) : undefined;
  const table = new ScoreTable(vae, keep, kept);
  for await (const part of data instanceof StreamedDataset ? data.parts() : [data]) await table.add(part);
  await putLines(out, table.lines);
  writeNotes(data);
  process.stderr.write(`${table.summary}${out === '-' ? '' : `, to ${out}`}\n`);
}

/** What is counted in each row of data with a schema. */
const COUNTS = { table: ['imputed', 'unseen'], text: ['unseen'] } as const;

/** CSV: a line of names, then a line for each example in the order of the data. */
class ScoreTable {
  readonly #vae: VAE;
  readonly #keep: readonly string[];
  readonly #kept: readonly (readonly string[])[] | undefined;
  readonly #lines: string[] = [];
  readonly #states = new Map<string, number>();
  #anomalies = 0;

  /** @param kept the cells of the columns to keep, by column and row */
  constructor(vae: VAE, keep: readonly string[], kept: readonly (readonly string[])[] | undefined) {
    this.#vae = vae;
    this.#keep = keep;
    this.#kept = kept;
  }

  async add(part: Dataset): Promise<void> {
    const { labels, classes, schema } = part;
    // A label that a conditioned model does not know counts as an unseen cell.
    const { cells } = withKnownLabels(part, this.#vae);
    const found = this.#vae.threshold ? await this.#vae.detect(part) : undefined;
    const scores = found?.scores ?? (await this.#vae.score(part));
    const states = found?.states ?? rowStates(scores, cells);
    const columns = schema ? COUNTS[schema.type] : [];
    if (this.#lines.length === 0) {
      const names = ['example', 'score', ...(found ? ['anomalous'] : []), 'state', ...columns];
      this.#lines.push(csvLine([...names, ...(labels ? ['label'] : []), ...this.#keep]));
    }
    for (const [i, value] of scores.entries()) {
      const row = this.#lines.length - 1;
      const values: unknown[] = [row, value, ...(found ? [found.anomalous[i]] : []), states[i]];
      for (const name of columns) values.push(cells?.[name][i] ?? 0);
      if (labels) values.push(classes?.[labels[i]!] ?? labels[i]);
      this.#lines.push(csvLine([...values, ...(this.#kept?.map((column) => column[row]) ?? [])]));
      this.#states.set(states[i]!, (this.#states.get(states[i]!) ?? 0) + 1);
      if (found?.anomalous[i]) this.#anomalies++;
    }
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** `Wrote the scores of 600 examples, 3 of them anomalies, 2 imputed`. */
  get summary(): string {
    const judged = this.#vae.threshold ? `${this.#anomalies} of them anomalies` : 'no threshold is set';
    const odd = [...this.#states].filter(([state]) => state !== 'scored');
    const counts = odd.map(([state, count]) => `, ${count} ${state}`).join('');
    return `Wrote the scores of ${counted(this.#lines.length - 1, 'example')}, ${judged}${counts}`;
  }
}
