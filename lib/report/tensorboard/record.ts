import { crc32c } from './crc32c.ts';

/** Added to a checksum, so that one over bytes that hold checksums themselves stays good. */
const MASK_DELTA = 0xa282ead8;

/** A record of a TFRecord file: length, checksum of the length, content, checksum of the content. */
export function record(content: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(12 + content.length + 4);
  frame.writeBigUInt64LE(BigInt(content.length));
  frame.writeUInt32LE(masked(frame.subarray(0, 8)), 8);
  frame.set(content, 12);
  frame.writeUInt32LE(masked(content), 12 + content.length);
  return frame;
}

function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
