import { Random } from '../../lib/data/random.ts';
import { TorchvaeError } from '../../lib/errors.ts';

/** Bytes with a few of them replaced, and often cut short; the same for the same state of `random`. */
export function mutated(original: Uint8Array, random: Random): Uint8Array {
  const bytes = Uint8Array.from(original);
  for (let change = random.below(4); change >= 0; change--)
    bytes[random.below(bytes.length)] = random.below(256);
  return random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

/**
 * Hands mutations of the files to `load`, which has to bring a value or a TorchvaeError that has one of the codes and names
 * the file; returns how many were refused. Memory must not grow by more than `megabytes`.
 */
export async function fuzz(
  files: readonly Uint8Array[],
  load: (bytes: Uint8Array) => Promise<unknown>,
  { rounds = 400, seed = 1, megabytes = 150, codes = ['ERR_DATA_FORMAT'] } = {},
): Promise<number> {
  const random = new Random(seed);
  const before = process.memoryUsage.rss();
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    const bytes = mutated(files[round % files.length]!, random);
    try {
      await load(bytes);
    } catch (error) {
      refused++;
      if (error instanceof TorchvaeError && codes.includes(error.code)) continue;
      throw new Error(`round ${round}, seed ${seed}: ${error}`, { cause: error });
    }
    const grown = (process.memoryUsage.rss() - before) / 2 ** 20;
    if (grown > megabytes) throw new Error(`round ${round}, seed ${seed}: memory grew by ${grown} MiB`);
  }
  return refused;
}
