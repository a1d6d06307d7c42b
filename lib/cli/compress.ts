import { readFile } from 'node:fs/promises';
import { types } from 'node:util';
import type { Command } from 'commander';
import { compress, decompress } from '../codec/codec.ts';
import { counted } from '../counted.ts';
import type { Dataset } from '../data/index.ts';
import { ioError, writeFileAtomic } from '../files.ts';
import { encodeSafetensors } from '../model/safetensors.ts';
import type { DeviceName } from '../runtime/device.ts';
import { VAE } from '../vae.ts';
import { BEST_HELP, checkpointOf } from './options.ts';
import { checkNotData, checkOutput } from './outputs.ts';
import { nonNegative } from './parsers.ts';
import { addShownOptions, type ShownOptions } from './pictures.ts';
import { openAll } from './run-data.ts';

/** Adds `torchvae compress` and `torchvae decompress`. */
export function register(program: Command): void {
  addShownOptions(program.command('compress'))
    .description('Write test examples as rounded, compressed codes; print their size and the error.')
    .option('--step <size>', 'round codes to multiples of this', nonNegative(1e6), 0.25)
    .option('--out <file>', 'file to write: .tvz', 'codes.tvz')
    .addHelpText(
      'after',
      `
Example:
  torchvae compress runs/digits --step 0.5 --out digits.tvz
  torchvae decompress runs/digits digits.tvz --out digits.safetensors`,
    )
    .action(pack);
  program
    .command('decompress')
    .description('Decode compressed examples and write them as x in a safetensors file.')
    .argument('<run>', 'run directory or checkpoint file of the model that made the codes')
    .argument('<codes>', 'file that torchvae compress wrote')
    .option('--best', BEST_HELP)
    .option('--out <file>', 'file to write: .safetensors', 'examples.safetensors')
    .option('--device <name>', 'auto, cpu, cuda or cuda:N', 'auto')
    .action(unpack);
}

async function pack(
  name: string,
  { step, out, ...flags }: ShownOptions & { step: number; out: string },
): Promise<void> {
  checkOutput(out, ['.tvz']);
  checkNotData(out, flags.data);
  using vae = await VAE.load(checkpointOf(name, flags.best), { device: flags.device });
  const data = await openAll(name, flags, 'test', vae);
  const bytes = await compress(vae, data, { step });
  await writeFileAtomic(out, bytes);
  const { data: found } = await decompress(vae, bytes);
  const whole = data.drawn(0);
  const share = bytes.length / whole.byteLength;
  const size = share < 1 ? `1/${(1 / share).toFixed(0)} of` : `${share.toFixed(1)} times`;
  process.stderr.write(
    `Wrote ${counted(data.length, 'example')} in ${bytes.length} bytes to ${out}: ${(bytes.length / data.length).toFixed(2)} bytes each, ${size} what they take in memory; ${lossOf(data, whole, found)}\n`,
  );
}

/** What was lost: tokens are numbered in no order that an error could have. */
function lossOf({ kind }: Dataset, whole: Float32Array | Uint8Array, found: Float32Array): string {
  if (kind === 'categorical') {
    const kept = found.filter((value, i) => value === whole[i]).length / found.length;
    return `${(100 * kept).toFixed(1)}% of the values are as they were`;
  }
  const scale = types.isUint8Array(whole) ? 255 : 1;
  const error = found.reduce((sum, value, i) => sum + (value - whole[i]! / scale) ** 2, 0) / found.length;
  return `mean squared error ${error.toPrecision(4)}`;
}

async function unpack(
  name: string,
  codes: string,
  { best, out, device }: { best?: boolean; out: string; device: DeviceName },
): Promise<void> {
  checkOutput(out, ['.safetensors']);
  using vae = await VAE.load(checkpointOf(name, best), { device });
  const bytes = await readFile(codes).catch((cause) => {
    throw ioError('read', codes, cause);
  });
  const x = await decompress(vae, bytes);
  await writeFileAtomic(out, encodeSafetensors(new Map([['x', { dtype: 'F32', ...x }]])));
  process.stderr.write(`Wrote ${counted(x.shape[0]!, 'example')} to ${out}\n`);
}
