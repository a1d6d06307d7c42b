import { types } from 'node:util';
import { expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { COLORS, colorOf } from './colors.ts';
import type { ChartLabels, LegendEntry, Plot } from './plot.ts';
import { linearScale } from './scale.ts';

/** Points of a plane in the colors of their classes. */
export interface Points extends ChartLabels {
  /** [points, 2], row-major. */
  points: Float32Array;
  /** The class of each point, from 0. Default: all are of one. */
  labels?: ArrayLike<number>;
  /** The classes' names; default their numbers. */
  classes?: readonly string[];
}

/** Classes that the legend names; a legend of more would be larger than what it explains. */
const NAMED = 20;

/** @throws TorchvaeError ERR_TYPE, or ERR_SHAPE where there are not as many labels as points */
export function pointPlot({ points, labels, classes, ...said }: Points): Plot {
  if (!types.isFloat32Array(points)) {
    throw new TorchvaeError('ERR_TYPE', expected('a Float32Array', 'points', points));
  }
  const count = points.length / 2;
  if (!Number.isInteger(count) || (labels && labels.length !== count)) {
    const what = 'two numbers for each point, and a label or none for each';
    throw new TorchvaeError('ERR_SHAPE', expected(what, 'points', points));
  }
  const known = labels ? [...new Set(Array.from(labels))].sort((a, b) => a - b) : [];
  // A class keeps its color where another is missing, as far as the palette goes.
  const isPalette = (known.at(-1) ?? 0) < COLORS.length;
  const colors = new Map(
    known.map((name, i) => [name, isPalette ? COLORS[name]! : colorOf(i, known.length)]),
  );
  const legend: LegendEntry[] = known.slice(0, NAMED).map((name) => ({
    name: classes?.[name] ?? String(name),
    color: colors.get(name)!,
  }));
  if (known.length > NAMED) legend.push({ name: `and ${known.length - NAMED} more`, color: COLORS.at(-1)! });
  const xs = points.filter((_, i) => i % 2 === 0);
  const ys = points.filter((_, i) => i % 2 === 1);
  const options = { count: 6, tight: true };
  return {
    ...said,
    legend,
    isSquare: true,
    x: (start, end) => linearScale(xs, start, end, options),
    y: (start, end) => linearScale(ys, start, end, options),
    marks: Array.from({ length: count }, (_, i) => ({
      kind: 'dot',
      color: labels ? colors.get(labels[i]!)! : COLORS[0],
      at: [xs[i]!, ys[i]!],
    })),
  };
}
