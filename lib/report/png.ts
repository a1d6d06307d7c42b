import { encode } from 'fast-png';

/** A picture as screens want it. */
export interface Picture {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** 1 is grey, 3 is red, green and blue. */
  readonly channels: 1 | 3;
  /** [height, width, channels], row-major; 0 is black, 255 is full intensity. */
  readonly data: Uint8Array;
}

/** The bytes of a PNG file that shows the picture, 8 bits a channel. */
export function encodePng({ width, height, channels, data }: Picture): Uint8Array {
  return encode({ width, height, channels, data, depth: 8 });
}
