import type { Scale } from './scale.ts';

/** What every chart says of itself. */
export interface ChartLabels {
  /** Above it, and said to those who cannot see it. */
  title: string;
  /** Below the horizontal axis. */
  xLabel: string;
  /** Beside the vertical axis, with its unit. */
  yLabel: string;
}

/** A name with the color of what it stands for. */
export interface LegendEntry {
  name: string;
  color: string;
}

/** A point in the units of the axes. */
export type Point = readonly [x: number, y: number];

/** What stands between the axes. */
export type Mark =
  | { kind: 'line'; color: string; points: readonly Point[]; isDotted: boolean }
  | { kind: 'bar'; color: string; isFaint: boolean; from: Point; to: Point; said: string }
  | { kind: 'dot'; color: string; at: Point };

/** A chart, before it is known what it is drawn on: SVG or a terminal. */
export interface Plot extends ChartLabels {
  legend: readonly LegendEntry[];
  /** About as high as wide. Default: wider than high. */
  isSquare?: boolean;
  /** The axes from one place to another. */
  x(start: number, end: number): Scale;
  y(start: number, end: number): Scale;
  marks: readonly Mark[];
}
