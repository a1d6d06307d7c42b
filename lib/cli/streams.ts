import { type Command, Option } from 'commander';
import { defined } from '../check.ts';
import {
  type DataSchema,
  type StreamedDataset,
  type StreamPathOptions,
  sizeInMemory,
  streamDataset,
  streamSplit,
} from '../data/index.ts';
import { TorchvaeError } from '../errors.ts';
import { availableMemory } from '../runtime/memory.ts';
import { type DataOptions, divisionOf, isNamed, loadOptions } from './options.ts';
import { integer, nonNegative } from './parsers.ts';

/** Share of the memory that data may take before they are streamed: training holds them about three times. */
export const SHARE = 0.25;

/** Adds the options that say whether data are streamed. */
export function addStreamOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--stream',
        'read the data anew in every epoch (all but CIFAR and the sets with a name); default where they would ' +
          'take more than a quarter of the memory',
      ),
    )
    .option(
      '--window <n>',
      'streams: examples that are shuffled among themselves; default 8192, at most 64 MiB',
      integer(1),
    )
    .option(
      '--time-limit <seconds>',
      'streams of .parquet: that reading a row group may take; default 120',
      nonNegative(1e6),
    );
}

/**
 * Whether to stream the data: as the flags say, else by their size.
 *
 * @throws TorchvaeError ERR_RANGE for --window or --time-limit where nothing is streamed
 */
export async function isStreamed(
  { data, size, stream: isAsked, window, timeLimit, windowLength, stride = 1 }: DataOptions,
  split: 'train' | 'test',
): Promise<boolean> {
  const isMeasured = isAsked === undefined && !isNamed(data);
  const rows = isMeasured ? await sizeInMemory(data, split, size) : undefined;
  // A row is in as many windows as overlap.
  const bytes = rows && rows * Math.max(1, (windowLength ?? 1) / stride);
  const isLarge = bytes !== undefined && bytes > SHARE * availableMemory();
  if (isLarge) {
    const gigabytes = (bytes / 1e9).toFixed(1);
    process.stderr.write(`${data} is streamed: in memory it would take ${gigabytes} GB\n`);
  }
  if (isAsked || isLarge) return true;
  if (window === undefined && timeLimit === undefined) return false;
  const flag = window === undefined ? '--time-limit' : '--window';
  throw new TorchvaeError('ERR_RANGE', `${flag} is for --stream; leave it out, or give both`);
}

/** The data as a stream; `schema` is that of the model's training data, `like` what images have in common with these. */
export function openStream(
  options: DataOptions,
  split: 'train' | 'test',
  schema?: DataSchema,
  like: Pick<StreamPathOptions, 'channels' | 'imageSize'> = {},
): Promise<StreamedDataset> {
  return streamDataset(options.data, { ...streamOptions(options, split, schema), ...like });
}

/** The named data for training as a stream, of which a share may be held out; tables are learned from the rest alone. */
export async function streamTraining(
  options: DataOptions,
  { holdout, seed }: { holdout: number; seed: number },
  schema?: DataSchema,
): Promise<{ data: StreamedDataset; validation?: StreamedDataset }> {
  const reading = streamOptions(options, 'train', schema);
  if (holdout === 0) return { data: await streamDataset(options.data, reading) };
  const { train, validation } = await streamSplit(
    options.data,
    divisionOf(options, { holdout, seed }),
    reading,
  );
  return { data: train, validation };
}

/** What `streamDataset` takes. */
function streamOptions(
  options: DataOptions,
  split: 'train' | 'test',
  schema: DataSchema | undefined,
): StreamPathOptions {
  const { directory: _, ...reading } = loadOptions(options, split, schema);
  const { window, timeLimit } = options;
  return { ...defined({ window, timeLimit }), ...reading };
}
