import type { Command } from 'commander';
import { traversalCurves } from '../report/curves.ts';
import { imageGrid } from '../report/grid.ts';
import { traverse } from '../report/latent/traversal.ts';
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
import { openExample, openShown } from './run-data.ts';

interface Flags extends ShownOptions, PictureOptions {
  example?: number;
  steps: number;
}

/** Adds `torchvae traverse`. */
export function register(program: Command): void {
  const command = program
    .command('traverse')
    .description(
      'Write a picture of one example with each dimension of its code changed from -3 to 3, a row each.',
    );
  addPictureOptions(addShownOptions(command), 'traversal.png')
    .option(
      '--example <n>',
      'index of the example in the test set, from 0; default the first that can be read',
      integer(0),
    )
    .option('--steps <n>', 'images in a row', integer(2, 100), 11)
    .addHelpText('after', '\nExample:\n  torchvae traverse runs/digits --example 7 --out seven.png')
    .action(run);
}

async function run(name: string, { example, steps, ...flags }: Flags): Promise<void> {
  using vae = await VAE.load(checkpointOf(name, flags.best), { device: flags.device });
  const one =
    example === undefined
      ? (await openShown(name, flags, 'test', vae)).take(1)
      : await openExample(name, flags, 'test', vae, example);
  const kind = pictureOf(one);
  if (kind === 'images') {
    const images = await traverse(vae, one, { steps });
    await putPicture(imageGrid(images.data, one.shape, { columns: steps, scale: 2 }), flags);
  } else await putChart(await traversalCurves(vae, one, { steps }), flags);
  process.stderr.write(`Wrote all dimensions of z to ${flags.out}\n`);
}
