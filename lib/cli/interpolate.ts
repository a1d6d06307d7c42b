import { type Command, Option } from 'commander';
import { counted } from '../counted.ts';
import { spread } from '../data/spread.ts';
import { interpolationCurves } from '../report/curves.ts';
import { imageGrid } from '../report/grid.ts';
import { interpolate } from '../report/latent/interpolation.ts';
import { VAE } from '../vae.ts';
import { checkpointOf } from './options.ts';
import { integer } from './parsers.ts';
import {
  addPictureOptions,
  addShownOptions,
  type PictureOptions,
  pictureOf,
  putChart,
  putPicture,
  type ShownOptions,
} from './pictures.ts';
import { openShown } from './run-data.ts';

interface Flags extends ShownOptions, PictureOptions {
  pairs: number;
  steps: number;
  path: 'linear' | 'spherical';
}

/** Adds `torchvae interpolate`. */
export function register(program: Command): void {
  const command = program
    .command('interpolate')
    .description('Write a picture of the images between pairs of examples.');
  addPictureOptions(addShownOptions(command), 'interpolation.png')
    .option('--pairs <n>', 'number of pairs, spread over the test set', integer(1, 100), 6)
    .option('--steps <n>', 'images in a row, including both ends', integer(2, 100), 10)
    .addOption(
      new Option('--path <kind>', 'straight line or great circle')
        .choices(['linear', 'spherical'])
        .default('linear'),
    )
    .addHelpText('after', '\nExample:\n  torchvae interpolate runs/digits --pairs 8 --show')
    .action(run);
}

async function run(name: string, { pairs, steps, path, ...flags }: Flags): Promise<void> {
  using vae = await VAE.load(checkpointOf(name, flags.best), { device: flags.device });
  const data = await openShown(name, flags, 'test', vae);
  const kind = pictureOf(data);
  const ends = spread(data, 2 * pairs);
  const half = Math.floor(ends.length / 2);
  const [from, to] = [0, half].map((first) =>
    ends.subset(Array.from({ length: Math.max(half, 1) }, (_, i) => first + i)),
  );
  const between = await interpolate(vae, from!, to!, { steps, path });
  if (kind === 'images') {
    await putPicture(imageGrid(between.data, data.shape, { columns: steps, scale: 2 }), flags);
  } else await putChart(interpolationCurves(between, data), flags);
  process.stderr.write(`Wrote ${counted(from!.length, 'interpolation')} to ${flags.out}\n`);
}
