import { extname } from 'node:path';
import { Argument, type Command } from 'commander';
import { spread } from '../data/spread.ts';
import { TorchvaeError } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import { svgToPng } from '../report/charts/rasterise.ts';
import type { EpochRecord } from '../report/epochs.ts';
import { latentChart } from '../report/latent/scatter.ts';
import { gradientChart, klChart, learningRateChart, lossChart } from '../report/run-charts.ts';
import { RunDirectory } from '../report/run-directory.ts';
import { VAE } from '../vae.ts';
import { checkpointOf, integer } from './options.ts';
import { addShownOptions, type ShownOptions } from './pictures.ts';
import { openShown } from './run-data.ts';

const OF_METRICS = {
  loss: (epochs) => lossChart(epochs),
  reconstruction: (epochs) => lossChart(epochs, 'reconstruction'),
  kl: (epochs) => lossChart(epochs, 'kl'),
  elbo: (epochs) => lossChart(epochs, 'elbo'),
  'learning-rate': learningRateChart,
  gradients: gradientChart,
} satisfies Record<string, (epochs: readonly EpochRecord[]) => string>;
const KINDS = [...Object.keys(OF_METRICS), 'latent', 'dimensions'] as Kind[];
type Kind = keyof typeof OF_METRICS | 'latent' | 'dimensions';

interface Flags extends ShownOptions {
  count: number;
  out?: string;
}

/** Adds `torchvae plot`. */
export function register(program: Command): void {
  const command = addShownOptions(
    program
      .command('plot')
      .description(
        'Draw a chart: a curve of the run, KL per dimension of z (dimensions), or codes by label (latent).',
      ),
  );
  command
    .addArgument(new Argument('<kind>', 'what to draw').choices(KINDS))
    .option(
      '--count <n>',
      'latent and dimensions: of so many examples, spread over the test set',
      integer(2, 20_000),
      2000,
    )
    .option('--out <file>', 'SVG, or PNG where sharp is installed; default KIND.svg')
    .addHelpText(
      'after',
      `
Examples:
  torchvae plot runs/digits loss
  torchvae plot runs/digits latent --count 5000 --out codes.png`,
    )
    .action(run);
}

async function run(name: string, kind: Kind, flags: Flags): Promise<void> {
  const out = flags.out ?? `${kind}.svg`;
  const extension = extname(out).toLowerCase();
  if (extension !== '.svg' && extension !== '.png') {
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected a file that ends with .svg or .png for --out but received ${out}`,
    );
  }
  const chart = Object.hasOwn(OF_METRICS, kind)
    ? OF_METRICS[kind as keyof typeof OF_METRICS](await new RunDirectory(name).readEpochs())
    : await chartOfCodes(name, kind, flags);
  await writeFileAtomic(out, extension === '.svg' ? chart : await svgToPng(chart));
  process.stderr.write(`Wrote ${out}\n`);
}

async function chartOfCodes(name: string, kind: Kind, flags: Flags): Promise<string> {
  const { count, ...shown } = flags;
  using vae = await VAE.load(checkpointOf(name, flags.best), { device: flags.device });
  const some = spread(await openShown(name, shown, 'test', vae.schema), count);
  return kind === 'latent' ? latentChart(vae, some) : klChart(await vae.latentHealth(some));
}
