import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { checkOneOf } from '../../check.ts';
import { counted } from '../../counted.ts';
import { ioError } from '../../files.ts';
import type { Dataset } from '../dataset.ts';
import { badData, withFile } from '../files/source.ts';
import { strayDownload } from '../files/stray.ts';
import { textOf } from '../files/text.ts';
import type { Learnable } from '../learnable.ts';
import { only, refuseOthers } from '../options.ts';
import type { Part } from '../streams/part.ts';
import type { StreamSource } from '../streams/source.ts';
import { openRowStream, ROW_OPTIONS, type RowOptions } from '../streams/tables.ts';
import { joinedTables } from '../tables/join.ts';
import { TABLE_ROWS_OPTIONS, type TableRowsOptions, tableRows } from '../tables/rows.ts';
import type { Table } from '../tables/table.ts';
import type { CsvOptions } from './csv/reader.ts';
import { csv, csvFiles } from './csv.ts';
import type { Format, Found } from './format.ts';
import type { ImageFolderOptions } from './images/folder.ts';
import { jsonFiles, jsonl } from './jsonl.ts';
import { openParquetFiles, type ParquetStreamOptions } from './parquet/stream.ts';
import { parquet, readFiles } from './parquet.ts';

/** The format of each extension. */
const TABLES: Readonly<Record<string, Format>> = {
  '.parquet': parquet,
  '.csv': csv,
  '.tsv': csv,
  '.jsonl': jsonl,
  '.ndjson': jsonl,
};
/** Files that lie beside tables and say something of them, such as `README.md` and `_SUCCESS`. */
const BESIDE =
  /^(?:\.|_|Thumbs\.db$|desktop\.ini$|__MACOSX$|LICEN[CS]E|README)|\.(?:md|json|ya?ml|txt|html|crc)$/i;
/** `part-2` comes before `part-10`. */
function inOrder(names: string[]): string[] {
  // Made here, not as this module is loaded: a process waits 30 ms for its first collator.
  return names.sort(new Intl.Collator('en', { numeric: true }).compare);
}
/** What the names of files of a split begin with, such as `train-00000-of-00003.parquet`. */
const SPLITS = {
  train: /^train(?:ing)?(?![a-z])/i,
  test: /^test(?:ing)?(?![a-z])/i,
  validation: /^(?:val|valid|validation|dev)(?![a-z])/i,
} as const;

type StreamOptions = CsvOptions & RowOptions & ParquetStreamOptions & { split?: 'train' | 'test' };
type Options = CsvOptions & TableRowsOptions & ImageFolderOptions & { split?: 'train' | 'test' };

/** A folder of tables, or of Parquet files of images, that were divided into files, as the library datasets of Hugging Face, Spark and others write them. */
export const shards: Format<Options, StreamOptions> = {
  name: 'folder of tables (.parquet, .csv, .tsv, .jsonl, .ndjson)',
  detect: (found) => tablesIn(found).length > 0,
  schema: 'table',
  options: [...new Set(['split', ...csv.options, ...parquet.options])],
  read,
  readTable,
  stream: {
    options: [...new Set(['split', ...csv.stream!.options, ...parquet.stream!.options])],
    open: openStream,
    sizeInMemory: async (path) => {
      const { files, format } = await filesOf(path, {}, 'loadDataset');
      const sizes = await Promise.all(files.map((file) => format.stream!.sizeInMemory(file)));
      return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
    },
  },
  hasTestSet: async (path) => splitsOf(await namesIn(path)).test.length > 0,
};

/** The files of the split, and their format. */
async function filesOf<T extends { split?: 'train' | 'test' }>(
  path: string,
  { split = 'train', ...options }: T,
  reader: 'loadDataset' | 'streamDataset',
): Promise<{ files: string[]; format: Format; options: Omit<T, 'split'>; notes: string[] }> {
  checkOneOf('split', split, ['train', 'test']);
  const all = await namesIn(path);
  const splits = splitsOf(all);
  const names =
    splits.train.length === 0 ? all : split === 'test' && splits.test.length > 0 ? splits.test : splits.train;
  const [extension, other] = new Set(names.map(extensionOf));
  if (other !== undefined) {
    throw badData(
      path,
      `expected tables of one format but there are ${extension} and ${other}; name one of the files`,
    );
  }
  const format = TABLES[extension!]!;
  refuseOthers(reader, path, options, reader === 'loadDataset' ? format.options : format.stream!.options);
  const paths = names.map((name) => join(path, name));
  for (const file of paths) {
    const stray = strayDownload(await withFile(file, ({ read }) => read(0, 512)));
    if (stray) throw badData(file, `expected a table but it is ${stray}`);
  }
  const files = await withRows(paths, format);
  return {
    files,
    format,
    options,
    notes: [...notesOn(all, splits), ...emptyNotes(paths.length - files.length)],
  };
}

