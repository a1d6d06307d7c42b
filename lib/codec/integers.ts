/**
 * Integers as bytes: zigzag, so that small magnitudes of both signs are small, then groups of 7 bits, low ones first, of which
 * all but the last have the high bit set (LEB128). Beyond 53 bits they are cut to the nearest end.
 */
export function encodeIntegers(numbers: Float64Array): Buffer {
  const bytes = Buffer.alloc(8 * numbers.length);
  let at = 0;
  for (const number of numbers) {
    const held = Math.max(-LIMIT, Math.min(LIMIT, number));
    let left = held < 0 ? -2 * held - 1 : 2 * held;
    while (left >= 0x80) {
      bytes[at++] = (left % 0x80) + 0x80;
      left = Math.floor(left / 0x80);
    }
    bytes[at++] = left;
  }
  return bytes.subarray(0, at);
}

/** The `count` integers of these bytes, or undefined where they are not just that many. */
export function decodeIntegers(bytes: Uint8Array, count: number): Float64Array | undefined {
  // A count of a damaged header could be of more than there is memory for.
  if (bytes.length < count) return undefined;
  const numbers = new Float64Array(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    let [value, weight] = [0, 1];
    for (;;) {
      const byte = bytes[at++];
      if (byte === undefined || weight > 2 ** 49) return undefined;
      value += (byte % 0x80) * weight;
      if (byte < 0x80) break;
      weight *= 0x80;
    }
    numbers[i] = value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }
  return at === bytes.length ? numbers : undefined;
}

/** Zigzag doubles them: 8 groups of 7 bits hold that. */
const LIMIT = 2 ** 52;
