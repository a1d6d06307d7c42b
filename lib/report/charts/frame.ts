import type { Scale } from './scale.ts';
import { shortNumber } from './scale.ts';
import { element, label, svg } from './svg.ts';

/** What every chart says of itself. */
export interface ChartLabels {
  /** Said to those who cannot see it, and above it. */
  title: string;
  /** Below the horizontal axis. */
  xLabel: string;
  /** Beside the vertical axis, with its unit. */
  yLabel: string;
}

/** A name with the colour of what it stands for. */
export interface LegendEntry {
  name: string;
  colour: string;
}

/** Small, so that its text can be read where a chart is as wide as a phone. */
export const WIDTH = 480;
const HEIGHT = 290;
const LEFT = 70;
const RIGHT = 16;
const TOP = 40;
const BOTTOM = 48;
const ROW = 18;

/** Where a chart is drawn, in pixels. */
export interface Area {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Colours that are told apart by most, in light and in dark. */
export const COLOURS = [
  '#4e79a7',
  '#f28e2b',
  '#59a14f',
  '#e15759',
  '#b07aa1',
  '#9c755f',
  '#17a2b8',
  '#d4a017',
  '#ff7fa5',
  '#8a8f98',
];

/** The colour of the class with this number, of so many. */
export function colourOf(index: number, count: number): string {
  if (count <= COLOURS.length) return COLOURS[index % COLOURS.length]!;
  return `hsl(${Math.round((360 * index) / count)} 60% 50%)`;
}

/** The colour of a place from 0 to 1 along something that has an order, such as a network's depth. */
export function rampColour(place: number): string {
  return `hsl(${Math.round(260 - 230 * place)} 65% 52%)`;
}

/** The area of a chart whose legend has so many rows. */
export function areaOf(legend: readonly LegendEntry[]): Area {
  const rows = legendRows(legend).length;
  return { left: LEFT, right: WIDTH - RIGHT, top: TOP + ROW * rows, bottom: HEIGHT - BOTTOM + ROW * rows };
}

/** Title, axes with their grid, legend, and within them what the chart shows. */
export function drawChart(
  { title, xLabel, yLabel }: ChartLabels,
  area: Area,
  { x, y }: { x: Scale | undefined; y: Scale },
  legend: readonly LegendEntry[],
  content: readonly string[],
): string {
  const middle = (area.left + area.right) / 2;
  const faint = { stroke: 'currentColor', 'stroke-opacity': 0.15 };
  const horizontal = y.ticks.flatMap((tick) => [
    element('line', { x1: area.left, x2: area.right, y1: y.at(tick), y2: y.at(tick), ...faint }),
    label(shortNumber(tick), area.left - 8, y.at(tick) + 4, { 'text-anchor': 'end' }),
  ]);
  const vertical = (x?.ticks ?? []).map((tick) =>
    label(shortNumber(tick), x!.at(tick), area.bottom + 18, { 'text-anchor': 'middle' }),
  );
  const height = area.bottom + BOTTOM;
  const centre = (area.top + area.bottom) / 2;
  return svg(
    WIDTH,
    height,
    title,
    label(title, area.left, 20, { 'font-size': 15, 'font-weight': 600 }),
    ...drawLegend(legend),
    ...horizontal,
    ...vertical,
    label(xLabel, middle, height - 10, { 'text-anchor': 'middle', opacity: 0.75 }),
    label(yLabel, 14, centre, {
      'text-anchor': 'middle',
      transform: `rotate(-90 14 ${Math.round(centre)})`,
      opacity: 0.75,
    }),
    ...content,
  );
}

/** About what a text takes, since there is no font to measure it by. */
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
    return entries.flatMap(({ name, colour }) => {
      const left = x;
      x += widthOf(name);
      return [
        element('rect', { x: left, y: y - 9, width: 12, height: 10, rx: 2, fill: colour }),
        label(name, left + 17, y),
      ];
    });
  });
}
