import type { Command } from 'commander';
import { checkInteger } from '../check.ts';
import type { DataSchema } from '../data/index.ts';
import { TorchvaeError } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import type { Tensor } from '../model/input.ts';
import { imageGrid } from '../report/grid.ts';
import { VAE } from '../vae.ts';
import { checkpointOf, integer } from './options.ts';
import {
  addPictureOptions,
  addShownOptions,
  type PictureOptions,
  putPicture,
  type ShownOptions,
} from './pictures.ts';
import { openShown } from './run-data.ts';

const DEFAULT = 'samples.png';
/** Output for data that are not images. */
const EXTENSIONS = { text: 'txt', table: 'jsonl' } as const;

/** Adds `torchvae sample`. */
export function register(program: Command): void {
  const command = program
    .command('sample')
    .description(
      'Draw z from the prior or from a mixture of normals, decode it, and write a picture, rows or lines.',
    );
  addPictureOptions(addShownOptions(command), DEFAULT)
    .option('--count <n>', 'number of samples', integer(1, 10_000), 64)
    .option('--seed <n>', 'the same seed gives the same samples', integer(0), 0)
    .option(
      '--label <n>',
      'label of all samples, for a conditioned model; default each label in turn',
      integer(0),
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
  torchvae sample runs/digits --mixture 10 --data mnist --out digits.png`,
    )
    .action(sample);
}

interface Flags extends ShownOptions, PictureOptions {
  count: number;
  seed: number;
  label?: number;
  mixture?: number;
}

async function sample(run: string, options: Flags): Promise<void> {
  using vae = await VAE.load(checkpointOf(run, options.best), { device: options.device });
  const samples = await draw(run, vae, options);
  const { schema } = vae;
  const out = schema && options.out === DEFAULT ? `samples.${EXTENSIONS[schema.type]}` : options.out;
  if (schema) await writeFileAtomic(out, textOf(schema, samples.data));
  else await putPicture(imageGrid(samples.data, vae.spec.inputShape, { scale: 2 }), options);
  process.stderr.write(`Wrote ${options.count} samples to ${out}\n`);
}

/** Lines as they are, rows as JSON lines. */
function textOf(schema: DataSchema, values: Float32Array): string {
  const rows =
    schema.type === 'text' ? schema.decode(values) : schema.decode(values).map((row) => JSON.stringify(row));
  return `${rows.join('\n')}\n`;
}

async function draw(
  run: string,
  vae: VAE,
  { count, seed, label, mixture, ...shown }: Flags,
): Promise<Tensor> {
  const classes = vae.spec.condition?.classes;
  if (label !== undefined && classes === undefined) {
    throw new TorchvaeError('ERR_STATE', 'This model is not conditioned on labels; leave --label out');
  }
  if (label !== undefined) checkInteger('label', label, 0, classes! - 1);
  const labels = classes ? Int32Array.from({ length: count }, (_, i) => label ?? i % classes) : undefined;
  if (mixture === undefined) return vae.sample(count, { seed, ...(labels && { labels }) });
  const codes = await openShown(run, shown, 'train', vae.schema);
  const fitted = await vae.fitMixture(codes, { components: mixture, seed });
  return vae.decode(fitted.sample(count, { seed }), labels && { labels });
}
