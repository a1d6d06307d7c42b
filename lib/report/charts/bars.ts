import { COLORS } from './colors.ts';
import type { ChartLabels, Plot } from './plot.ts';
import { linearScale } from './scale.ts';

/** A bar for each name, from 0. */
export interface Bars extends ChartLabels {
  bars: readonly {
    name: string;
    value: number;
    /** Such as a dimension that is not in use. Default false. */
    faint?: boolean;
  }[];
}

/** Names that the axis has room for. */
const NAMES = 20;
/** Of the room for a bar, what it fills. */
const FILLED = 0.76;

export function barPlot({ bars, ...labels }: Bars): Plot {
  const count = Math.max(1, bars.length);
  const every = Math.ceil(count / NAMES);
  const values = bars.map(({ value }) => value);
  return {
    ...labels,
    legend: [],
    x: (start, end) => ({
      at: (place) => start + ((place + 0.5) / count) * (end - start),
      ticks: Array.from(bars.keys()).filter((i) => i % every === 0),
      name: (i) => bars[i]!.name,
    }),
    y: (start, end) => linearScale(values, start, end, { from: 0 }),
    marks: bars.flatMap(({ name, value, faint: isFaint = false }, i) => {
      if (!Number.isFinite(value)) return [];
      const [from, to] = [[i - FILLED / 2, 0] as const, [i + FILLED / 2, value] as const];
      return [{ kind: 'bar', color: COLORS[0], isFaint, from, to, said: `${name}: ${value.toPrecision(4)}` }];
    }),
  };
}
