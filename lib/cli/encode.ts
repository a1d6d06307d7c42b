import { type Command, Option } from 'commander';
import { counted } from '../counted.ts';
import { writeFileAtomic } from '../files.ts';
import type { RowState } from '../model/anomaly.ts';
import type { Tensor } from '../model/input.ts';
import { encodeSafetensors } from '../model/safetensors.ts';
import { VAE } from '../vae.ts';
import { csvLine } from './csv.ts';
import { checkpointOf } from './options.ts';
import { checkNotData, checkOutput, putLines } from './outputs.ts';
import { addShownOptions, type ShownOptions } from './pictures.ts';
import { openWhole, writeNotes } from './run-data.ts';

/** Adds `torchvae encode`. */
export function register(program: Command): void {
  const command = program
    .command('encode')
    .description('Write mean and logVariance of q(z|x) for every example, as a safetensors file or CSV.');
  addShownOptions(command)
    .addOption(
      new Option('--split <name>', 'split to encode, of sets that have both')
        .choices(['train', 'test'])
        .default('test'),
    )
    .option('--out <file>', 'file to write: .safetensors or .csv', 'codes.safetensors')
    .addHelpText(
      'after',
      `
Examples, and how Python reads what the first wrote:
  torchvae encode runs/digits --data mnist --split train --out codes.safetensors
  python -c "from safetensors.numpy import load_file; print(load_file('codes.safetensors')['mean'].shape)"
  torchvae encode runs/people --data people.csv --out codes.csv

A row of a table that cannot be read has no code: NaN, or nothing and its state in CSV.`,
    )
    .action(encode);
}

async function encode(
  run: string,
  options: ShownOptions & { split: 'train' | 'test'; out: string },
): Promise<void> {
  checkOutput(options.out, ['.safetensors', '.csv']);
  checkNotData(options.out, options.data);
  using vae = await VAE.load(checkpointOf(run, options.best), { device: options.device });
  const data = await openWhole(run, options, options.split, vae);
  const { mean, logVariance, states } = await vae.encode(data);
  const tensors = new Map([
    ['mean', { dtype: 'F32', ...mean }],
    ['logVariance', { dtype: 'F32', ...logVariance }],
  ] as const);
  if (/\.csv$/i.test(options.out)) await putLines(options.out, codesInLines(tensors, states));
  else await writeFileAtomic(options.out, encodeSafetensors(tensors));
  writeNotes(data);
  const without = Array.from({ length: data.length }, (_, row) => mean.data[row * mean.shape[1]!]!).filter(
    Number.isNaN,
  ).length;
  const odd = without > 0 ? `, ${without} of them NaN, since cells or labels cannot be read` : '';
  process.stderr.write(`Wrote codes of ${counted(data.length, 'example')} to ${options.out}${odd}\n`);
}

/**
 * CSV: a line of names, `mean1` and so on, then a line for each example.
 *
 * @param states of the examples, if some are not as in their rows; then there is a column of them
 */
function* codesInLines(
  tensors: ReadonlyMap<string, Tensor>,
  states?: readonly RowState[],
): Generator<string> {
  const columns = [...tensors].map(([name, { data, shape }]) => ({
    name,
    data,
    size: data.length / shape[0]!,
  }));
  const names = columns.flatMap(({ name, size }) =>
    Array.from({ length: size }, (_, i) => `${name}${i + 1}`),
  );
  yield csvLine([...names, ...(states ? ['state'] : [])]);
  for (let row = 0; row * columns[0]!.size < columns[0]!.data.length; row++) {
    const values = columns.flatMap(({ data, size }) => [...data.subarray(row * size, (row + 1) * size)]);
    const cells = values.map((value) => (Number.isNaN(value) ? '' : value));
    yield csvLine([...cells, ...(states ? [states[row]] : [])]);
  }
}
