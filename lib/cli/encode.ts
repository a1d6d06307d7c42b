import { type Command, Option } from 'commander';
import { counted } from '../counted.ts';
import { writeFileAtomic } from '../files.ts';
import { encodeSafetensors } from '../model/safetensors.ts';
import { VAE } from '../vae.ts';
import { checkpointOf } from './options.ts';
import { addShownOptions, type ShownOptions } from './pictures.ts';
import { openWhole } from './run-data.ts';

/** Adds `torchvae encode`. */
export function register(program: Command): void {
  const command = program
    .command('encode')
    .description('Write mean and logVariance of q(z|x) for every example, as a safetensors file.');
  addShownOptions(command)
    .addOption(
      new Option('--split <name>', 'split to encode, of sets that have both')
        .choices(['train', 'test'])
        .default('test'),
    )
    .option('--out <file>', 'file to write', 'codes.safetensors')
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
  options: ShownOptions & { split: 'train' | 'test'; out: string },
): Promise<void> {
  using vae = await VAE.load(checkpointOf(run, options.best), { device: options.device });
  const data = await openWhole(run, options, options.split, vae.schema);
  const { mean, logVariance } = await vae.encode(data);
  const tensors = new Map([
    ['mean', { dtype: 'F32', ...mean }],
    ['logVariance', { dtype: 'F32', ...logVariance }],
  ] as const);
  await writeFileAtomic(options.out, encodeSafetensors(tensors));
  process.stderr.write(`Wrote codes of ${counted(data.length, 'example')} to ${options.out}\n`);
}
