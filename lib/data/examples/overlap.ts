import { counted } from '../../counted.ts';
import type { Dataset } from '../dataset.ts';

/** Numbers of an example that are compared: those of two pictures differ somewhere among so many. */
const COMPARED = 64;
/** Fewer examples may be the same by chance. */
const MANY = 20;
/** The share of examples that come again, from which the parts are no parts. */
const MUCH = 0.1;
/** How much oftener examples come again in the other part than within the training examples. */
const OFTENER = 3;

/**
 * For people: that many examples are among the training examples, where these do not come again and again among themselves, as rows of few
 * values do. Figures of such examples say nothing of new ones.
 */
export function overlapNote(training: Dataset, other: Dataset): string | undefined {
  if (other.length < MANY || other.size !== training.size || other.kind !== training.kind) return undefined;
  const counts = new Map<number, number>();
  for (let i = 0; i < training.length; i++) {
    const key = keyOf(training, i);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  let again = 0;
  for (const count of counts.values()) if (count > 1) again += count;
  let shared = 0;
  for (let i = 0; i < other.length; i++) if (counts.has(keyOf(other, i))) shared++;
  const share = shared / other.length;
  if (share < MUCH || share < (OFTENER * again) / training.length) return undefined;
  return (
    `${shared.toLocaleString('en-US')} of the ${counted(other.length, 'example')} of ${other.name} are among the training examples, so that figures of ` +
    'them say little of new ones'
  );
}

/** A number of 53 bits for some values of an example, from all over it. */
function keyOf({ data, size }: Dataset, index: number): number {
  const step = Math.max(1, size / COMPARED);
  let [high, low] = [0x9e3779b9, 0x85ebca6b];
  for (let at = 0; at < size; at += step) {
    bits[0] = data[index * size + Math.floor(at)]!;
    high = Math.imul(high ^ words[0]!, 0x01000193) ^ (high >>> 15);
    low = Math.imul(low ^ words[0]!, 0xc2b2ae35) ^ (low >>> 13);
  }
  return (high >>> 0) * 2 ** 21 + (low >>> 11);
}

const bits = new Float32Array(1);
const words = new Uint32Array(bits.buffer);
