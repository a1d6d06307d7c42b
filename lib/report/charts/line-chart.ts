import { areaOf, type ChartLabels, colourOf, drawChart } from './frame.ts';
import { linearScale, logarithmicScale } from './scale.ts';
import { element } from './svg.ts';

/** A curve. */
export interface Series {
  name: string;
  /** In the order of x; what is not finite leaves a gap. */
  points: readonly (readonly [x: number, y: number])[];
  /** Of CSS; default one of the palette. */
  colour?: string;
}

/** What {@link lineChart} draws. */
export interface LineChart extends ChartLabels {
  series: readonly Series[];
  /** Whether y has a logarithmic axis, on which values of 0 and below have no place. Default false. */
  logarithmic?: boolean;
  /** A value of y that the chart covers in any case. */
  from?: number;
}

/** More points than this are too close for a dot each. */
const DOTTED = 40;

/** Curves over x as SVG text, 480 pixels wide, in the text colour of what it stands in. */
export function lineChart({ series, logarithmic = false, from, ...labels }: LineChart): string {
  const shown = series.map((each, i) => ({
    name: each.name,
    colour: each.colour ?? colourOf(i, series.length),
    points: each.points.filter(
      ([x, y]) => Number.isFinite(x) && Number.isFinite(y) && (!logarithmic || y > 0),
    ),
  }));
  const legend = shown.length > 1 ? shown : [];
  const area = areaOf(legend);
  const all = shown.flatMap(({ points }) => points);
  const xs = all.map(([x]) => x);
  const ys = all.map(([, y]) => y);
  const x = linearScale(xs, area.left + 8, area.right - 8, { count: 7, whole: xs.every(Number.isInteger) });
  const y = logarithmic
    ? logarithmicScale(ys, area.bottom, area.top)
    : linearScale(ys, area.bottom, area.top, from === undefined ? {} : { from });
  const content = shown.flatMap(({ points, colour }) => {
    const places = points.map(([px, py]) => [x.at(px), y.at(py)] as const);
    const path = places
      .map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${px.toFixed(1)} ${py.toFixed(1)}`)
      .join('');
    const line = { d: path, fill: 'none', stroke: colour, 'stroke-width': 2, 'stroke-linejoin': 'round' };
    const dots = points.length <= DOTTED ? places : [];
    return [
      ...(path === '' ? [] : [element('path', line)]),
      ...dots.map(([cx, cy]) => element('circle', { cx, cy, r: 2.5, fill: colour })),
    ];
  });
  return drawChart(labels, area, { x, y }, legend, content);
}
