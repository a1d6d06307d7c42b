import { checkInteger } from '../check.ts';
import { checkPicture, type Picture } from './png.ts';

/** Foreground and background of the next characters, red, green and blue each; the ground of the terminal itself. */
const foreground = (color: string) => `\x1b[38;2;${color}m`;
const background = (color: string) => `\x1b[48;2;${color}m`;
const RESET = '\x1b[0m';

/**
 * The picture as text for a terminal with 24-bit colors: a character stands for two pixels, one above the other. A picture
 * that is wider than `columns` is made smaller, to means over the pixels that fall together.
 *
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE or ERR_SHAPE for a damaged picture or a wrong number of columns
 */
export function terminalPicture(picture: Picture, columns: number): string {
  checkInteger('columns', columns, 1);
  const { width, height, at } = fitted(checkPicture(picture), columns);
  const lines: string[] = [];
  for (let y = 0; y < height; y += 2) {
    let line = '';
    let before = '';
    for (let x = 0; x < width; x++) {
      const colors = foreground(at(x, y)) + (y + 1 < height ? background(at(x, y + 1)) : '');
      line += colors === before ? '▀' : `${colors}▀`;
      before = colors;
    }
    lines.push(`${line}${RESET}\n`);
  }
  return lines.join('');
}

/** The picture at most so wide, with the color of each of its pixels as `red;green;blue`. */
function fitted({ width, height, channels, data }: Picture, columns: number) {
  const ratio = Math.max(1, width / columns);
  const level = (x: number, y: number, channel: number): number => {
    const [left, right] = [Math.floor(x * ratio), Math.min(width, Math.ceil((x + 1) * ratio))];
    const [top, bottom] = [Math.floor(y * ratio), Math.min(height, Math.ceil((y + 1) * ratio))];
    let sum = 0;
    for (let row = top; row < bottom; row++)
      for (let column = left; column < right; column++)
        sum += data[(row * width + column) * channels + channel]!;
    return Math.round(sum / ((bottom - top) * (right - left)));
  };
  return {
    width: Math.floor(width / ratio),
    height: Math.max(1, Math.floor(height / ratio)),
    at: (x: number, y: number): string =>
      channels === 1
        ? Array(3)
            .fill(level(x, y, 0))
            .join(';')
        : [0, 1, 2].map((channel) => level(x, y, channel)).join(';'),
  };
}
