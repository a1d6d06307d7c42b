import { colorOf } from './colors.ts';
import type { ChartLabels, Plot, Point } from './plot.ts';
import { linearScale, logarithmicScale } from './scale.ts';

/** A curve. */
export interface Series {
  name: string;
  /** In the order of x; what is not finite is left out. */
  points: readonly Point[];
  /** `#rrggbb`; default one of the palette. */
  color?: string;
}

/** Curves over x. */
export interface Lines extends ChartLabels {
  series: readonly Series[];
  /** Whether y has a logarithmic axis, on which values of 0 and below have no place. Default false. */
  logarithmic?: boolean;
  /** A value of y that the chart covers in any case. */
  from?: number;
}

/** More points than this are too close for a dot each. */
const DOTTED = 40;

export function linePlot({ series, logarithmic = false, from, ...labels }: Lines): Plot {
  const isShown = ([x, y]: Point) => Number.isFinite(x) && Number.isFinite(y) && (!logarithmic || y > 0);
  const shown = series.map((each, i) => ({
    name: each.name,
    color: each.color ?? colorOf(i, series.length),
    points: each.points.filter(isShown),
  }));
  const all = shown.flatMap(({ points }) => points);
  const xs = all.map(([x]) => x);
  const ys = all.map(([, y]) => y);
  const options = { count: 7, whole: xs.every(Number.isInteger), tight: true };
  return {
    ...labels,
    legend: shown.length > 1 ? shown.map(({ name, color }) => ({ name, color })) : [],
    x: (start, end) => linearScale(xs, start, end, options),
    y: (start, end) =>
      logarithmic
        ? logarithmicScale(ys, start, end)
        : linearScale(ys, start, end, from === undefined ? {} : { from }),
    marks: shown.map(({ color, points }) => ({
      kind: 'line',
      color,
      points,
      isDotted: points.length <= DOTTED,
    })),
  };
}
