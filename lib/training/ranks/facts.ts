import { createHash } from 'node:crypto';
import type { Dataset } from '../../data/dataset.ts';
import { StreamedDataset } from '../../data/streamed-dataset.ts';
import { TorchvaeError } from '../../errors.ts';
import type { Core } from '../../model/core.ts';
import { sha256 } from '../../sha256.ts';

/** What has to be the same in all processes that train one model together, in words or as a hash. */
export type Facts = Readonly<Record<string, string>>;

/** What this process would train. `settings` are those that decide on steps and on when they are taken. */
export async function factsOf(
  { spec, seed, precision, position, device }: Core,
  settings: object,
  data: Readonly<Record<string, Dataset | StreamedDataset | undefined>>,
): Promise<Facts> {
  const hashes: Record<string, string> = {};
  for (const [name, set] of Object.entries(data)) hashes[name] = set ? await hashOfData(set) : 'none';
  const { epoch, step, stepInEpoch } = position;
  return {
    'version of torchvae': device.versions.torchvae,
    'version of libtorch': device.versions.libtorch,
    model: hashOf(spec),
    seed: String(seed),
    precision,
    'place in training': `epoch ${epoch}, batch ${stepInEpoch}, step ${step}`,
    'settings of training': hashOf(settings),
    ...hashes,
  };
}

/**
 * Every process throws the same.
 *
 * @param texts the facts of all ranks, as JSON
 * @throws TorchvaeError ERR_DISTRIBUTED naming what differs from rank 0
 */
export function checkSame(texts: readonly string[]): void {
  const [first, ...others] = texts.map((text) => JSON.parse(text) as Facts);
  const differences = others.flatMap((facts, i) => {
    const names = Object.keys({ ...first, ...facts }).filter((name) => facts[name] !== first![name]);
    return names.map((name) => `rank ${i + 1} has another ${name} (${facts[name]}, rank 0 ${first![name]})`);
  });
  if (differences.length === 0) return;
  const more = differences.length - MOST_NAMED;
  throw new TorchvaeError(
    'ERR_DISTRIBUTED',
    `Expected the same model, data and settings in all ${texts.length} processes, but ` +
      `${differences.slice(0, MOST_NAMED).join('; ')}${more > 0 ? `; and ${more} more differences` : ''}. ` +
      'Start all of them with the same command and the same files',
  );
}

const MOST_NAMED = 4;

/** Enough to tell by, and to compare by eye. */
const HASH_DIGITS = 16;

function hashOf(value: object): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, HASH_DIGITS);
}

/** Of what a stream holds only as much is known as it says in advance. */
async function hashOfData(data: Dataset | StreamedDataset): Promise<string> {
  const { length, shape, kind, binarization } = data;
  const described = { length, shape, kind, binarization };
  if (data instanceof StreamedDataset) {
    return hashOf({ ...described, hasLabels: data.hasLabels, window: data.window });
  }
  const arrays = [data.data, ...(data.labels ? [data.labels] : [])];
  const bytes = arrays.map(
    ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
  );
  return hashOf({ ...described, content: (await sha256(bytes)).toString('hex') });
}
