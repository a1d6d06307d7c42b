import { basename, extname } from 'node:path';
import { checkOneOf, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import type { Dataset } from '../dataset.ts';
import { PIXEL_OPTIONS, type PixelOptions } from '../examples/pixels.ts';
import { badData, type FileVersion, reopenFile, versionOf, withFile } from '../files/source.ts';
import { only } from '../options.ts';
import { NEVER, type StreamSource } from '../streams/source.ts';
import { inOrder } from '../tables/learning.ts';
import { type ArrayFile, type OpenArray, openArrayStream } from './arrays/array-stream.ts';
import { npyBytes, openNpy, type TextArray } from './arrays/npy-file.ts';
import { listed, type Npz, type NpzMember, openNpz, withNpz } from './arrays/npz-archive.ts';
import { type ArrayNames, datasetOf, labelsOf, layoutOf, type NumericArray } from './arrays/numeric-array.ts';
import { beginsWith, type Format } from './format.ts';

/** Which arrays of a .npz file are read. */
export interface NpzOptions {
  /**
   * The array of the examples. Default: the only array; else `x_train`, `X_train`, `train_x`, `train_images` or `train_data` (of the split
   * `test`, `x_test` and so on, or `x_val` where there is none), `x`, `X`, `data`, `images`, `imgs` or `arr_0`, whichever is there first.
   */
  member?: string;
  /**
   * The array of the labels. Default `y_train` or `Y_train` beside `x_train` and so on, else `y`, `Y`, `labels`, `label` or `target`, if it has classes; else there
   * are none, and a note says so.
   */
  labelMember?: string;
  /** Default `train`. */
  split?: 'train' | 'test';
}

const OPTIONS = ['member', 'labelMember', 'split', ...PIXEL_OPTIONS];

/** NumPy's archives of arrays. */
export const npz: Format<NpzOptions & PixelOptions, NpzOptions & PixelOptions> = {
  name: '.npz file',
  extensions: ['.npz'],
  // Many other formats are archives too, but have an extension.
  detect: (found) => beginsWith(found, [0x50, 0x4b, 3, 4]) && extname(found.path) === '',
  options: OPTIONS,
  read: loadNpz,
  hasTestSet: (path) =>
    withNpz(path, async ({ names }) => examplesOf('test').some((name) => names.includes(name))),
  stream: { options: OPTIONS, open: streamNpz, sizeInMemory },
};

/**
 * The examples and labels of a .npz file.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT also where it is not clear which array is meant, naming all that are there;
 * ERR_RANGE for a name that is not there
 */
function loadNpz(path: string, options: NpzOptions & PixelOptions): Promise<Dataset> {
  return withNpz(path, async (npz) => {
    const chosen = chosenArrays(npz, path, options);
    const array = await npz.read(chosen.examples);
    const found = await readLabels(npz, chosen, array.shape);
    return datasetOf(array, { ...namesOf(path, chosen), ...found }, only(options, PIXEL_OPTIONS));
  });
}

/**
 * The same as a stream, whose labels lie in memory.
 *
 * @throws TorchvaeError as {@link loadNpz} does
 */
async function streamNpz(
  path: string,
  options: NpzOptions & PixelOptions,
  signal: AbortSignal,
): Promise<StreamSource> {
  const version = await versionOf(path);
  const array = await withNpz(path, async (npz): Promise<ArrayFile> => {
    const chosen = chosenArrays(npz, path, options);
    const { name, file } = namesOf(path, chosen);
    const { shape, isPacked } = await withFile(path, async (archive) => {
      const member = await npz.open(chosen.examples, archive, signal);
      const { shape } = await openNpy(member.file).finally(member.close);
      return { shape, isPacked: member.isPacked };
    });
    layoutOf(shape, file);
    const { labels, classes, notes } = await readLabels(npz, chosen, shape);
    return {
      name,
      path: file,
      ...(isPacked && { isSequential: true as const }),
      ...(labels && { labels: { values: labelsOf(labels, shape[0]!, file), classes } }),
      ...(notes && { notes }),
      open: (during) => openArray(path, version, chosen.examples, during),
    };
  });
  return openArrayStream(array, only(options, PIXEL_OPTIONS), signal);
}

async function openArray(
  path: string,
  version: FileVersion,
  name: string,
  signal: AbortSignal,
): Promise<OpenArray> {
  const archive = await reopenFile(path, version);
  const opened: { close(): unknown }[] = [archive];
  const close = async () => {
    while (opened.length > 0) await opened.pop()!.close();
  };
  try {
    const npz = await openNpz(path);
    opened.push(npz);
    const member = await npz.open(name, archive, signal);
    opened.push(member);
    return {
      rows: await openNpy(member.file),
      finish: member.finish,
      checkUnchanged: () => archive.checkUnchanged(version),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Of the largest array, which may be of texts or objects: these are no examples. */
function sizeInMemory(path: string): Promise<number | undefined> {
  return withNpz(path, (npz) =>
    withFile(path, async (archive) => {
      let largest: NpzMember | undefined;
      for (const name of npz.names) {
        const member = await npz.open(name, archive, NEVER);
        if (!largest || member.file.size > largest.file.size) largest = member;
      }
      if (!largest) return undefined;
      const bytes = await npyBytes(largest.file).catch(() => undefined);
      await largest.close();
      return bytes;
    }),
  );
}

interface ChosenArrays {
  readonly examples: string;
  readonly labels: string | undefined;
  /** Whether the labels were asked for. */
  readonly areAsked: boolean;
}

/** @throws TorchvaeError ERR_RANGE for a name that is not there; ERR_DATA_FORMAT where it is not clear which array is meant */
function chosenArrays(
  npz: Npz,
  path: string,
  { member, labelMember, split = 'train' }: NpzOptions,
): ChosenArrays {
  checkOneOf('split', split, ['train', 'test']);
  for (const [option, name] of Object.entries({ member, labelMember })) {
    const what = `an array of ${path} (${listed(npz.names)})`;
    if (name === undefined || npz.names.includes(name)) continue;
    throw new TorchvaeError(
      typeof name === 'string' ? 'ERR_RANGE' : 'ERR_TYPE',
      expected(what, option, name),
    );
  }
  const examples = member ?? defaultMember(npz, split, path);
  const labels = labelMember ?? labelNames(examples).find((name) => npz.names.includes(name));
  return { examples, labels, areAsked: labelMember !== undefined };
}

function namesOf(path: string, { examples }: ChosenArrays): { name: string; file: string } {
  return { name: basename(path), file: `${path}, member ${examples}.npy` };
}

/** The labels of examples of this arrangement, if there are any, and what was left out. */
async function readLabels(
  npz: Npz,
  chosen: ChosenArrays,
  shape: readonly number[],
): Promise<Pick<ArrayNames, 'labels' | 'classes' | 'notes'>> {
  const { labels, areAsked } = chosen;
  const notes = unusedNotes(npz, chosen);
  if (labels === undefined) return { notes };
  const read = await npz.readLabels(labels);
  if ('texts' in read) return { ...numbered(read), notes };
  if (areAsked || hasClasses(read, shape)) return { labels: read, notes };
  const trouble = `array ${labels} was left out: labels are whole numbers from 0, one an example`;
  return { notes: [trouble, ...notes] };
}

/** Texts as labels that count their sorted names. */
function numbered({ shape, texts }: TextArray): { labels: NumericArray; classes: string[] } {
  const classes = [...new Set(texts)].sort(inOrder);
  const places = new Map(classes.map((name, i) => [name, i]));
  return { labels: { shape, data: Int32Array.from(texts, (text) => places.get(text)!) }, classes };
}

/** Arrays of these names may also hold measures, or -1 for an anomaly. */
function hasClasses({ data }: NumericArray, shape: readonly number[]): boolean {
  // Several numbers an example are no class.
  if (data.length > 1 && data.length !== shape[0] && data.length % shape[0]! === 0) return false;
  return data.every((value) => Number.isInteger(Number(value)) && value >= 0);
}

function defaultMember({ names }: Npz, split: string, path: string): string {
  const usual = [...examplesOf(split), 'x', 'X', 'data', 'images', 'imgs', 'arr_0'].find((name) =>
    names.includes(name),
  );
  const found = names.length === 1 ? names[0] : usual;
  if (found !== undefined) return found;
  const advice = names.length > 0 ? `; name it (member: '${names[0]}')` : '';
  throw badData(
    path,
    `expected one array, or one named x_${split}, x or data, but it has ${listed(names)}${advice}`,
  );
}

const VALIDATION = ['val', 'valid', 'validation', 'dev'];

/** The usual names of the examples of a split; where there is no test set, it is the validation set. */
function examplesOf(split: string): string[] {
  return [split, ...(split === 'test' ? VALIDATION : [])].flatMap((name) => [
    `x_${name}`,
    `X_${name}`,
    `${name}_x`,
    `${name}_X`,
    `${name}_images`,
    `${name}_data`,
  ]);
}

/** A validation set that is read neither for training nor for testing. */
function unusedNotes({ names }: Npz, { examples }: ChosenArrays): string[] {
  const [test, ...others] = examplesOf('test').filter((name) => names.includes(name));
  if (test === undefined || !examplesOf('train').includes(examples)) return [];
  return others.map((name) => `array ${name} was left out, since ${test} is the test set`);
}

/** `x_train` goes with `y_train`, `train_images` with `train_labels`. */
function labelNames(examples: string): string[] {
  const first = /^[xX]_(\w+)$/.exec(examples)?.[1];
  const last = new RegExp(`^(train|test|${VALIDATION.join('|')})_`).exec(examples)?.[1];
  return [
    ...(first ? [`y_${first}`, `Y_${first}`] : []),
    ...(last ? [`${last}_y`, `${last}_Y`, `${last}_labels`] : []),
    'y',
    'Y',
    'labels',
    'label',
    'target',
  ];
}
