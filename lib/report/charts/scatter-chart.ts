import { expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { areaOf, type ChartLabels, COLOURS, colourOf, drawChart, type LegendEntry } from './frame.ts';
import { linearScale } from './scale.ts';
import { element } from './svg.ts';

/** What {@link scatterChart} draws. */
export interface ScatterChart extends ChartLabels {
  /** [points, 2], row-major. */
  points: Float32Array;
  /** The class of each point, from 0. Default: all are of one. */
  labels?: ArrayLike<number>;
  /** The classes' names; default their numbers. */
  classes?: readonly string[];
}

/** Classes that the legend names; a legend of more would be larger than what it explains. */
const NAMED = 20;

/**
 * Points of a plane in the colours of their classes, as SVG text, 480 pixels wide, in the text colour of what it stands in.
 *
 * @throws TorchvaeError ERR_TYPE, or ERR_SHAPE where there are not as many labels as points
 */
export function scatterChart({ points, labels, classes, ...said }: ScatterChart): string {
  if (!(points instanceof Float32Array)) {
    throw new TorchvaeError('ERR_TYPE', expected('a Float32Array', 'points', points));
  }
  const count = points.length / 2;
  if (!Number.isInteger(count) || (labels && labels.length !== count)) {
    const what = 'two numbers for each point, and a label or none for each';
    throw new TorchvaeError('ERR_SHAPE', expected(what, 'points', points));
  }
  const known = labels ? [...new Set(Array.from(labels))].sort((a, b) => a - b) : [];
  // A class keeps its colour where another is missing, as far as the palette goes.
  const isPalette = (known.at(-1) ?? 0) < COLOURS.length;
  const colours = new Map(
    known.map((name, i) => [name, isPalette ? COLOURS[name]! : colourOf(i, known.length)]),
  );
  const legend: LegendEntry[] = known.slice(0, NAMED).map((name) => ({
    name: classes?.[name] ?? String(name),
    colour: colours.get(name)!,
  }));
  if (known.length > NAMED) legend.push({ name: `and ${known.length - NAMED} more`, colour: 'transparent' });
  const area = { ...areaOf(legend), bottom: areaOf(legend).bottom + 130 };
  const xs = points.filter((_, i) => i % 2 === 0);
  const ys = points.filter((_, i) => i % 2 === 1);
  const x = linearScale(xs, area.left, area.right, { count: 6, tight: true });
  const y = linearScale(ys, area.bottom, area.top, { count: 6, tight: true });
  const content = Array.from({ length: count }, (_, i) => {
    const fill = labels ? colours.get(labels[i]!)! : COLOURS[0]!;
    const place = { cx: x.at(xs[i]!), cy: y.at(ys[i]!) };
    return element('circle', { ...place, r: 2.6, fill, 'fill-opacity': 0.75 });
  });
  return drawChart(said, area, { x, y }, legend, content);
}
