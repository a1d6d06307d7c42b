import { extname } from 'node:path';
import { Argument, type Command } from 'commander';
import { spread } from '../data/spread.ts';
import { TorchvaeError } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import type { Plot } from '../report/charts/plot.ts';
import { svgToPng } from '../report/charts/rasterize.ts';
import { svgChart } from '../report/charts/svg-chart.ts';
import { terminalChart } from '../report/charts/terminal-chart.ts';
import type { EpochRecord } from '../report/epochs.ts';
import { latentPoints } from '../report/latent/scatter.ts';
import { gradientCurves, klBars, learningRateCurve, lossCurves } from '../report/plots.ts';
import { RunDirectory } from '../report/run-directory.ts';
import { VAE } from '../vae.ts';
import { checkpointOf, integer } from './options.ts';
import { addShownOptions, SHOW_HELP, type ShownOptions, showInTerminal } from './pictures.ts';
import { openShown } from './run-data.ts';

const OF_METRICS = {
  loss: (epochs) => lossCurves(epochs, 'loss'),
  reconstruction: (epochs) => lossCurves(epochs, 'reconstruction'),
  kl: (epochs) => lossCurves(epochs, 'kl'),
  elbo: (epochs) => lossCurves(epochs, 'elbo'),
  'learning-rate': learningRateCurve,
  gradients: gradientCurves,
} satisfies Record<string, (epochs: readonly EpochRecord[]) => Plot>;
const KINDS = [...Object.keys(OF_METRICS), 'latent', 'dimensions'] as Kind[];
type Kind = keyof typeof OF_METRICS | 'latent' | 'dimensions';

interface Flags extends ShownOptions {
  count: number;
  out?: string;
  show?: boolean;
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
    .option('--show', SHOW_HELP)
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
  const plot = Object.hasOwn(OF_METRICS, kind)
    ? OF_METRICS[kind as keyof typeof OF_METRICS](await new RunDirectory(name).readEpochs())
    : await plotOfCodes(name, kind, flags);
  const drawn = svgChart(plot);
  await writeFileAtomic(out, extension === '.svg' ? drawn : await svgToPng(drawn));
  showInTerminal(flags, (columns) => terminalChart(plot, columns));
  process.stderr.write(`Wrote ${out}\n`);
}

async function plotOfCodes(name: string, kind: Kind, flags: Flags): Promise<Plot> {
  const { count, ...shown } = flags;
  using vae = await VAE.load(checkpointOf(name, flags.best), { device: flags.device });
  const some = spread(await openShown(name, shown, 'test', vae.schema), count);
  return kind === 'latent' ? latentPoints(vae, some) : klBars(await vae.latentHealth(some));
}
