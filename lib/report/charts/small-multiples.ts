import { element, label, svg } from './svg.ts';

/** One curve over 0, 1, 2, ... */
export interface Curve {
  readonly values: ArrayLike<number>;
  /** `#rrggbb`. */
  readonly color: string;
  readonly isDashed?: boolean;
}

/** A small chart without numbers at its axes. */
export interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
}

/** Charts beside and below each other. */
export interface SmallMultiples {
  readonly title: string;
  readonly panels: readonly Panel[];
  /** Panels in a row. */
  readonly columns: number;
  readonly legend: readonly { name: string; color: string; isDashed?: boolean }[];
}

const WIDTH = 150;
const HEIGHT = 84;
const GAP = 14;
/** Above each panel, for its title. */
const TITLE = 18;
/** At the left, for the ends of the axis. */
const LEFT = 46;
const TOP = 26;
const ROW = 18;

/** Small charts that share their axes, so that what is larger looks larger (Tufte 1983), as SVG text. */
export function smallMultiples({ title, panels, columns, legend }: SmallMultiples): string {
  const values = panels.flatMap(({ curves }) =>
    curves.map((curve) => Array.from(curve.values).filter(Number.isFinite)),
  );
  const low = values.reduce((least, each) => each.reduce((a, b) => Math.min(a, b), least), Infinity);
  const high = values.reduce((most, each) => each.reduce((a, b) => Math.max(a, b), most), -Infinity);
  const longest = Math.max(2, ...panels.flatMap(({ curves }) => curves.map((curve) => curve.values.length)));
  const range = high > low ? high - low : 1;
  const across = Math.min(columns, panels.length);
  const top = TOP + (legend.length > 0 ? ROW : 0);
  const width = Math.max(LEFT + across * (WIDTH + GAP), 240);
  const height = top + Math.ceil(panels.length / columns) * (HEIGHT + TITLE + GAP);
  const drawn = panels.map((panel, i) => {
    const left = LEFT + (i % columns) * (WIDTH + GAP);
    const upper = top + Math.floor(i / columns) * (HEIGHT + TITLE + GAP) + TITLE;
    const x = (place: number) => left + (WIDTH * place) / (longest - 1);
    const y = (value: number) => upper + HEIGHT - (HEIGHT * (value - low)) / range;
    const frame = { fill: 'none', stroke: 'currentColor', 'stroke-opacity': 0.2 };
    return [
      element('rect', { x: left, y: upper, width: WIDTH, height: HEIGHT, ...frame }),
      label(panel.title, left, upper - 5, { 'font-size': 11, opacity: 0.75 }),
      ...(i % columns === 0 && high > -Infinity ? ends(low, high, left, upper) : []),
      ...panel.curves.map((curve) => draw(curve, x, y)),
    ].join('');
  });
  return svg(
    width,
    height,
    title,
    label(title, LEFT, 16, { 'font-size': 15, 'font-weight': 600 }),
    ...key(legend),
    ...drawn,
  );
}

/** The ends of the vertical axis. */
function ends(low: number, high: number, left: number, upper: number): string[] {
  const style = { 'text-anchor': 'end', 'font-size': 10, opacity: 0.75 };
  const short = (value: number) => String(Number(value.toPrecision(3)));
  return [label(short(high), left - 5, upper + 9, style), label(short(low), left - 5, upper + HEIGHT, style)];
}

function draw(
  { values, color, isDashed }: Curve,
  x: (place: number) => number,
  y: (value: number) => number,
): string {
  let d = '';
  let isDrawing = false;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isFinite(value)) d += `${isDrawing ? 'L' : 'M'}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    isDrawing = Number.isFinite(value);
  }
  const line = { fill: 'none', stroke: color, 'stroke-width': 1.5, 'stroke-linejoin': 'round' };
  return d === '' ? '' : element('path', { d, ...line, ...dashes(isDashed) });
}

function key(legend: SmallMultiples['legend']): string[] {
  let left = LEFT;
  return legend.flatMap(({ name, color, isDashed }) => {
    const from = left;
    left += 7 * name.length + 44;
    const line = { x1: from, x2: from + 20, y1: TOP + 8, y2: TOP + 8, stroke: color, 'stroke-width': 2 };
    return [element('line', { ...line, ...dashes(isDashed) }), label(name, from + 25, TOP + 12)];
  });
}

function dashes(isDashed = false) {
  return isDashed ? { 'stroke-dasharray': '4 3' } : {};
}
