import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import { checkInteger } from '../check.ts';
import { counted } from '../counted.ts';
import { overlapNote } from '../data/examples/overlap.ts';
import {
  cellTexts,
  type DataSchema,
  type Dataset,
  hasTestSet,
  type LoadOptions,
  loadDataset,
  optionsOf,
  StreamedDataset,
} from '../data/index.ts';
import { only } from '../data/options.ts';
import { hasReadableRow, readableRows } from '../data/readable.ts';
import { TorchvaeError } from '../errors.ts';
import { noRow } from '../model/odd-rows.ts';
import { CONFIG_FILE, RunDirectory } from '../report/run-directory.ts';
import { availableMemory } from '../runtime/memory.ts';
import type { VAE } from '../vae.ts';
import { inFlags } from './flags.ts';
import { type DataOptions, loadOptions, openTraining } from './options.ts';
import { FILE_FLAGS, READING, readingOptions } from './reading.ts';
import { type RunSettings, settingsOf } from './run-settings.ts';
import { isStreamed, openStream, SHARE, streamTraining } from './streams.ts';

/** The data that a run trains on, and the data that judge it. */
export interface RunData {
  data: Dataset | StreamedDataset;
  /** The part that is held out. */
  validation?: Dataset | StreamedDataset;
  /** The test split, where there is one, or what `--test-data` names. */
  test?: Dataset | StreamedDataset;
}

/** The data of a run, as its settings say. Tables are read by `schema` where it is given, instead of learning another. */
export async function openRunData(settings: RunSettings, schema?: DataSchema): Promise<RunData> {
  const { seed, holdout = 0, binarize } = settings;
  const division = { holdout, seed };
  const opened: RunData = settings.stream
    ? await streamTraining(settings, division, schema)
    : await openTraining(settings, division, schema);
  const test = await openTest(settings, opened.data);
  const { data, validation } = opened;
  return {
    data: binarized(data, binarize),
    ...(validation && { validation: binarized(validation, binarize) }),
    ...(test && { test: binarized(test, binarize) }),
  };
}

/** What data for a model depend on. */
type Model = Pick<VAE, 'schema' | 'spec'>;

/** Examples of a stream that pictures are made of. */
const SHOWN = 4096;

/** The data as they are, or at most so many examples from all over a stream; by default as many as pictures are made of. */
export async function someOf(data: Dataset | StreamedDataset, most = SHOWN): Promise<Dataset> {
  return data instanceof StreamedDataset ? data.spread(most) : data;
}

/** Test data have the schema and the image size of the training data. */
async function openTest(
  settings: RunSettings,
  { schema, shape }: { schema: DataSchema | undefined; shape: readonly number[] },
): Promise<Dataset | StreamedDataset | undefined> {
  const { testData } = settings;
  if (testData === undefined && !(await hasTestSet(settings.data))) return undefined;
  const named: DataOptions = { ...settings, data: testData ?? settings.data };
  if (testData !== undefined) {
    if (!existsSync(testData)) {
      throw new TorchvaeError('ERR_RANGE', `Expected a path for --test-data but ${testData} does not exist`);
    }
    delete named.count;
    if (settings.data === 'sprites') delete named.size;
  }
  const like = await likeTraining(named, shape, schema);
  const { data, windowLength, stride } = named;
  const measured = { data, ...(windowLength && { windowLength }), ...(stride && { stride }) };
  if (await isStreamed(measured, 'test')) return openStream(named, 'test', schema, like);
  return loadDataset(named.data, { ...loadOptions(named, 'test', schema), ...like });
}

/** Images are resized, and get as many channels, as those of the training data, unless something else is asked for. */
async function likeTraining(
  { data, size }: DataOptions,
  shape: readonly number[],
  schema: DataSchema | undefined,
): Promise<Pick<LoadOptions, 'channels' | 'imageSize'>> {
  const [channels, height, width] = shape;
  const isImage = shape.length === 3 && (channels === 1 || channels === 3);
  if (!isImage || schema || !(await optionsOf(data)).includes('imageSize')) return {};
  return { channels, ...(size === undefined && { imageSize: [height!, width!] as const }) };
}

/**
 * What {@link openWhole} gives, without rows of a table that cannot be read; of a stream, some thousand examples, which are enough for a
 * picture. What is left out is noted.
 */
