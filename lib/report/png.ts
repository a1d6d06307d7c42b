import { types } from 'node:util';
import { decode, encode } from 'fast-png';
import { checkInteger, checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';

/** The limit of the format. */
const MAX_SIDE = 2 ** 31 - 1;

/** A picture with 8 bits per channel. */
export interface Picture {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** 1 is gray, 3 is red, green and blue. */
  readonly channels: 1 | 3;
  /** [height, width, channels], row-major; 0 is black, 255 is full intensity. */
  readonly data: Uint8Array;
}

/** @throws TorchvaeError ERR_TYPE, ERR_RANGE or ERR_SHAPE unless `picture` is a whole picture */
export function checkPicture(picture: Picture): Picture {
  const known = ['width', 'height', 'channels', 'data'];
  const { width, height, channels, data } = checkOptions('picture', picture, known);
  checkInteger('width', width, 1, MAX_SIDE);
  checkInteger('height', height, 1, MAX_SIDE);
  if (channels !== 1 && channels !== 3) {
    throw new TorchvaeError('ERR_RANGE', expected('1 or 3', 'channels', channels));
  }
  if (!types.isUint8Array(data)) throw new TorchvaeError('ERR_TYPE', expected('a Uint8Array', 'data', data));
  if (data.length !== width * height * channels) {
    const what = `${width} x ${height} x ${channels} values`;
    throw new TorchvaeError('ERR_SHAPE', expected(what, 'data', data));
  }
  return { width, height, channels, data };
}

/**
 * The bytes of a PNG file that shows the picture, with 8 bits per channel.
 *
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE or ERR_SHAPE unless `picture` is a whole picture
 */
export function encodePng(picture: Picture): Uint8Array {
  return encode({ ...checkPicture(picture), depth: 8 });
}

/** The picture in a PNG file that {@link encodePng} made; undefined for other bytes. */
export function decodePng(bytes: Uint8Array): Picture | undefined {
  try {
    const { width, height, channels, data } = decode(bytes);
    return checkPicture({ width, height, channels, data } as Picture);
  } catch {
    return undefined;
  }
}
