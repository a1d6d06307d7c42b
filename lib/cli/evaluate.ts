import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { counted, short } from '../counted.ts';
import type { Evaluation } from '../evaluation/evaluate.ts';
import type { TableComparison } from '../evaluation/table-comparison.ts';
import { writeFileAtomic } from '../files.ts';
import { MEASURES } from '../model/anomaly.ts';
import { plainArrays } from '../report/run-directory.ts';
import { VAE } from '../vae.ts';
import { inFlags } from './flags.ts';
import { checkpointOf } from './options.ts';
import { collect, integer } from './parsers.ts';
import { addShownOptions, type ShownOptions } from './pictures.ts';
import { areTraining, fittingIn, openWhole, someOf, writeNotes } from './run-data.ts';

interface Flags extends ShownOptions {
  split: 'train' | 'test';
  likelihood: number;
  samples: number;
  anomalous?: string[];
  measure: (typeof MEASURES)[number];
  seed: number;
  json?: boolean;
  out?: string;
}

/** The file in a run directory that the evaluation goes to. */
const EVALUATION_FILE = 'evaluation.json';
/** Examples of a stream that are evaluated. */
const MOST = 100_000;
/** Fewer anomalies, or normal examples, rank by chance. */
const FEW = 10;

/** Adds `torchvae evaluate`. */
export function register(program: Command): void {
  addShownOptions(program.command('evaluate'))
    .description(
      'Measure how good a model is: losses, likelihood, reconstructions, use of z, samples, disentanglement, detection.',
    )
    .addOption(
      new Option('--split <name>', 'split to evaluate, of sets that have both')
        .choices(['train', 'test'])
        .default('test'),
    )
    .option(
      '--likelihood <k>',
      'draws of z for each example of the importance-weighted -log p(x), usually 5000; 0 leaves it out',
      integer(0, 2 ** 24),
      0,
    )
    .option(
      '--samples <n>',
      'draws from the model to compare with as many examples; 0 leaves it out',
      integer(0, 2 ** 20),
      10_000,
    )
    .option(
      '--anomalous <label>',
      'a label or class that counts as an anomaly, for AUROC and AUPRC; may be repeated',
      collect,
    )
    .addOption(
      new Option('--measure <name>', 'measure that scores anomalies').choices(MEASURES).default('elbo'),
    )
    .option('--seed <n>', 'seed of all draws', integer(0), 0)
    .option('--json', 'print JSON instead of a table')
    .option('--out <file>', `JSON to write; default RUN/${EVALUATION_FILE} for a run directory, else none`)
    .addHelpText(
      'after',
      `
Examples:
  torchvae evaluate runs/digits
  torchvae evaluate runs/digits --likelihood 5000 --samples 0
  torchvae evaluate runs/without-4 --anomalous 4

Figures are in nats where no unit is named. --likelihood 5000 takes minutes on MNIST's test images. Distances between samples
and data are computed on the principal components of the data: they compare models with each other, but not with distances in the
features of another network.`,
    )
    .action(run);
}

async function run(name: string, { split, json, out, ...flags }: Flags): Promise<void> {
  using vae = await VAE.load(checkpointOf(name, flags.best), { device: flags.device });
  const whole = await openWhole(name, flags, split, vae);
  writeNotes(whole);
  if (split === 'test' && (await areTraining(name, flags, split))) {
    process.stderr.write(
      `${whole.name} is what the model was trained on: figures of new data are worse; give others (--data), or hold a part out in training (--holdout)\n`,
    );
  }
  const data = await someOf(whole, mostOf(whole));
  if (data.length < whole.length) {
    const [some, all] = [data, whole].map(({ length }) => length.toLocaleString('en-US'));
    process.stderr.write(`${whole.name} is streamed: the figures are of ${some} of its ${all} examples\n`);
  }
  const evaluation = await vae.evaluate(data, {
    likelihoodSamples: flags.likelihood,
    samples: flags.samples,
    seed: flags.seed,
    ...(flags.anomalous && {
      anomalous: flags.anomalous.map((label) => toLabel(label, data.classes)),
      scoring: { measure: flags.measure },
    }),
  });
  if (flags.likelihood > 0 && !evaluation.likelihood) {
    const { type } = vae.spec.posterior;
    process.stderr.write(`-log p(x) is left out: the posterior ${type} has no density\n`);
  }
  const text = `${JSON.stringify(evaluation, plainArrays, 2)}\n`;
  process.stdout.write(json ? text : `${table(evaluation)}\n`);
  const file = out ?? (statSync(name).isDirectory() ? join(name, EVALUATION_FILE) : undefined);
  if (file === undefined) return;
  await writeFileAtomic(file, text);
  process.stderr.write(`Wrote ${file}\n`);
}

/** Of a stream, as many examples as fit into memory beside the model, and are evaluated within minutes. */
function mostOf({ size }: { size: number }): number {
  return Math.min(MOST, fittingIn({ size }));
}

/** The name of a class where there is one of that name, else a number. */
function toLabel(text: string, classes: readonly string[] | undefined): string | number {
  return classes?.includes(text) || !/^\d+$/.test(text) ? text : Number(text);
}

/** A name, a figure, and what to say of it. */
type Line = [string, number | undefined, string?];

