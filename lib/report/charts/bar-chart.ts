import { areaOf, type ChartLabels, COLOURS, drawChart } from './frame.ts';
import { linearScale } from './scale.ts';
import { element, escapeText, label } from './svg.ts';

/** What {@link barChart} draws. */
export interface BarChart extends ChartLabels {
  bars: readonly {
    name: string;
    value: number;
    /** Drawn faintly, such as a dimension that is not in use. Default false. */
    faint?: boolean;
  }[];
}

/** Names that the axis has room for. */
const NAMES = 20;

/** A bar for each name, from 0, as SVG text, 480 pixels wide, in the text colour of what it stands in. */
export function barChart({ bars, ...labels }: BarChart): string {
  const area = areaOf([]);
  const values = bars.map(({ value }) => value);
  const y = linearScale(values, area.bottom, area.top, { from: 0 });
  const slot = (area.right - area.left) / Math.max(1, bars.length);
  const every = Math.ceil(bars.length / NAMES);
  const content = bars.flatMap(({ name, value, faint = false }, i) => {
    const x = area.left + i * slot;
    const [top, bottom] = [y.at(Math.max(value, 0)), y.at(Math.min(value, 0))];
    const shape = { x: x + slot * 0.12, width: slot * 0.76, y: top, height: bottom - top };
    const bar = { ...shape, fill: COLOURS[0]!, 'fill-opacity': faint ? 0.35 : 1 };
    const title = element('title', {}, escapeText(`${name}: ${value.toPrecision(4)}`));
    const named = i % every === 0;
    return [
      ...(Number.isFinite(value) ? [element('rect', bar, title)] : []),
      ...(named ? [label(name, x + slot / 2, area.bottom + 18, { 'text-anchor': 'middle' })] : []),
    ];
  });
  return drawChart(labels, area, { x: undefined, y }, [], content);
}
