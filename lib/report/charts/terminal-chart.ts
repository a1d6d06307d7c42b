import { checkInteger } from '../../check.ts';
import { terminalPicture } from '../terminal.ts';
import { channelsOf } from './colors.ts';
import type { Mark, Plot, Point } from './plot.ts';
import type { Scale } from './scale.ts';

/** Characters before the vertical axis. */
const MARGIN = 10;
/** The most characters in a row; wider charts are harder to read. */
const MAX_WIDTH = 100;

/** Where a chart is painted: pixels of which a terminal's character shows two, one above the other. */
interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly channels: 3;
  readonly data: Uint8Array;
}

/** The chart as text for a terminal with 24-bit colors, at most `columns` characters wide. */
export function terminalChart(
  { title, xLabel, yLabel, legend, marks, ...plot }: Plot,
  columns: number,
): string {
  checkInteger('columns', columns, 1);
  const width = Math.max(20, Math.min(columns, MAX_WIDTH) - MARGIN - 1);
  const height = 2 * Math.round(width / (plot.isSquare ? 2.5 : 4.5));
  const canvas: Canvas = { width, height, channels: 3, data: new Uint8Array(3 * width * height).fill(24) };
  const [x, y] = [plot.x(0, width - 1), plot.y(height - 1, 0)];
  for (const mark of marks) paint(canvas, mark, x, y);
  const rows = terminalPicture(canvas, width).trimEnd().split('\n');
  const names = new Map(y.ticks.map((tick) => [Math.round(y.at(tick)) >> 1, y.name(tick)]));
  const picture = rows.map(
    (row, i) => `${(names.get(i) ?? '').slice(0, MARGIN - 1).padStart(MARGIN - 1)} ${row}`,
  );
  const entries = legend.map(
    ({ name, color }) => `\x1b[38;2;${channelsOf(color).join(';')}m■\x1b[0m ${printable(name)}`,
  );
  const above = [
    `${printable(title)} (${printable(yLabel)})`,
    ...(entries.length > 0 ? [entries.join('  ')] : []),
  ];
  return [...above, ...picture, namesBelow(x, width), printable(xLabel).padStart(MARGIN + width), ''].join(
    '\n',
  );
}

/** The names of the ticks below their places, as far as they do not run into each other. */
function namesBelow(x: Scale, width: number): string {
  let line = ''.padEnd(MARGIN);
  for (const tick of x.ticks) {
    const name = printable(x.name(tick));
    const at = Math.min(MARGIN + Math.round(x.at(tick)) - (name.length >> 1), MARGIN + width - name.length);
    if (at > line.trimEnd().length || line.trim() === '') line = line.padEnd(at) + name;
  }
  return line;
}

/** A terminal would obey the control characters of a name. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to replace
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

function paint(canvas: Canvas, mark: Mark, x: Scale, y: Scale): void {
  const color = channelsOf(mark.color);
  if (mark.kind === 'dot') dot(canvas, x.at(mark.at[0]), y.at(mark.at[1]), color);
  else if (mark.kind === 'bar') {
    const shade = mark.isFaint ? color.map((level) => level >> 1) : color;
    const [left, right] = [Math.round(x.at(mark.from[0])), Math.round(x.at(mark.to[0]))];
    const [top, bottom] = [y.at(mark.from[1]), y.at(mark.to[1])].sort((a, b) => a - b) as [number, number];
    for (let row = Math.round(top); row <= bottom; row++)
      for (let column = left; column < Math.max(right, left + 1); column++) dot(canvas, column, row, shade);
  } else {
    mark.points.forEach((point, i) => {
      const before = mark.points[Math.max(0, i - 1)]!;
      segment(canvas, [x.at(before[0]), y.at(before[1])], [x.at(point[0]), y.at(point[1])], color);
    });
  }
}

function segment(canvas: Canvas, [x0, y0]: Point, [x1, y1]: Point, color: readonly number[]): void {
  const steps = Math.max(1, Math.ceil(Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0))));
  for (let step = 0; step <= steps; step++)
    dot(canvas, x0 + ((x1 - x0) * step) / steps, y0 + ((y1 - y0) * step) / steps, color);
}

function dot({ width, height, data }: Canvas, x: number, y: number, color: readonly number[]): void {
  const [column, row] = [Math.round(x), Math.round(y)];
  if (column >= 0 && column < width && row >= 0 && row < height) data.set(color, 3 * (row * width + column));
}
