import type { Command } from 'commander';
import { TorchvaeError } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import type { Tensor } from '../model/input.ts';
import { imageGrid } from '../report/grid.ts';
import { encodePng } from '../report/png.ts';
import type { DeviceName } from '../runtime/device.ts';
import { VAE } from '../vae.ts';
import { BEST_HELP, checkpointOf, DATA_HELP, integer, openData } from './options.ts';

/** Adds `torchvae sample`. */
export function register(program: Command): void {
  program
    .command('sample')
    .description(
      'Draw z from the prior, or from a mixture of normals, decode it, and write a picture of the results.',
    )
    .argument('<run>', 'run directory or checkpoint file')
    .option('--best', BEST_HELP)
    .option('--count <n>', 'how many', integer(1, 10_000), 64)
    .option('--seed <n>', 'the same seed gives the same samples', integer(0), 0)
    .option('--out <file>', 'PNG to write', 'samples.png')
    .option('--label <n>', 'of all samples, for a conditioned model; default each in turn', integer(0))
    .option(
      '--mixture <n>',
      'fit so many normals to the codes of --data, and draw from these',
      integer(1, 4096),
    )
    .option('--data <name|path>', `for --mixture: ${DATA_HELP}`)
    .option('--data-dir <dir>', 'where MNIST and Fashion-MNIST lie')
    .option('--device <name>', 'auto, cpu, cuda or cuda:N', 'auto')
    .addHelpText(
      'after',
      `
Examples:
  torchvae sample runs/digits --count 100 --seed 7 --out digits.png
  torchvae sample runs/digits --mixture 10 --data mnist --out digits.png`,
    )
    .action(sample);
}

interface Flags {
  count: number;
  seed: number;
  out: string;
  device: DeviceName;
  best?: boolean;
  label?: number;
  mixture?: number;
  data?: string;
  dataDir?: string;
}

async function sample(run: string, options: Flags): Promise<void> {
  using vae = await VAE.load(checkpointOf(run, options.best), { device: options.device });
  const samples = await draw(vae, options);
  const picture = imageGrid(samples.data, vae.spec.inputShape, { scale: 2 });
  await writeFileAtomic(options.out, encodePng(picture));
  process.stderr.write(`Wrote ${options.count} samples to ${options.out}\n`);
}

async function draw(vae: VAE, { count, seed, label, mixture, data, dataDir }: Flags): Promise<Tensor> {
  const classes = vae.spec.condition?.classes;
  if (label !== undefined && classes === undefined) {
    throw new TorchvaeError('ERR_STATE', 'This model is not conditioned on labels; leave --label out');
  }
  const labels = classes ? Int32Array.from({ length: count }, (_, i) => label ?? i % classes) : undefined;
  if (mixture === undefined) return vae.sample(count, { seed, ...(labels && { labels }) });
  if (data === undefined) {
    throw new TorchvaeError(
      'ERR_STATE',
      'Expected --data beside --mixture: whose codes the mixture is fitted to',
    );
  }
  const codes = await openData({ data, ...(dataDir !== undefined && { dataDir }) }, 'train', vae.schema);
  const fitted = await vae.fitMixture(codes, { components: mixture, seed });
  return vae.decode(fitted.sample(count, { seed }), labels && { labels });
}
