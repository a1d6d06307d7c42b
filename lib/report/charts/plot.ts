import type { Scale } from './scale.ts';

/** Title and axis labels of a chart. */
export interface ChartLabels {
  /** Shown above the chart, and read out by screen readers. */
  title: string;
  /** Below the horizontal axis. */
  xLabel: string;
  /** Beside the vertical axis, with its unit. */
  yLabel: string;
}

/** A name and its color in the legend. */
export interface LegendEntry {
  name: string;
  color: string;
}

/** A point in the units of the axes. */
export type Point = readonly [x: number, y: number];

/** A mark between the axes. */
export type Mark =
  | { kind: 'line'; color: string; points: readonly Point[]; isDotted: boolean }
  | { kind: 'bar'; color: string; isFaint: boolean; from: Point; to: Point; said: string }
  | { kind: 'dot'; color: string; at: Point };

/** A chart, independent of where it is drawn: SVG or a terminal. */
export interface Plot extends ChartLabels {
  legend: readonly LegendEntry[];
  /** About as high as wide. Default: wider than high. */
  isSquare?: boolean;
  /** The axes from one place to another. */
  x(start: number, end: number): Scale;
  y(start: number, end: number): Scale;
  marks: readonly Mark[];
}
