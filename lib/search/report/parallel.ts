import { rampColor } from '../../report/charts/colors.ts';
import { shortNumber } from '../../report/charts/scale.ts';
import { element, escapeText, label, svg } from '../../report/charts/svg.ts';
import { type Parameter, placeOf, type Values, valueAt } from '../space/parameter.ts';

/** A line of the chart. */
export interface Line {
  values: Values;
  /** What the line says to a pointer. */
  said: string;
  /** From 0, the best, to 1. */
  rank: number;
  /** The trial's result, as a place from 0 at the bottom to 1. */
  place: number;
}

/** The last axis. */
export interface ResultAxis {
  label: string;
  low: number;
  high: number;
}

const HEIGHT = 420;
const TOP = 66;
const BOTTOM = 44;
const SIDE = 74;
/** Between two axes. */
const GAP = 150;

/** Parallel coordinates (Inselberg 1985): an axis for each parameter and the result, a line for each trial, the best on top. */
export function parallelChart(
  parameters: readonly Parameter[],
  lines: readonly Line[],
  result: ResultAxis,
): string {
  // As wide as the page, which would blow up the letters of a narrower one.
  const width = Math.max(960, 2 * SIDE + GAP * parameters.length);
  const axisAt = (i: number) => SIDE + ((width - 2 * SIDE) * i) / parameters.length;
  const at = (place: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - place);
  const drawn = [...lines].sort((a, b) => b.rank - a.rank).map((line) => draw(line, parameters, axisAt, at));
  const axes = parameters.map((parameter, i) => axis(parameter.name, axisAt(i), at, ticksOf(parameter)));
  const ends = [0, 0.25, 0.5, 0.75, 1].map((place) => ({
    place,
    name: shortNumber(Number((result.low + (result.high - result.low) * place).toPrecision(5))),
  }));
  const title = 'Trials by their values';
  return svg(
    width,
    HEIGHT,
    title,
    label(title, SIDE - 44, 20, { 'font-size': 15, 'font-weight': 600 }),
    ...drawn,
    ...axes,
    axis(result.label, axisAt(parameters.length), at, ends),
  );
}

/** Where the line of a trial crosses the axis of a parameter that it does not have. */
const UNUSED = -0.07;

function draw(
  { values, said, rank, place }: Line,
  parameters: readonly Parameter[],
  axisAt: (i: number) => number,
  at: (place: number) => number,
): string {
  const places = parameters.map((parameter) => {
    const value = values[parameter.name];
    return value === undefined ? UNUSED : placeOf(parameter, value);
  });
  const steps = [...places, place].map((each, i) => `${axisAt(i).toFixed(1)} ${at(each).toFixed(1)}`);
  const stroke = { stroke: rampColor(1 - rank), 'stroke-opacity': rank === 0 ? 1 : 0.55 };
  const line = { fill: 'none', 'stroke-width': rank === 0 ? 3 : 1.5, ...stroke };
  return element('path', { d: `M${steps.join('L')}`, ...line }, element('title', {}, escapeText(said)));
}

function axis(
  name: string,
  x: number,
  at: (place: number) => number,
  ticks: readonly { place: number; name: string }[],
): string {
  const ground = { fill: 'none', stroke: 'currentColor', 'stroke-opacity': 0.6 };
  const halo = { stroke: 'var(--ground, #ffffff)', 'stroke-width': 3, 'paint-order': 'stroke' };
  return [
    element('line', { x1: x, x2: x, y1: at(0), y2: at(1), ...ground }),
    label(name, x, TOP - 18, { 'text-anchor': 'middle', 'font-weight': 600 }),
    ...ticks.map((tick) => label(tick.name, x + 6, at(tick.place) + 4, { 'font-size': 11, ...halo })),
  ].join('');
}

function ticksOf(parameter: Parameter): { place: number; name: string }[] {
  const unused = Object.keys(parameter.when).length > 0 ? [{ place: UNUSED, name: 'not used' }] : [];
  if (parameter.type === 'choice') {
    const names = parameter.choices.map((choice) => ({
      place: placeOf(parameter, choice),
      name: typeof choice === 'string' ? choice : JSON.stringify(choice),
    }));
    return [...unused, ...names];
  }
  const values = [0, 0.25, 0.5, 0.75, 1].map((place) => valueAt(parameter, place) as number);
  const names = [...new Set(values)].map((value) => ({
    place: placeOf(parameter, value),
    name: shortNumber(Number(value.toPrecision(3))),
  }));
  return [...unused, ...names];
}
