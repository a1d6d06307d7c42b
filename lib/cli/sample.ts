import { extname } from 'node:path';
import { type Command, Option } from 'commander';
import { checkInteger, checkOneOf } from '../check.ts';
import { counted } from '../counted.ts';
import type { TableSchema } from '../data/index.ts';
import { derivedSeed } from '../data/random.ts';
import { TorchvaeError } from '../errors.ts';
import type { Tensor } from '../model/input.ts';
import { sampleCurves } from '../report/curves.ts';
import { imageGrid } from '../report/grid.ts';
import { VAE } from '../vae.ts';
import { csvLine } from './csv.ts';
import { drawsNote } from './facts.ts';
import { checkpointOf } from './options.ts';
import { checkNotData, checkOutput, putLines } from './outputs.ts';
import { integer } from './parsers.ts';
import {
  addShownOptions,
  type PictureOptions,
  putChart,
  putPicture,
  SHOW_HELP,
  type ShownOptions,
} from './pictures.ts';
import { openShown } from './run-data.ts';

/** Samples of a file. */
const MOST = 1_000_000_000;
/** Samples that are drawn at a time, and most of a picture. */
const AT_A_TIME = 10_000;

/** Adds `torchvae sample`. */
export function register(program: Command): void {
  const command = program
    .command('sample')
    .description(
      'Draw z from the prior or from a mixture of normals, decode it, and write a picture, rows or lines.',
    );
  addShownOptions(command)
    .option(
      '--out <file>',
      'file to write; default samples.png of images, else samples.txt, .jsonl or .csv; - for standard output',
    )
    .option('--show', SHOW_HELP)
    .option('--count <n>', 'number of samples', integer(1, MOST), 64)
    .option('--seed <n>', 'the same seed gives the same samples', integer(0), 0)
    .option(
      '--label <name>',
      'label of all samples, for a conditioned model: the name of a class, else its number; default each label in turn',
    )
    .addOption(
      new Option(
        '--kind <name>',
        'the mean of p(x|z), its mode, or a draw from it; default sample for tables, else mean',
      ).choices(['mean', 'mode', 'sample']),
    )
    .option(
      '--mixture <n>',
      'draw from so many normals fitted to the codes of the training data, or of --data',
      integer(1, 4096),
    )
    .addHelpText(
      'after',
      `
Examples:
  torchvae sample runs/digits --count 100 --seed 7 --out digits.png
  torchvae sample runs/digits --mixture 10 --data mnist --out digits.png
  torchvae sample runs/people --count 1000 --label member --out people.csv

Rows of a table go to JSON lines, or to CSV where --out ends with .csv; other values to CSV. Series and vectors are drawn as curves where
--out ends with .png or .svg. Images of a conditioned model have a row for each class.`,
    )
    .action(sample);
}

interface Flags extends ShownOptions, Omit<PictureOptions, 'out'> {
  out?: string;
  count: number;
  seed: number;
  label?: string;
  kind?: 'mean' | 'mode' | 'sample';
  mixture?: number;
}

