import { element } from '../../report/charts/svg.ts';
import { chart, facts, grid, paragraph, type Section, table } from '../../report/page/markup.ts';
import { commandSection, mainFigures, page } from '../../report/page/page.ts';
import { OBJECTIVES, toMinimize } from '../objectives.ts';
import { resultOf } from '../search.ts';
import type { Json, Parameter } from '../space/parameter.ts';
import type { Study } from '../study/study.ts';
import type { Trial, TrialResult } from '../trial.ts';
import { frontChart, historyChart, importanceChart, usual } from './charts.ts';
import { importanceOf } from './importance.ts';
import { parallelChart } from './parallel.ts';

/** Trials that the table shows. */
const ROWS = 200;

/** What a page says of a study beside its trials. */
export interface PageContent {
  title: string;
  subtitle: string;
  commands: readonly { said: string; lines: readonly string[] }[];
}

/** A study as one page of HTML in the style of a run's report. */
export function searchPage(study: Study, { title, subtitle, commands }: PageContent): string {
  const { trials, front, best } = resultOf(study);
  const { parameters, objectives } = study.definition;
  const complete = trials.filter(({ results }) => results.length > 0);
  const sections: Section[] = [
    ...(objectives.length > 1 && complete.length > 0 ? [frontSection(study, trials, front)] : []),
    ...(complete.length > 0 ? [valuesSection(study, complete), historySection(study, complete)] : []),
    { id: 'trials', title: 'Trials', content: trialsTable(study, trials) },
    {
      id: 'search',
      title: 'Search',
      content: [
        facts({
          objectives: objectives.map((name) => `${OBJECTIVES[name].label}, to ${OBJECTIVES[name].direction}`),
          sampler: study.definition.sampler,
          pruner: study.definition.pruner,
          seed: study.definition.seed,
          'trainings of each trial': study.definition.seeds,
          ...Object.fromEntries(parameters.map((parameter) => [parameter.name, parameterInWords(parameter)])),
        }),
      ],
    },
    ...(commands.length > 0 ? [commandSection(commands)] : []),
  ];
  return page({ title, subtitle, figures: figures(trials, best), sections });
}

function figures(trials: readonly Trial[], best: Trial | undefined): string {
  const count = (state: Trial['state']) => trials.filter((trial) => trial.state === state).length;
  return mainFigures({
    ...Object.fromEntries(
      (best?.results ?? []).map((result, i) => [
        i === 0
          ? `best ${result.objective}, trial ${best!.number}`
          : `${result.objective}, trial ${best!.number}`,
        shown(result),
      ]),
    ),
    trials: String(trials.length),
    completed: String(count('complete')),
    ...(count('pruned') > 0 && { pruned: String(count('pruned')) }),
    ...(count('failed') > 0 && { failed: String(count('failed')) }),
  });
}

function frontSection(study: Study, trials: readonly Trial[], front: readonly Trial[]): Section {
  const [first, ...others] = study.definition.objectives;
  const charts = others.map((other) => chart(frontChart([first!, other], trials, front)));
  return { id: 'front', title: 'Front', content: [grid(...charts)] };
}

function valuesSection(study: Study, complete: readonly Trial[]): Section {
  const { parameters, objectives } = study.definition;
  const name = objectives[0]!;
  const loss = ({ results }: Trial) => toMinimize([name], [results[0]!.value])[0]!;
  const order = [...complete].sort((a, b) => loss(a) - loss(b));
  const kept = usual(
    name,
    complete.map(({ results }) => results[0]!.value),
  );
  const [low, high] = [Math.min(...kept), Math.max(...kept)];
  const lines = order.map((trial, i) => {
    const { value } = trial.results[0]!;
    return {
      values: trial.values,
      said: `trial ${trial.number}: ${shown(trial.results[0]!)}`,
      rank: order.length > 1 ? i / (order.length - 1) : 0,
      place: high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5,
    };
  });
  const shares = importanceOf(
    parameters,
    complete.map((trial) => ({ values: trial.values, state: 'complete', losses: [loss(trial)] })),
  );
  return {
    id: 'values',
    title: 'Values',
    content: [
      paragraph(
        `A line for each completed trial, from the best (thick) to the worst by ${OBJECTIVES[name].label}.`,
        'soft',
      ),
      element(
        'figure',
        { class: 'wide' },
        chart(parallelChart(parameters, lines, { label: OBJECTIVES[name].label, low, high })),
      ),
      ...(shares.length > 0 && parameters.length > 1
        ? [
            paragraph(
              "Importance is the share of the result's variance over the space that a parameter is part of, alone or with others " +
                '(total effects, Homma and Saltelli 1996), by a Gaussian process of the trials.',
              'soft',
            ),
            grid(chart(importanceChart(shares))),
          ]
        : []),
    ],
  };
}

function historySection(study: Study, complete: readonly Trial[]): Section {
  const charts = study.definition.objectives.map((name, i) => chart(historyChart(name, complete, i)));
  return { id: 'history', title: 'History', content: [grid(...charts)] };
}

function trialsTable(study: Study, trials: readonly Trial[]): string[] {
  const { parameters, objectives } = study.definition;
  const columns = ['trial', 'state', ...objectives, ...parameters.map(({ name }) => name), 'epochs', ''];
  const rows = trials
    .slice(-ROWS)
    .map(({ number, state, results, values, epochs, error = '' }) => [
      String(number),
      state,
      ...objectives.map((_, i) => (results[i] ? shown(results[i]) : '')),
      ...parameters.map(({ name }) => valueText(values[name])),
      epochs > 0 ? String(epochs) : '',
      error,
    ]);
  const hidden = trials.length - rows.length;
  return [
    ...(hidden > 0 ? [paragraph(`The last ${ROWS} of ${trials.length}.`, 'soft')] : []),
    table(columns, rows),
  ];
}

/** `0.5 to 8, logarithmic`, `whole numbers from 2 to 64`, `adam, sgd`. */
function parameterInWords(parameter: Parameter): string {
  const { when } = parameter;
  const conditions = Object.entries(when).map(
    ([name, values]) => `${name} is ${values.map(valueText).join(' or ')}`,
  );
  const where = conditions.length > 0 ? `, where ${conditions.join(' and ')}` : '';
  if (parameter.type === 'choice') return `${parameter.choices.map(valueText).join(', ')}${where}`;
  const { low, high, int, log, step } = parameter;
  const steps = step > Number(int) ? `, in steps of ${step}` : '';
  return `${int ? 'whole numbers from ' : ''}${low} to ${high}${log ? ', logarithmic' : ''}${steps}${where}`;
}

function shown({ value, margin }: TrialResult): string {
  const text = Number.isInteger(value) ? String(value) : value.toFixed(2);
  return margin === undefined ? text : `${text} ± ${margin.toFixed(2)}`;
}

function valueText(value: Json | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(Number(value.toPrecision(4)));
  return typeof value === 'string' ? value : JSON.stringify(value);
}
