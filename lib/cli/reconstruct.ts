import type { Command } from 'commander';
import { writeFileAtomic } from '../files.ts';
import { reconstructionGrid } from '../report/grid.ts';
import { encodePng } from '../report/png.ts';
import type { DeviceName } from '../runtime/device.ts';
import { VAE } from '../vae.ts';
import {
  BEST_HELP,
  checkpointOf,
  DATA_HELP,
  type DataOptions,
  integer,
  openData,
  SIZE_HELP,
} from './options.ts';

/** Adds `torchvae reconstruct`. */
export function register(program: Command): void {
  program
    .command('reconstruct')
    .description(
      'Encode and decode test examples, and write a picture: originals above, reconstructions below.',
    )
    .argument('<run>', 'run directory or checkpoint file')
    .option('--best', BEST_HELP)
    .option('--data <name|path>', DATA_HELP, 'sprites')
    .option('--data-dir <dir>', 'where MNIST and Fashion-MNIST lie')
    .option('--size <pixels>', SIZE_HELP, integer(1))
    .option('--count <n>', 'how many, from the first', integer(1, 10_000), 16)
    .option('--out <file>', 'PNG to write', 'reconstructions.png')
    .option('--device <name>', 'auto, cpu, cuda or cuda:N', 'auto')
    .addHelpText(
      'after',
      '\nExample:\n  torchvae reconstruct runs/digits --data mnist --count 32 --out pairs.png',
    )
    .action(reconstruct);
}

async function reconstruct(
  run: string,
  options: DataOptions & { count: number; out: string; device: DeviceName; best?: boolean },
): Promise<void> {
  const { count, ...named } = options;
  using vae = await VAE.load(checkpointOf(run, options.best), { device: options.device });
  const data = (await openData(named, 'test', vae.schema)).take(count);
  const { data: reconstructions } = await vae.reconstruct(data);
  const originals = data.batch(Array.from({ length: data.length }, (_, i) => i));
  const picture = reconstructionGrid(originals, reconstructions, data.shape, { columns: 8, scale: 2 });
  await writeFileAtomic(options.out, encodePng(picture));
  process.stderr.write(`Wrote ${data.length} pairs to ${options.out}\n`);
}