export async function openShown(
  run: string,
  given: Partial<DataOptions>,
  split: 'train' | 'test',
  model: Model,
): Promise<Dataset> {
  const whole = await openWhole(run, given, split, model);
  return readableOf(whole, await someOf(whole));
}

/**
 * All examples that {@link openWhole} gives, in their order, but for rows of a table that cannot be read, which are noted.
 *
 * @throws TorchvaeError ERR_STATE for a stream of more than fit into memory
 */
export async function openAll(
  run: string,
  given: Partial<DataOptions>,
  split: 'train' | 'test',
  model: Model,
): Promise<Dataset> {
  const whole = await openWhole(run, given, split, model);
  if (!(whole instanceof StreamedDataset)) return readableOf(whole, whole);
  const most = fittingIn(whole);
  if (whole.length <= most) return readableOf(whole, await whole.head(whole.length));
  const [all, some] = [whole.length, most].map((count) => count.toLocaleString('en-US'));
  throw new TorchvaeError(
    'ERR_STATE',
    `Expected examples that lie in memory together but ${whole.name} is a stream of ${all}, of which ${some} fit; divide it into several files`,
  );
}

/**
 * The example of this index, by which the data count it, whatever other rows cannot be read.
 *
 * @throws TorchvaeError ERR_RANGE for another index, ERR_STATE for a row that cannot be read
 */
export async function openExample(
  run: string,
  given: Partial<DataOptions>,
  split: 'train' | 'test',
  model: Model,
  index: number,
): Promise<Dataset> {
  const whole = await openWhole(run, given, split, model);
  writeNotes(whole);
  checkInteger('example', index, 0, whole.length - 1);
  const all = whole instanceof StreamedDataset ? await whole.head(index + 1) : whole;
  const one = all.subset([index]);
  if (hasReadableRow(one)) return one;
  throw new TorchvaeError(
    'ERR_STATE',
    `Expected an example of ${whole.name} that can be read for example but received ${index}, which cannot; name another`,
  );
}

/** How many examples of a stream fit into memory beside the model. */
export function fittingIn({ size }: { size: number }): number {
  return Math.max(1, Math.floor((SHARE * availableMemory()) / (4 * size)));
}

function readableOf(whole: Dataset | StreamedDataset, some: Dataset): Dataset {
  writeNotes(whole);
  if (!hasReadableRow(some)) throw noRow(whole);
  const shown = readableRows(some);
  const leftOut = some.length - shown.length;
  if (leftOut > 0) process.stderr.write(`${counted(leftOut, 'row')} left out, since cells cannot be read\n`);
  return shown;
}

/** The notes of data that a model is asked about, a line each. */
export function writeNotes({ notes }: Dataset | StreamedDataset): void {
  process.stderr.write(notes.map((note) => `${inFlags(note)}\n`).join(''));
}

/** What people should know of the test data of a run beside what was said of those that it trains on. */
export function notesOnTest({ data, test }: Pick<RunData, 'data' | 'test'>): string[] {
  if (!test) return [];
  const said = new Set(data.notes);
  const others = test.notes.filter((note) => !said.has(note)).map((note) => `${test.name}: ${note}`);
  const isStream = data instanceof StreamedDataset || test instanceof StreamedDataset;
  const overlap = isStream ? undefined : overlapNote(data, test);
  return [...others, ...(overlap === undefined ? [] : [overlap])];
}

/** How data of a schema are read so that a bad cell or a long line refuses no other row: it is counted. */
const LENIENT = { table: { onMissing: 'impute' }, text: { onLong: 'cut' } } as const;

/** The same as far as the data take it; others are refused for what they are. */
async function lenientFlags(
  settings: RunSettings | undefined,
  { data = settings?.data }: Partial<DataOptions>,
  schema: DataSchema | undefined,
): Promise<Partial<DataOptions>> {
  if (!schema || data === undefined) return {};
  return only<Partial<DataOptions>>(LENIENT[schema.type], await optionsOf(data, schema));
}

/**
 * The data for a command that asks a model: `--data`, binarized as the run's were, or the run's data: those it was trained on, or
 * for `test` those that judged it, if any. A bad cell or a long line refuses no other row: it is counted (`Dataset.cells`).
 *
 * @throws TorchvaeError ERR_STATE where there is neither, and what the data sets throw
 */
