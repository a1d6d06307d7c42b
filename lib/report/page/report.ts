import { checkOptions, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { checkEpochs, type EpochRecord, objectOf } from '../epochs.ts';
import type { Exhibit } from '../exhibit.ts';
import { exhibit, facts, grid, paragraph, type Section } from './markup.ts';
import { commandSection, mainFigures, page } from './page.ts';
import { codeSection, gradientSection, trainingSection } from './training.ts';

/** The content of a report; see {@link renderReport}. */
export interface ReportContent {
  title: string;
  /** Shown below the title: the data, the device, the date. */
  subtitle?: string;
  /** What `VAE.fit` yielded. */
  epochs: readonly EpochRecord[];
  /** Pictures and tables of the model. */
  gallery?: readonly Exhibit[];
  /** What could not be shown, and why. */
  notes?: readonly string[];
  /** Names with values of JSON, under headings such as `Model` and `Data`. */
  facts?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Shell commands that repeat the run, with a sentence before each. */
  commands?: readonly { said: string; lines: readonly string[] }[];
}

/**
 * One HTML page that holds all it shows: it opens without a network, and without scripts. All text is escaped.
 *
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE for content of another form
 */
export function renderReport(content: ReportContent): string {
  const known = ['title', 'subtitle', 'epochs', 'gallery', 'notes', 'facts', 'commands'];
  const {
    title,
    subtitle = '',
    epochs: given,
    gallery = [],
    notes = [],
    facts: described = {},
    commands = [],
  } = checkOptions('content of renderReport', content, known);
  checkTexts({ title, subtitle });
  checkList('notes', notes, (note) => typeof note === 'string');
  checkList('gallery', gallery, (each) => isWith(each, ['title', 'caption']) && isShowable(each.shown));
  checkList('commands', commands, (each) => isWith(each, ['said']) && isTexts(each.lines));
  checkList('facts', objectOf(described) ? Object.values(described) : described, isObject);
  const epochs = checkEpochs(given);
  const sections: Section[] = [
    trainingSection(epochs),
    codeSection(epochs),
    {
      id: 'pictures',
      title: 'Pictures',
      content: [
        ...notes.map((note) => paragraph(note, 'warning')),
        ...(gallery.length > 0 ? [grid(...gallery.map(exhibit))] : []),
        ...(gallery.length + notes.length === 0 ? [paragraph('None were made.', 'soft')] : []),
      ],
    },
    gradientSection(epochs),
    ...Object.entries(described).map(([name, entries]) => ({
      id: name.toLowerCase().replaceAll(/[^a-z]+/g, '-'),
      title: name,
      content: [facts(entries)],
    })),
    ...(commands.length > 0 ? [commandSection(commands)] : []),
  ];
  return page({ title, subtitle, figures: figures(epochs), sections });
}

function checkTexts(texts: Readonly<Record<string, unknown>>): void {
  for (const [name, text] of Object.entries(texts)) {
    if (typeof text !== 'string') throw new TorchvaeError('ERR_TYPE', expected('a text', name, text));
  }
}

function checkList(name: string, list: unknown, isGood: (each: unknown) => boolean): void {
  if (!Array.isArray(list))
    throw new TorchvaeError('ERR_TYPE', expected('what ReportContent says', name, list));
  const bad = list.findIndex((each) => !isGood(each));
  if (bad < 0) return;
  throw new TorchvaeError('ERR_TYPE', expected('what ReportContent says', `${name}[${bad}]`, list[bad]));
}

/** Whether it is an object with these texts. */
function isWith(value: unknown, texts: readonly string[]): value is Record<string, unknown> {
  const object = objectOf(value);
  return object !== undefined && texts.every((name) => typeof object[name] === 'string');
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}

function isObject(value: unknown): boolean {
  return objectOf(value) !== undefined;
}

/** A picture is looked at when it is encoded. */
function isShowable(shown: unknown): boolean {
  const { columns, rows } = objectOf(shown) ?? {};
  if (columns === undefined) return typeof shown === 'string' || isObject(shown);
  return isTexts(columns) && Array.isArray(rows) && rows.every(isTexts);
}

/** The main figures of the last epoch. */
function figures(epochs: readonly EpochRecord[]): string {
  const last = epochs.at(-1);
  if (!last) return paragraph('No epoch has ended.', 'soft');
  const { train, validation, test, latentHealth, gradientHealth, epoch } = last;
  const judged = validation ?? test ?? train;
  const part = validation ? 'validation' : test ? 'test' : 'training';
  const seconds = epochs.reduce((sum, { seconds: each }) => sum + each, 0);
  const entries: Record<string, string> = {
    ...(judged.elbo === undefined
      ? { [`loss, ${part}`]: judged.loss.toFixed(2) }
      : { [`ELBO, ${part}`]: judged.elbo.toFixed(2) }),
    [`reconstruction, ${part}`]: judged.reconstruction.toFixed(2),
    [`KL, ${part}`]: judged.kl.toFixed(2),
    epochs: String(epoch),
    'training time': Number.isFinite(seconds)
      ? `${seconds < 100 ? seconds.toFixed(1) : Math.round(seconds)} s`
      : '?',
    ...(latentHealth && {
      'active dimensions': `${latentHealth.activeUnits} of ${latentHealth.meanVariance.length}`,
    }),
    ...(gradientHealth && { gradients: gradientHealth.verdict }),
  };
  return mainFigures(entries);
}
