import type { Command } from 'commander';
import { writeFileAtomic } from '../files.ts';
import { imageGrid } from '../report/grid.ts';
import { encodePng } from '../report/png.ts';
import type { DeviceName } from '../runtime/device.ts';
import { VAE } from '../vae.ts';
import { checkpointOf, integer } from './options.ts';

/** Adds `torchvae sample`. */
export function register(program: Command): void {
  program
    .command('sample')
    .description('Draw z from the prior, decode it, and write a picture of the results.')
    .argument('<run>', 'run directory or checkpoint file')
    .option('--count <n>', 'how many', integer(1, 10_000), 64)
    .option('--seed <n>', 'the same seed gives the same samples', integer(0), 0)
    .option('--out <file>', 'PNG to write', 'samples.png')
    .option('--device <name>', 'auto, cpu, cuda or cuda:N', 'auto')
    .addHelpText('after', '\nExample:\n  torchvae sample runs/digits --count 100 --seed 7 --out digits.png')
    .action(sample);
}

async function sample(
  run: string,
  options: { count: number; seed: number; out: string; device: DeviceName },
): Promise<void> {
  using vae = await VAE.load(checkpointOf(run), { device: options.device });
  const samples = await vae.sample(options.count, { seed: options.seed });
  const picture = imageGrid(samples.data, vae.spec.inputShape, { scale: 2 });
  await writeFileAtomic(options.out, encodePng(picture));
  process.stderr.write(`Wrote ${options.count} samples to ${options.out}\n`);
}