/** A line for each figure, for people. */
export function table(evaluation: Evaluation): string {
  const { data, losses, likelihood, reconstruction, latent, samples, disentanglement, detection } =
    evaluation;
  const binarized = data.binarization === 'none' ? '' : `, binarized (${data.binarization})`;
  const leftOut = data.leftOut
    ? `; ${counted(data.leftOut, 'row')} left out, which cannot be read or have no finite loss`
    : '';
  const drawn = samples?.kind === 'mean' ? 'means of p(x|z)' : 'draws of p(x|z)';
  const lines: Line[] = [
    ['elbo', losses.elbo, 'nats per example, one draw of z'],
    ['reconstruction', losses.reconstruction, '-log p(x|z)'],
    ['kl', losses.kl, 'KL(q(z|x) || p(z))'],
    ['bits per dimension', losses.bitsPerDimension, 'of -elbo'],
    [
      '-log p(x)',
      likelihood?.negativeLogLikelihood,
      `+- ${likelihood?.standardError.toFixed(2)}, ${likelihood?.samples} importance samples`,
    ],
    ['bits per dimension', likelihood?.bitsPerDimension, 'of -log p(x)'],
    ['mean squared error', reconstruction?.meanSquaredError, 'of reconstructions from the mean of q(z|x)'],
    ['peak signal to noise', reconstruction?.peakSignalToNoise, 'decibels'],
    ['structural similarity', reconstruction?.structuralSimilarity],
    [
      'active units',
      latent.activeUnits,
      `of ${latent.meanVariance.length}, over ${counted(latent.examples, 'example')}`,
    ],
    ['mutual information', latent.mutualInformation, `I(x; z), at most log ${latent.examples}`],
    ['Frechet distance', samples?.frechetDistance, `${samples?.examples} samples, ${samples?.features}`],
    ['precision', samples?.precision, `${drawn} that lie near some example`],
    ['recall', samples?.recall, `examples that lie near one of the ${drawn}`],
    ['density', samples?.density, 'about 1 for good samples'],
    ['coverage', samples?.coverage, 'examples with a sample nearby'],
    ...columnLines(samples?.columns),
    ['mutual information gap', disentanglement?.mutualInformationGap.score],
    ['DCI disentanglement', disentanglement?.dci.disentanglement],
    ['DCI completeness', disentanglement?.dci.completeness],
    ['DCI informativeness', disentanglement?.dci.informativeness],
    ['SAP', disentanglement?.sap.score],
    ['AUROC', detection?.auroc, detection ? rankedIn(detection) : ''],
    ['AUPRC', detection?.auprc, `by ${detection?.measure}, ${detection?.draws} draws`],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return [
    `${data.name}: ${counted(data.examples, 'example')} of ${data.shape.join('x')}, ${data.kind}${binarized}${leftOut}`,
    ...lines
      .filter(([, value]) => value !== undefined)
      .map(([name, value, note]) =>
        `${name.padEnd(width)}  ${significant(value!).padStart(10)}  ${note ?? ''}`.trimEnd(),
      ),
    ...(latent.alarm ? [inFlags(latent.alarm.message)] : []),
    ...(samples?.alarm ? [samples.alarm] : []),
    ...(detection && Math.min(detection.anomalous, detection.normal) < FEW
      ? [`AUROC and AUPRC of ${rankedIn(detection)} say little: those of others may be far from them`]
      : []),
  ].join('\n');
}

function rankedIn({ anomalous, normal }: { anomalous: number; normal: number }): string {
  return `${counted(anomalous, 'anomaly', 'anomalies')}, ${normal.toLocaleString('en-US')} normal`;
}

/** How the columns of drawn rows compare with those of the data. */
function columnLines({ correlations, share, deviation }: TableComparison = {}): Line[] {
  const both = ({ data, drawn }: { data: number; drawn: number }) =>
    `${short(data)} in the data, ${short(drawn)} drawn`;
  const byChance = (value: number | undefined) => (value === undefined ? '' : `; ${short(value)} by chance`);
  const lines: Line[] = [];
  if (correlations) {
    const { pairs, meanError, meanErrorByChance, worst } = correlations;
    lines.push(
      [
        'correlations, mean error',
        meanError,
        `over ${counted(pairs, 'pair')} of columns${byChance(meanErrorByChance)}`,
      ],
      [
        'correlations, largest error',
        worst.error,
        `${worst.columns.join(' and ')}: ${both(worst)}${byChance(worst.errorByChance)}`,
      ],
    );
  }
  if (share) {
    const { column, category, difference, differenceByChance } = share;
    lines.push([
      'shares, largest error',
      difference,
      `${column}=${category}: ${both(share)}${byChance(differenceByChance)}`,
    ]);
  }
  if (deviation) {
    const { column, ratio, ratioByChance: above } = deviation;
    // Of the two that come by chance, the one on the same side of 1.
    const chance = above !== undefined && ratio < 1 ? 1 / above : above;
    lines.push(['deviations, farthest ratio', ratio, `${column}: ${both(deviation)}${byChance(chance)}`]);
  }
  return lines;
}

/** Five digits, and whole numbers as they are. */
function significant(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(5);
}