/** @throws TorchvaeError ERR_DATA_FORMAT for files of several formats or with other columns; what their readers throw */
async function read(path: string, given: Options): Promise<Dataset | Learnable> {
  const { files, format, options, notes } = await filesOf(path, given, 'loadDataset');
  if (format === parquet) return readFiles(path, files, options, notes);
  return tableRows(await readTable(path, given), only(options, TABLE_ROWS_OPTIONS));
}

/**
 * The rows of all files of the split, in the order of the files' names.
 *
 * @throws TorchvaeError as {@link read} does
 */
async function readTable(path: string, given: Options, keepsAll?: boolean): Promise<Table> {
  const { files, format, options, notes } = await filesOf(path, given, 'loadDataset');
  const tables: Table[] = [];
  for (const file of files)
    tables.push(await format.readTable!(file, only(options, format.options), keepsAll));
  return { ...joinedTables(path, tables), notes };
}

/**
 * The rows or images of all files of the split, read anew in every epoch.
 *
 * @throws TorchvaeError as {@link read} does
 */
async function openStream(
  path: string,
  given: StreamOptions,
  signal: AbortSignal,
  training?: (length: number) => Part,
): Promise<StreamSource> {
  const { files: paths, format, options, notes } = await filesOf(path, given, 'streamDataset');
  const files = { name: path, paths, notes };
  if (format === parquet) return openParquetFiles(files, options, signal, training);
  const make = format === csv ? csvFiles : jsonFiles;
  return openRowStream(
    { ...make(path, paths, options), notes },
    only(options, ROW_OPTIONS),
    signal,
    training,
  );
}

/** The names of a folder's tables, if it holds nothing else. */
function tablesIn(found: Found): string[] {
  if (found.type !== 'folder') return [];
  const isTable = (name: string) => extensionOf(name) in TABLES;
  const names = found.names.filter((name) => !BESIDE.test(name));
  return names.every(isTable) ? inOrder(names) : [];
}

/** That of the content, where the file is compressed. */
function extensionOf(name: string): string {
  return extname(name.replace(/\.gz$/i, '')).toLowerCase();
}

async function namesIn(path: string): Promise<string[]> {
  const names = await readdir(path).catch((cause) => {
    throw ioError('read', path, cause);
  });
  return tablesIn({ type: 'folder', path, names });
}

/** What tells the parts of one table apart: numbers, and random digits of base 16. */
const COUNTS = /[0-9a-f]*\d[0-9a-f]*|\b[0-9a-f]{4,}\b/gi;

interface Splits {
  readonly train: readonly string[];
  readonly test: readonly string[];
}

/** The files of the splits where names tell them apart; where there is no test set, it is the validation set. */
function splitsOf(names: readonly string[]): Splits {
  const of = (split: keyof typeof SPLITS) => names.filter((name) => SPLITS[split].test(name));
  const [train, test] = [of('train'), of('test')];
  return { train, test: test.length > 0 || train.length === 0 ? test : of('validation') };
}

/** What people should know of files that are of no split, or may mean different things. */
function notesOn(all: readonly string[], { train, test }: Splits): string[] {
  const passed = all.filter((name) => !train.includes(name) && !test.includes(name));
  if (train.length > 0) {
    return passed.length === 0 ? [] : [`files of neither split were passed over (${passed.join(', ')})`];
  }
  const kinds = new Set(all.map((name) => name.replaceAll(COUNTS, '')));
  if (kinds.size === 1) return [];
  const shown = all.slice(0, 4).join(', ') + (all.length > 4 ? ', ...' : '');
  return [
    `${all.length} files of different names are one table (${shown}); name one of them if they differ in meaning`,
  ];
}

/** The files that have rows, if any has: Spark writes a file for each of its parts, also of those without rows. */
async function withRows(files: readonly string[], format: Format): Promise<string[]> {
  if (format === parquet) return [...files];
  const starts: string[][] = [];
  for (const file of files) starts.push(await firstLines(file));
  const names = format === csv ? starts.find((lines) => lines.length > 1)?.[0] : undefined;
  const found = files.filter(
    (_, i) => starts[i]!.length > 1 || (starts[i]!.length === 1 && starts[i]![0] !== names),
  );
  return found.length > 0 ? found : [...files];
}

/** The first lines of a file that are not blank, at most two. */
async function firstLines(file: string): Promise<string[]> {
  let start = '';
  for await (const piece of textOf(file, Infinity)) {
    start += piece;
    const lines = start.split(/[\r\n]+/).filter((line) => line.trim() !== '');
    if (lines.length > 1) return lines.slice(0, 2);
  }
  return start.trim() === '' ? [] : [start.trim()];
}

function emptyNotes(count: number): string[] {
  return count === 0
    ? []
    : [`${counted(count, 'file')} without rows ${count === 1 ? 'was' : 'were'} passed over`];
}
