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
import { factLines } from './facts.ts';
import { checkpointOf } from './options.ts';
import { integer } from './parsers.ts';
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
type Kind = keyof typeof OF_METRICS | 'latent' | 'dimensions';

/** What there is to draw, and what it shows. */
const KINDS: Readonly<Record<Kind, string>> = {
  loss: 'the loss over the epochs, of training and of the data that judge it',
  reconstruction: '-log p(x|z) over the epochs',
  kl: 'KL(q(z|x) || p(z)) over the epochs',
  elbo: 'the evidence lower bound over the epochs',
  'learning-rate': 'the learning rate over the epochs',
  gradients: "norms of each layer's gradient over the epochs",
  latent: 'means of q(z|x) in a plane, colored by label',
  dimensions: 'KL divergence of each dimension of z',
};

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
    .addArgument(
      new Argument('[kind]', 'what to draw; without it, the kinds are listed').choices(Object.keys(KINDS)),
    )
    .option(
      '--count <n>',
      'latent and dimensions: number of examples, spread over the test set',
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

async function run(name: string, kind: Kind | undefined, flags: Flags): Promise<void> {
  if (kind === undefined) {
    process.stdout.write(`${factLines({ [`torchvae plot ${name} KIND`]: KINDS })}\n`);
    return;
  }
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
  const some = spread(await openShown(name, shown, 'test', vae), count);
  return kind === 'latent' ? await latentPoints(vae, some) : klBars(await vae.latentHealth(some));
}