async function sample(run: string, options: Flags): Promise<void> {
  using vae = await VAE.load(checkpointOf(run, options.best), { device: options.device });
  const labelOf = labelsFor(vae, options);
  const known = extensionsOf(vae);
  const { out = `samples${known[0]}` } = options;
  checkOutput(out, known);
  checkNotData(out, options.data);
  const extension = out === '-' ? '' : extname(out).toLowerCase() || known[0]!;
  const isDrawn = extension === '.png' || extension === '.svg';
  if (isDrawn && options.count > AT_A_TIME) {
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected at most ${AT_A_TIME} for --count of a picture but received ${options.count}; write them to another file (${known.filter((name) => name !== '.png' && name !== '.svg').join(', ')})`,
    );
  }
  const parts = draw(run, vae, options, labelOf);
  if (isDrawn) {
    const { value } = await parts.next();
    await putSamples(vae, value!.samples, { ...options, out });
  } else await putLines(out, linesOf(vae, parts, extension));
  if (options.kind === undefined) process.stderr.write(drawsNote(vae.schema, vae.spec.likelihood));
  process.stderr.write(`Wrote ${counted(options.count, 'sample')}${out === '-' ? '' : ` to ${out}`}\n`);
}

/** Of the files that draws can be written to; the usual one is first. */
function extensionsOf(vae: VAE): readonly string[] {
  if (vae.schema?.type === 'text') return ['.txt'];
  if (vae.schema) return ['.jsonl', '.ndjson', '.json', '.csv', '.png', '.svg'];
  return isPicture(vae) ? ['.png', '.csv'] : ['.csv', '.png', '.svg'];
}

/** Draws as a picture: a grid of images, or curves. */
async function putSamples(vae: VAE, samples: Tensor, options: Flags & PictureOptions): Promise<void> {
  const {
    schema,
    spec: { inputShape: shape },
  } = vae;
  if (!isPicture(vae)) return putChart(sampleCurves(samples, { shape, schema }), options);
  return putPicture(
    imageGrid(samples.data, shape, { columns: gridColumns(vae, options), scale: 2 }),
    options,
  );
}

/** Draws that come one part after the other as lines of text, or rows, or plain values. */
async function* linesOf(
  { schema, classes }: VAE,
  parts: AsyncIterable<Part>,
  extension: string,
): AsyncGenerator<string> {
  for await (const { samples, labels, first } of parts) {
    if (!schema) yield* valuesOf(samples, first);
    else if (schema.type === 'text') yield* schema.decode(samples.data);
    else yield* rowsOf(schema, samples, labels && { of: labels, names: classes ?? [] }, { extension, first });
  }
}

/** Whether draws are shown as images. */
function isPicture({ schema, spec: { inputShape } }: VAE): boolean {
  return !schema && inputShape.length === 3 && (inputShape[0] === 1 || inputShape[0] === 3);
}

/** Of a conditioned model, as many as bring each class into one row. */
function gridColumns(vae: VAE, { count, label }: Flags): number {
  const classes = label === undefined ? trainedClasses(vae) : undefined;
  return Math.ceil(classes ? count / classes : Math.sqrt(count));
}

/** The classes of a conditioned model that training examples had: those with a name, where classes have names. */
function trainedClasses({ spec: { condition }, classes }: VAE): number | undefined {
  return condition && Math.min(condition.classes, classes?.length ?? condition.classes);
}

/** Values as CSV: a line of names before the first draw, then one for each, in the order of its elements. */
function* valuesOf({ data, shape: [rows] }: Tensor, first: number): Generator<string> {
  const size = data.length / rows!;
  if (first === 0) yield csvLine(Array.from({ length: size }, (_, i) => `x${i + 1}`));
  for (let i = 0; i < rows!; i++) yield csvLine([...data.subarray(i * size, (i + 1) * size)]);
}

/**
 * Rows, with the draw that a window's row is of, and the label that each was drawn for, as CSV or JSON lines.
 *
 * @param first the number of the first of these draws
 */
function* rowsOf(
  schema: TableSchema,
  { data, shape: [draws, length] }: Tensor,
  labels: { of: Int32Array; names: readonly string[] } | undefined,
  { extension, first }: { extension: string; first: number },
): Generator<string> {
  const { label } = schema;
  const decoded = schema.decode(data);
  const isWindow = decoded.length > draws!;
  for (const [i, row] of decoded.entries()) {
    const sample = isWindow ? Math.floor(i / length!) : i;
    const whole = {
      ...(isWindow && { sample: first + sample, step: i % length! }),
      ...row,
      ...(labels && label && { [label.name]: labels.names[labels.of[sample]!]! }),
    };
    if (extension === '.csv' && first + i === 0) yield csvLine(Object.keys(whole));
    yield extension === '.csv' ? csvLine(Object.values(whole)) : JSON.stringify(whole);
  }
}

/** The label of each sample by its number, where the model is conditioned. */
function labelsFor(vae: VAE, options: Flags): ((sample: number) => number) | undefined {
  const { spec, classes: names } = vae;
  const { label } = options;
  const classes = spec.condition?.classes;
  if (label === undefined && classes === undefined) return undefined;
  if (label === undefined) {
    const columns = gridColumns(vae, options);
    const inRows = isPicture(vae);
    const trained = trainedClasses(vae)!;
    return (sample) => (inRows ? Math.floor(sample / columns) : sample % trained);
  }
  if (classes === undefined) {
    throw new TorchvaeError('ERR_STATE', 'This model is not conditioned on labels; leave --label out');
  }
  // A number counts classes, unless their names are numbers themselves.
  const isNumber = /^\d+$/.test(label) && !names?.some((name) => /^\d+$/.test(name));
  const wanted =
    names && !isNumber
      ? names.indexOf(checkOneOf('label', label, names))
      : checkInteger('label', isNumber ? Number(label) : label, 0, trainedClasses(vae)! - 1);
  return () => wanted;
}

/** Samples that are drawn together. */
interface Part {
  samples: Tensor;
  labels?: Int32Array;
  /** The number of the first of them. */
  first: number;
}

/** The samples, as many at a time as lie in memory well; those of each part are drawn from a seed derived from the first. */
async function* draw(
  run: string,
  vae: VAE,
  { count, seed: firstSeed, kind: given, label: _label, mixture, ...shown }: Flags,
  labelOf: ((sample: number) => number) | undefined,
): AsyncGenerator<Part, undefined> {
  const kind = given ?? (vae.schema?.type === 'table' ? 'sample' : 'mean');
  const codes =
    mixture === undefined
      ? undefined
      : await vae.fitMixture(await openShown(run, shown, 'train', vae), {
          components: mixture,
          seed: firstSeed,
        });
  for (let first = 0; first < count; first += AT_A_TIME) {
    const length = Math.min(AT_A_TIME, count - first);
    const seed = derivedSeed(firstSeed, first / AT_A_TIME);
    const labels = labelOf && Int32Array.from({ length }, (_, i) => labelOf(first + i));
    const options = { seed, kind, ...(labels && { labels }) };
    const samples = codes
      ? await vae.decode(codes.sample(length, { seed }), options)
      : await vae.sample(length, options);
    yield { samples, first, ...(labels && { labels }) };
  }
}