export async function openWhole(
  run: string,
  given: Partial<DataOptions>,
  split: 'train' | 'test',
  { schema, spec }: Model,
): Promise<Dataset | StreamedDataset> {
  const settings = await settingsNear(run);
  const asked = { ...(await lenientFlags(settings, given, schema)), ...given };
  const named = await namedData(settings, asked, schema);
  if (named) {
    const like = await likeTraining(named, spec.inputShape, schema);
    const opened = (await isStreamed(named, split))
      ? await openStream(named, split, schema, like)
      : await loadDataset(named.data, { ...like, ...loadOptions(named, split, schema) });
    return opened.kind === 'unit' ? binarized(opened, settings?.binarize) : opened;
  }
  if (!settings) {
    throw new TorchvaeError(
      'ERR_STATE',
      `Expected --data: there is no ${CONFIG_FILE} beside ${run} that says what the model was trained on`,
    );
  }
  const own = { ...settings, ...only(asked, ['dataDir', 'size', ...FILE_FLAGS]) };
  const opened = await openRunData(own, schema);
  return split === 'train' ? opened.data : (opened.test ?? opened.validation ?? opened.data);
}

/**
 * Whether a command that asks for this split of these data gets rows that the run was trained on, as far as their place says: the data of the
 * run have no other split, and no part was held out.
 */
export async function areTraining(
  run: string,
  { data }: Partial<DataOptions>,
  split: 'train' | 'test',
): Promise<boolean> {
  const settings = await settingsNear(run);
  if (!settings || (data !== undefined && !isSamePath(data, settings.data))) return false;
  if (split === 'train') return true;
  if (data === undefined && (settings.testData !== undefined || settings.holdout)) return false;
  return !(await hasTestSet(settings.data));
}

function isSamePath(a: string, b: string): boolean {
  return a === b || (existsSync(a) && existsSync(b) && realpathSync(a) === realpathSync(b));
}

/**
 * The texts of columns of the table at `--data`, by column and row.
 *
 * @throws TorchvaeError ERR_STATE without `--data`, or where its rows make up windows; what `cellTexts` throws
 */
export async function cellsOf(
  run: string,
  given: Partial<DataOptions>,
  names: readonly string[],
): Promise<string[][]> {
  const named = await namedData(await settingsNear(run), given);
  if (!named) throw new TorchvaeError('ERR_STATE', 'Expected --data: the table whose columns --keep names');
  if (named.windowLength === undefined) return cellTexts(named.data, names, readingOptions(named));
  throw new TorchvaeError(
    'ERR_STATE',
    'Expected one row an example for --keep but --window-length makes one of several rows; leave --keep out',
  );
}

/** `--data` and how it is read, in which the run's flags stand for those that are not given. */
async function namedData(
  settings: RunSettings | undefined,
  given: Partial<DataOptions>,
  schema?: DataSchema,
): Promise<DataOptions | undefined> {
  const { data } = given;
  return data === undefined ? undefined : { ...(await fileFlagsOf(settings, data, schema)), ...given, data };
}

/** How text is written, which files of another format do not share. */
const DIALECT: readonly string[] = ['delimiter', 'decimal', 'header'];

/** How the data of the run were read, as far as it has a meaning for other data. */
async function fileFlagsOf(
  settings: RunSettings | undefined,
  data: string,
  schema: DataSchema | undefined,
): Promise<Partial<DataOptions>> {
  if (!settings) return {};
  const options = await optionsOf(data, schema);
  const isAlike = formatName(settings.data) === formatName(data);
  const carried = FILE_FLAGS.filter(
    (key) => options.includes(READING[key].option ?? key) && (isAlike || !DIALECT.includes(key)),
  );
  return only<Partial<DataOptions>>(settings, [
    ...carried,
    ...(options.includes('imageSize') ? ['size'] : []),
  ]);
}

/** The extension of a file, without that of its compression. */
function formatName(path: string): string {
  return extname(path.replace(/\.gz$/i, ''));
}

/** The settings of the run in this directory, or around this checkpoint; undefined without a config.json. */
async function settingsNear(run: string): Promise<RunSettings | undefined> {
  const directory = new RunDirectory(statSync(run).isDirectory() ? run : dirname(run));
  if (!existsSync(directory.config)) return undefined;
  return settingsOf(directory.path, await directory.readConfig()).settings;
}

function binarized<T extends Dataset | StreamedDataset>(data: T, mode: RunSettings['binarize']): T {
  return mode ? (data.binarize({ mode }) as T) : data;
}
