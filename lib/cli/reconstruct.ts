import type { Command } from 'commander';
import { reconstructionPicture } from '../report/gallery.ts';
import { VAE } from '../vae.ts';
import { checkpointOf } from './options.ts';
import { integer } from './parsers.ts';
import {
  addPictureOptions,
  addShownOptions,
  checkImages,
  type PictureOptions,
  putPicture,
  type ShownOptions,
} from './pictures.ts';
import { openShown } from './run-data.ts';

/** Adds `torchvae reconstruct`. */
export function register(program: Command): void {
  const command = program
    .command('reconstruct')
    .description(
      'Encode and decode test examples, and write a picture: originals above, reconstructions below.',
    );
  addPictureOptions(addShownOptions(command), 'reconstructions.png')
    .option('--count <n>', 'number of examples, from the first', integer(1, 10_000), 16)
    .addHelpText(
      'after',
      '\nExample:\n  torchvae reconstruct runs/digits --data mnist --count 32 --out pairs.png',
    )
    .action(reconstruct);
}

async function reconstruct(
  run: string,
  { count, ...flags }: ShownOptions & PictureOptions & { count: number },
): Promise<void> {
  using vae = await VAE.load(checkpointOf(run, flags.best), { device: flags.device });
  const data = (await openShown(run, flags, 'test', vae.schema)).take(count);
  checkImages(data);
  await putPicture(await reconstructionPicture(vae, data, count), flags);
  process.stderr.write(`Wrote ${data.length} pairs to ${flags.out}\n`);
}
