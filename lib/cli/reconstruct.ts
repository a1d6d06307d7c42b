import type { Command } from 'commander';
import { checkInteger } from '../check.ts';
import { counted } from '../counted.ts';
import { reconstructionCurves } from '../report/curves.ts';
import { reconstructionPicture } from '../report/gallery.ts';
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

/** Adds `torchvae reconstruct`. */
export function register(program: Command): void {
  const command = program
    .command('reconstruct')
    .description(
      'Encode and decode test examples, and write a picture: originals above, reconstructions below; of series and vectors curves.',
    );
  addPictureOptions(addShownOptions(command), 'reconstructions.png')
    .option(
      '--count <n>',
      'number of examples, of all labels and spread over the data; default 16',
      integer(1, 10_000),
    )
    .addHelpText(
      'after',
      '\nExample:\n  torchvae reconstruct runs/digits --data mnist --count 32 --out pairs.png',
    )
    .action(reconstruct);
}

async function reconstruct(
  run: string,
  { count: asked, ...flags }: ShownOptions & PictureOptions & { count?: number },
): Promise<void> {
  using vae = await VAE.load(checkpointOf(run, flags.best), { device: flags.device });
  const data = await openShown(run, flags, 'test', vae);
  const count = checkInteger('count', asked ?? Math.min(16, data.length), 1, data.length);
  if (pictureOf(data) === 'images') await putPicture(await reconstructionPicture(vae, data, count), flags);
  else await putChart(await reconstructionCurves(vae, data, count), flags);
  process.stderr.write(`Wrote ${counted(count, 'pair')} to ${flags.out}\n`);
}
