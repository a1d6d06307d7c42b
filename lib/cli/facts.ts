import type { DataSchema } from '../data/index.ts';
import { hasFractions } from '../data/tables/fields.ts';
import type { AnomalyThreshold } from '../model/anomaly.ts';
import type { KernelChoice } from '../model/core.ts';
import type { ModelSpec } from '../model/spec.ts';
import { inWords, namesInWords } from '../report/in-words.ts';

/** Names and values under headings. */
export type Facts = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The facts as lines for a terminal, aligned below each heading; headings without facts are left out. */
export function factLines(facts: Facts): string {
  const sections = Object.entries(facts).map(([heading, entries]) => {
    const known = Object.entries(entries).filter(([, value]) => value !== undefined);
    const width = Math.max(0, ...known.map(([name]) => name.length));
    return known.length === 0
      ? ''
      : [heading, ...known.map(([name, value]) => `  ${name.padEnd(width)}  ${inWords(value)}`)].join('\n');
  });
  return sections.filter((section) => section !== '').join('\n\n');
}

/** What a model is. */
export function modelFacts({ objective, ...model }: ModelSpec, weights: number): Record<string, unknown> {
  const { inputShape, ...parts } = model;
  return {
    'input shape': inputShape.join(' x '),
    ...namesInWords(parts),
    objective,
    weights: weights.toLocaleString('en-US'),
  };
}

/** The columns of a table as examples hold them, or what lines of text became. */
export function schemaFacts(schema: DataSchema | undefined): Record<string, unknown> {
  if (!schema) return {};
  if (schema.type === 'text') {
    const { level, size, categories } = schema;
    return { text: `${size} ${level} tokens per line, of a vocabulary of ${categories}` };
  }
  return Object.fromEntries(schema.describe().map(({ column, became }) => [column, became]));
}

/** Columns that are listed when training begins. */
const SHOWN_COLUMNS = 40;

/** Each column and what it became, so that a wrong guess is seen before its model is used. */
export function columnLines(schema: DataSchema | undefined): string {
  if (schema?.type !== 'table') return '';
  const columns = Object.entries(schemaFacts(schema));
  const more = columns.length - SHOWN_COLUMNS;
  const lines = factLines({ Columns: Object.fromEntries(columns.slice(0, SHOWN_COLUMNS)) });
  return `${lines}\n${more > 0 ? `  ... and ${more} more, which torchvae inspect lists\n` : ''}`;
}

/** What people should know of rows that a model of a table draws; nothing for most. */
export function drawsNote(schema: DataSchema | undefined, likelihood: ModelSpec['likelihood']): string {
  if (schema?.type !== 'table') return '';
  const { fields } = schema;
  const { type } = likelihood;
  const isShared = fields.some(
    (field) => field.type === 'categorical' || (field.type === 'numeric' && field.zeros !== undefined),
  );
  if (type === 'laplace' && isShared) {
    return (
      'The likelihood laplace gives medians, which are no chances: drawn rows have the most frequent categories, and zeros, too often; ' +
      'likelihood.type=gaussian keeps their shares\n'
    );
  }
  if ('scale' in likelihood && likelihood.scale === 'predicted') {
    return (
      'Where the decoder predicts the scale, errors count less where values vary: drawn rows have the most frequent categories too often, ' +
      'and numbers that vary too little; likelihood.scale=per-dimension keeps both\n'
    );
  }
  if (type === 'bernoulli' && fields.some(hasFractions)) {
    return (
      'The likelihood bernoulli draws 0 and 1 alone: drawn rows have no numbers in between; ' +
      'likelihood.type=continuous-bernoulli has those\n'
    );
  }
  return '';
}

/** The anomaly threshold, and how it was set. */
export function thresholdFacts(threshold: AnomalyThreshold | undefined): Record<string, unknown> {
  if (!threshold) return {};
  const { value, falseAlarmRate, quantile, examples, measure, draws, seed } = threshold;
  return {
    threshold: `${short(value)} nats`,
    'false-alarm rate': falseAlarmRate,
    quantile,
    'set from': `${examples} examples`,
    measure,
    draws,
    seed,
  };
}

function short(value: number): string {
  return String(Number(value.toPrecision(5)));
}

/** How training steps are computed, such as `fused kernels`. */
export function kernelsInWords({ kind, reason }: KernelChoice): string {
  return reason === undefined ? `${kind} kernels` : `${kind} kernels (${reason})`;
}
