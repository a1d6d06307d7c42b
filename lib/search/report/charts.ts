import { COLORS } from '../../report/charts/colors.ts';
import { linePlot } from '../../report/charts/lines.ts';
import type { Plot, Point } from '../../report/charts/plot.ts';
import { linearScale } from '../../report/charts/scale.ts';
import { element, label, svg } from '../../report/charts/svg.ts';
import { svgChart } from '../../report/charts/svg-chart.ts';
import { OBJECTIVES, type ObjectiveName, toMinimize } from '../objectives.ts';
import type { Trial } from '../trial.ts';

/** The trials' results in their order, and the best so far. */
export function historyChart(objective: ObjectiveName, trials: readonly Trial[], index: number): string {
  const points = trials.flatMap(({ number, results }) =>
    results[index] ? [[number, results[index].value] as const] : [],
  );
  const kept = new Set(
    usual(
      objective,
      points.map(([, value]) => value),
    ),
  );
  const isKept = ([, value]: Point) => kept.has(value);
  let best: number | undefined;
  const steps = points.map(([number, value]) => {
    const isBetter =
      best === undefined || toMinimize([objective], [value])[0]! < toMinimize([objective], [best])[0]!;
    if (isBetter) best = value;
    return [number, best!] as const;
  });
  const plot = linePlot({
    title: `History: ${OBJECTIVES[objective].label}`,
    xLabel: 'trial',
    yLabel: OBJECTIVES[objective].label,
    series: [{ name: 'best so far', points: steps.filter(isKept), color: COLORS[1] }],
  });
  const hidden = points.length - points.filter(isKept).length;
  return svgChart({
    ...plot,
    y: (start, end) => linearScale(kept, start, end),
    legend: [
      { name: hidden > 0 ? `trial (${hidden} far worse not shown)` : 'trial', color: COLORS[0] },
      { name: 'best so far', color: COLORS[1] },
    ],
    marks: [
      ...plot.marks.map((mark) => (mark.kind === 'line' ? { ...mark, isDotted: false } : mark)),
      ...points.filter(isKept).map((at) => ({ kind: 'dot' as const, color: COLORS[0], at })),
    ],
  });
}

/**
 * Values without those that are so much worse that the rest would be a line. The best are what the search is for, however far they lie from
 * the others.
 */
export function usual(objective: ObjectiveName, values: readonly number[]): number[] {
  const lossOf = (value: number) => toMinimize([objective], [value])[0]!;
  const losses = values.map(lossOf).sort((a, b) => a - b);
  const quartile = (share: number) => losses[Math.round(share * (losses.length - 1))] ?? 0;
  const reach = 3 * (quartile(0.75) - quartile(0.25));
  if (reach === 0) return [...values];
  return values.filter((value) => lossOf(value) <= quartile(0.75) + reach);
}

/** A bar beside each parameter's name. */
export function importanceChart(shares: readonly { name: string; share: number }[]): string {
  const [width, row, top] = [480, 26, 40];
  const left = Math.min(220, 24 + 7 * Math.max(...shares.map(({ name }) => name.length)));
  const most = Math.max(...shares.map(({ share }) => share), 1e-9);
  const title = 'Importance of the parameters';
  const bars = shares.flatMap(({ name, share }, i) => {
    const y = top + row * i;
    const length = ((width - left - 60) * share) / most;
    return [
      label(name, left - 8, y + 14, { 'text-anchor': 'end' }),
      element('rect', { x: left, y, width: Math.max(1, length), height: row - 8, fill: COLORS[0] }),
      label(share.toFixed(2), left + length + 6, y + 14),
    ];
  });
  const heading = label(title, 0, 20, { 'font-size': 15, 'font-weight': 600 });
  return svg(width, top + row * shares.length, title, heading, ...bars);
}

/** The trials by two objectives, those of the front joined. */
export function frontChart(
  [first, second]: readonly [ObjectiveName, ObjectiveName],
  trials: readonly Trial[],
  front: readonly Trial[],
): string {
  const at = ({ results }: Trial) => {
    const of = (name: ObjectiveName) => results.find(({ objective }) => objective === name)!.value;
    return [of(first), of(second)] as const;
  };
  const complete = trials.filter(({ results }) => results.length > 0).map(at);
  const best = front.map(at).sort(([a], [b]) => a - b);
  const axis = (index: 0 | 1) => (start: number, end: number) =>
    linearScale(
      complete.map((point) => point[index]),
      start,
      end,
      { tight: true },
    );
  const plot: Plot = {
    title: 'Pareto front',
    xLabel: OBJECTIVES[first].label,
    yLabel: OBJECTIVES[second].label,
    legend: [
      { name: 'trial', color: COLORS[9] },
      { name: 'no other is better by all', color: COLORS[1] },
    ],
    isSquare: true,
    x: axis(0),
    y: axis(1),
    marks: [
      ...complete.map((point) => ({ kind: 'dot' as const, color: COLORS[9], at: point })),
      { kind: 'line', color: COLORS[1], points: best, isDotted: true },
    ],
  };
  return svgChart(plot);
}
