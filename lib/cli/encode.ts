import { type Command, Option } from 'commander';
import { writeFileAtomic } from '../files.ts';
import { encodeSafetensors } from '../model/safetensors.ts';
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

/** Adds `torchvae encode`. */
export function register(program: Command): void {
  program
    .command('encode')
    .description('Write mean and logVariance of q(z|x) for every example, as a safetensors file.')
    .argument('<run>', 'run directory or checkpoint file')
    .option('--best', BEST_HELP)
    .option('--data <name|path>', DATA_HELP, 'sprites')
    .option('--data-dir <dir>', 'where MNIST and Fashion-MNIST lie')
    .option('--size <pixels>', SIZE_HELP, integer(1))
    .addOption(
      new Option('--split <name>', 'for sets that have both').choices(['train', 'test']).default('test'),
    )
    .option('--out <file>', 'file to write', 'codes.safetensors')
    .option('--device <name>', 'auto, cpu, cuda or cuda:N', 'auto')
    .addHelpText(
      'after',
      `
Example, and how Python reads what it wrote:
  torchvae encode runs/digits --data mnist --split train --out codes.safetensors
  python -c "from safetensors.numpy import load_file; print(load_file('codes.safetensors')['mean'].shape)"`,
    )
    .action(encode);
}

async function encode(
  run: string,
  options: DataOptions & { split: 'train' | 'test'; out: string; device: DeviceName; best?: boolean },
): Promise<void> {
  using vae = await VAE.load(checkpointOf(run, options.best), { device: options.device });
  const data = await openData(options, options.split, vae.schema);
  const { mean, logVariance } = await vae.encode(data);
  const tensors = new Map([
    ['mean', { dtype: 'F32', ...mean }],
    ['logVariance', { dtype: 'F32', ...logVariance }],
  ] as const);
  await writeFileAtomic(options.out, encodeSafetensors(tensors));
  process.stderr.write(`Wrote codes of ${data.length} examples to ${options.out}\n`);
}
