import { types } from 'node:util';
import { decode } from 'fast-png';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Chunks that do not change how the pixels look. */
const PLAIN = new Set(['IHDR', 'IDAT', 'IEND', 'tEXt', 'zTXt', 'iTXt', 'tIME', 'pHYs', 'sRGB']);

/**
 * The pixels [height, width, channels] of a PNG image of this size with 8 bits of gray (1 channel) or red, green and blue (3), and
 * nothing that changes their meaning, such as a color profile; undefined for any other file and for a damaged one. For small
 * pictures about ten times as fast as sharp, whose fixed cost for each picture is higher than that of the pixels.
 */
export function plainPng(
  bytes: Uint8Array,
  [channels, height, width]: readonly [number, number, number],
): Uint8Array | undefined {
  const size = channels * height * width;
  // A file much longer than its pixels is not a plain image, and could unpack to any size.
  if (bytes.length > 1024 + 2 * size || SIGNATURE.some((byte, i) => bytes[i] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 8;
  for (let type = ''; type !== 'IEND'; ) {
    if (at + 12 > bytes.length) return undefined;
    type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (!PLAIN.has(type) || (at === 8) !== (type === 'IHDR')) return undefined;
    at += 12 + view.getUint32(at);
  }
  const [depth, color, , , interlaced] = bytes.subarray(24, 29);
  const isMeant =
    at === bytes.length &&
    view.getUint32(16) === width &&
    view.getUint32(20) === height &&
    depth === 8 &&
    color === (channels === 1 ? 0 : 2) &&
    interlaced === 0;
  if (!isMeant) return undefined;
  try {
    const { data } = decode(bytes, { checkCrc: true });
    return types.isUint8Array(data) && data.length === size ? data : undefined;
  } catch {
    return undefined;
  }
}
