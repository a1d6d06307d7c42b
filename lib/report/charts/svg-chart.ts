import type { LegendEntry, Mark, Plot } from './plot.ts';
import type { Scale } from './scale.ts';
import { element, escapeText, label, svg } from './svg.ts';

/** Small, so that its text can be read where a chart is as wide as a phone. */
const WIDTH = 480;
const HEIGHT = 290;
/** Height of a plot that should be about square. */
const SQUARE_HEIGHT = 420;
const LEFT = 70;
const RIGHT = 16;
const TOP = 40;
const BOTTOM = 48;
/** Height of a line of the legend. */
const ROW = 18;

/** The chart as SVG text, 480 pixels wide, in the text color of its page. */
export function svgChart({ title, xLabel, yLabel, legend, isSquare = false, marks, ...axes }: Plot): string {
  const room = ROW * legendRows(legend).length;
  const [left, right, top] = [LEFT, WIDTH - RIGHT, TOP + room];
  const height = (isSquare ? SQUARE_HEIGHT : HEIGHT) + room;
  const bottom = height - BOTTOM;
  const [x, y] = [axes.x(left, right), axes.y(bottom, top)];
  const faint = { stroke: 'currentColor', 'stroke-opacity': 0.15 };
  const horizontal = y.ticks.flatMap((tick) => [
    element('line', { x1: left, x2: right, y1: y.at(tick), y2: y.at(tick), ...faint }),
    label(y.name(tick), left - 8, y.at(tick) + 4, { 'text-anchor': 'end' }),
  ]);
  const vertical = x.ticks.map((tick) =>
    label(x.name(tick), x.at(tick), bottom + 18, { 'text-anchor': 'middle' }),
  );
  const center = Math.round((top + bottom) / 2);
  const besides = { 'text-anchor': 'middle', opacity: 0.75 };
  return svg(
    WIDTH,
    height,
    title,
    label(title, left, 20, { 'font-size': 15, 'font-weight': 600 }),
    ...drawLegend(legend),
    ...horizontal,
    ...vertical,
    label(xLabel, (left + right) / 2, height - 10, besides),
    label(yLabel, 14, center, { ...besides, transform: `rotate(-90 14 ${center})` }),
    ...marks.map((mark) => draw(mark, x, y)),
  );
}

function draw(mark: Mark, x: Scale, y: Scale): string {
  const { color } = mark;
  if (mark.kind === 'dot') {
    const [cx, cy] = [x.at(mark.at[0]), y.at(mark.at[1])];
    return element('circle', { cx, cy, r: 2.6, fill: color, 'fill-opacity': 0.75 });
  }
  if (mark.kind === 'bar') {
    const [left, right] = [x.at(mark.from[0]), x.at(mark.to[0])];
    const [low, high] = [y.at(mark.from[1]), y.at(mark.to[1])];
    const place = { x: left, width: right - left, y: Math.min(low, high), height: Math.abs(low - high) };
    const fill = { fill: color, 'fill-opacity': mark.isFaint ? 0.35 : 1 };
    return element('rect', { ...place, ...fill }, element('title', {}, escapeText(mark.said)));
  }
  const places = mark.points.map(([px, py]) => [x.at(px), y.at(py)] as const);
  const steps = places.map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${px.toFixed(1)} ${py.toFixed(1)}`);
  const line = { fill: 'none', stroke: color, 'stroke-width': 2, 'stroke-linejoin': 'round' };
  const dots = mark.isDotted ? places : [];
  return [
    steps.length > 0 ? element('path', { d: steps.join(''), ...line }) : '',
    ...dots.map(([cx, cy]) => element('circle', { cx, cy, r: 2.5, fill: color })),
  ].join('');
}

/** The approximate width of a text: there is no font to measure it with. */
const widthOf = (text: string) => 7 * text.length + 30;

function legendRows(legend: readonly LegendEntry[]): LegendEntry[][] {
  const rows: LegendEntry[][] = [];
  let room = 0;
  for (const entry of legend) {
    const width = widthOf(entry.name);
    if (rows.length === 0 || width > room) {
      rows.push([]);
      room = WIDTH - LEFT - RIGHT;
    }
    rows.at(-1)!.push(entry);
    room -= width;
  }
  return rows;
}

function drawLegend(legend: readonly LegendEntry[]): string[] {
  return legendRows(legend).flatMap((entries, row) => {
    let x = LEFT;
    const y = TOP - 2 + ROW * row;
    return entries.flatMap(({ name, color }) => {
      const left = x;
      x += widthOf(name);
      return [
        element('rect', { x: left, y: y - 9, width: 12, height: 10, rx: 2, fill: color }),
        label(name, left + 17, y),
      ];
    });
  });
}
