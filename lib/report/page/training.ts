import { linePlot } from '../charts/lines.ts';
import type { Plot } from '../charts/plot.ts';
import { svgChart } from '../charts/svg-chart.ts';
import type { EpochRecord } from '../epochs.ts';
import { learningRateCurve, lossCurves } from '../plots.ts';
import { gradientChart, klChart } from '../run-charts.ts';
import { chart, grid, paragraph, type Section, table } from './markup.ts';

/** Losses and learning rate over the epochs. */
export function trainingSection(epochs: readonly EpochRecord[]): Section {
  const { best, test } = epochs.at(-1) ?? {};
  // fit() calls its judge the validation set, even where that was the test split.
  const of = test ? best?.of.replace(/^validation/, 'test') : best?.of;
  const said = best
    ? [paragraph(`The best epoch is ${best.epoch}, by its ${of} of ${best.value.toFixed(2)} nats.`)]
    : [];
  const curves = (['loss', 'reconstruction', 'kl'] as const).map((term) => ({
    name: TERMS[term],
    plot: lossCurves(epochs, term),
  }));
  const all = [...curves, { name: 'The learning rate', plot: learningRateCurve(epochs) }];
  const changing = all.filter(({ plot }) => constantOf(plot) === undefined);
  const constants = all.flatMap(({ name, plot }) => {
    const value = constantOf(plot);
    return value === undefined ? [] : [`${name} was ${Number(value.toPrecision(4))} in every epoch.`];
  });
  return {
    id: 'training',
    title: 'Training',
    content: [
      paragraph(
        'Means over the examples, summed over the dimensions of each, in nats. Those of training are taken before each update.',
        'soft',
      ),
      ...said,
      ...constants.map((text) => paragraph(text)),
      grid(...changing.map(({ plot }) => chart(svgChart(plot)))),
    ],
  };
}

const TERMS = { loss: 'The loss', reconstruction: 'The reconstruction term', kl: 'The KL term' } as const;

/** The only value of a chart's curves over several epochs; such a chart shows nothing that a number does not. */
function constantOf({ marks }: Plot): number | undefined {
  const points = marks.flatMap((mark) => (mark.kind === 'line' ? mark.points : []));
  const [first] = points;
  return points.length > 1 && points.every(([, y]) => y === first![1]) ? first![1] : undefined;
}

/** Norms of the gradients, and where they or the updates were not healthy. */
export function gradientSection(epochs: readonly EpochRecord[]): Section {
  const watched = epochs.filter(({ gradientHealth }) => gradientHealth);
  if (watched.length === 0) {
    return { id: 'gradients', title: 'Gradients', content: [paragraph('They were not watched.', 'soft')] };
  }
  const rows = troubles(epochs);
  const verdict =
    rows.length === 0
      ? paragraph(`Healthy in ${watched.length === 1 ? 'the epoch' : `all ${watched.length} epochs`}.`)
      : table(['epochs', 'verdict', 'where', 'what to try'], rows);
  return { id: 'gradients', title: 'Gradients', content: [verdict, grid(chart(gradientChart(epochs)))] };
}

/** Consecutive epochs with the same verdict, as rows of a table. */
function troubles(epochs: readonly EpochRecord[]): string[][] {
  const found: { first: number; last: number; said: readonly string[] }[] = [];
  for (const { epoch, gradientHealth, skipped, skippedBecause } of epochs) {
    const { verdict = 'healthy', layer = '', advice = '' } = gradientHealth ?? {};
    const said = [
      ...(verdict === 'healthy' ? [] : [[verdict, layer, advice]]),
      ...(skipped
        ? [['updates left out', skippedBecause ?? '', "lower the learning rate, or check the data's scale"]]
        : []),
    ];
    for (const each of said) {
      const before = found.find(
        ({ last, said: other }) => last === epoch - 1 && other.join() === each.join(),
      );
      if (before) before.last = epoch;
      else found.push({ first: epoch, last: epoch, said: each });
    }
  }
  return found.map(({ first, last, said }) => [first === last ? `${first}` : `${first} to ${last}`, ...said]);
}

/** How much of z is in use. */
export function codeSection(epochs: readonly EpochRecord[]): Section {
  const surveys = epochs.flatMap(({ epoch, latentHealth }) =>
    latentHealth ? [{ epoch, ...latentHealth }] : [],
  );
  const last = surveys.at(-1);
  if (!last) return { id: 'codes', title: 'Use of z', content: [paragraph('It was not surveyed.', 'soft')] };
  const { activeUnits, meanVariance, mutualInformation, examples, alarm } = last;
  const information =
    mutualInformation === undefined
      ? ''
      : ` x and z share ${mutualInformation.toFixed(2)} nats of information, of at most ${Math.log(examples).toFixed(2)} that ${examples} examples can show.`;
  const series = [
    { name: 'active', points: surveys.map(({ epoch, activeUnits: units }) => [epoch, units] as const) },
  ];
  const use = { title: 'Active dimensions of z', xLabel: 'epoch', yLabel: 'dimensions', from: 0, series };
  return {
    id: 'codes',
    title: 'Use of z',
    content: [
      ...(alarm ? [paragraph(alarm.message, 'warning')] : []),
      paragraph(
        `${activeUnits} of ${meanVariance.length} dimensions are active: the mean of q(z|x) varies over the examples by more ` +
          `than 0.01 (Burda et al. 2016).${information}`,
      ),
      grid(chart(klChart(last)), ...(surveys.length > 1 ? [chart(svgChart(linePlot(use)))] : [])),
    ],
  };
}
