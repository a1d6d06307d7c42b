import { readdir, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { promisify } from 'node:util';
import { constants, gunzip } from 'node:zlib';
import { ioError } from '../../files.ts';
import { badData, withFile } from '../files/source.ts';
import { strayDownload } from '../files/stray.ts';
import { type Format, type Found, type FoundFile, startText } from './format.ts';
import { FORMATS } from './list.ts';

/** Bytes of a file that formats look at. */
const START = 2 ** 16;

/**
 * The format of what is at the path: of a file by its extension, else by its first bytes; of a folder by the names in it.
 * Undefined where there is nothing.
 *
 * @param schema the kind of schema by which it is to be read, if one is given
 * @throws TorchvaeError ERR_IO; ERR_DATA_FORMAT for devices and pipes, and for a file of no known format
 */
export async function formatOf(path: string, schema?: Format['schema']): Promise<Format | undefined> {
  const found = await look(path);
  if (!found) return undefined;
  const isPacked = found.type === 'file' && found.isPacked;
  const formats = FORMATS.filter(({ takesGzip }) => takesGzip || !isPacked);
  const isMeant = (known: Format) =>
    known.schema !== undefined &&
    known.schema === schema &&
    hasExtension({ ...known, accepts: known.mayBe ?? (() => true) }, found);
  const stray = found.type === 'file' ? strayContent(found) : undefined;
  if (stray) throw badData(path, stray);
  const format =
    formats.find(isMeant) ??
    formats.find((known) => hasExtension(known, found)) ??
    formats.find((known) => known.detect?.(found));
  if (format) return format;
  throw badData(path, trouble(found));
}

/** Formats that people have and that are not read, by their first bytes, and the way out. */
const OTHERS: readonly (readonly [begin: readonly number[] | RegExp, what: string, advice: string])[] = [
  [[0x89, 0x50, 0x4e, 0x47], 'an image', 'name the folder that it lies in'],
  [[0xff, 0xd8, 0xff], 'an image', 'name the folder that it lies in'],
  [/^(?:GIF8|RIFF....WEBP|BM|II\*\0|MM\0\*)/s, 'an image', 'name the folder that it lies in'],
  [/^\s*\[/, 'a JSON array', "write JSON lines, one object a line (jq -c '.[]'), as a .jsonl file"],
  [/^\s*\{/, 'JSON', 'name the file .jsonl if it has one object a line, else write it so'],
  [[0x50, 0x4b, 3, 4], 'a zip archive (such as .zip or .xlsx)', 'unpack it; save a sheet of Excel as CSV'],
  [[0xd0, 0xcf, 0x11, 0xe0], 'a document of older Office (.xls)', 'save the sheet as CSV'],
  [[0x42, 0x5a, 0x68], 'compressed by bzip2', 'unpack it'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'compressed by xz', 'unpack it'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'compressed by Zstandard', 'unpack it'],
  [[0x89, 0x48, 0x44, 0x46], 'HDF5 (.h5, .mat)', 'write it as .npy or .npz'],
  [[0x80], 'a pickle of Python', 'write it as .npy, .npz or .csv'],
  [/^(?:ARROW1|FEA1|\xff\xff\xff\xff..\0\0)/s, 'Arrow or Feather', 'write it as .parquet'],
  [[0x50, 0x41, 0x52, 0x31], 'Parquet', 'name it .parquet'],
  [[0x1f, 0x8b], 'compressed by gzip twice', 'unpack it once'],
  [/^[\s\S]{257}ustar/, 'a tar archive', 'unpack it'],
  [/^(?:%.*\s+)*@relation/i, 'ARFF', 'write it as CSV, with the names of the attributes in the first line'],
  [/^\s*<\?xml/, 'XML', 'write it as CSV or JSON lines'],
  [Array.from(Buffer.from('SQLite')), 'a database of SQLite', 'hand its rows over (Dataset.fromRecords)'],
];

/** Extensions of text. */
const TEXTS: readonly string[] = ['.csv', '.tsv', '.txt', '.dat', '.data', '.jsonl', '.ndjson'];

/** What is wrong with a file that holds something else than its name says. */
function strayContent({ start, extension }: FoundFile): string | undefined {
  const other = TEXTS.includes(extension) && start.includes(0) ? otherFormat(start) : undefined;
  const found = strayDownload(start) ?? (other && `${other[1]}; ${other[2]}`);
  return found && `expected the content that its name says but it is ${found}`;
}

function otherFormat(start: Uint8Array): (typeof OTHERS)[number] | undefined {
  const text = Buffer.from(start.subarray(0, 512)).toString('latin1');
  return OTHERS.find(([begin]) =>
    begin instanceof RegExp ? begin.test(text) : begin.every((byte, i) => start[i] === byte),
  );
}

/** What is wrong with a file or folder of no known format, and what to do. */
function trouble(found: Found): string {
  const known = FORMATS.map(({ name }) => name).join(', ');
  if (found.type === 'folder') return `expected a known format (${known}) but it is of none`;
  const { start, isPacked } = found;
  const packed = FORMATS.find((format) => hasExtension(format, found) || format.detect?.(found));
  if (isPacked && packed)
    return `expected a ${packed.name} as it is but it is compressed with gzip; unpack it`;
  const other = otherFormat(start);
  if (other) return `expected a known format (${known}) but it is ${other[1]}; ${other[2]}`;
  if (/^[^\ufffd]+$/.test(startText(start) ?? '')) {
    return `expected a known format (${known}) but it is text of none; name it .csv if it is a table, .txt if each line is an example`;
  }
  const begin = Buffer.from(start.subarray(0, 8)).toString('hex');
  return `expected a known format (${known}) but it is of none; it begins with ${begin || 'nothing'}`;
}

function hasExtension({ extensions, accepts }: Format, found: Found): boolean {
  return found.type === 'file' && !!extensions?.includes(found.extension) && (accepts?.(found) ?? true);
}

async function look(path: string): Promise<Found | undefined> {
  const fail = (cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw ioError('read', path, cause);
  };
  const found = await stat(path).catch(fail);
  if (!found) return undefined;
  if (found.isDirectory()) {
    return { type: 'folder', path, names: (await readdir(path).catch(fail)) ?? [] };
  }
  const raw = await withFile(path, (file) => file.read(0, START));
  const isPacked = raw[0] === 0x1f && raw[1] === 0x8b;
  return {
    type: 'file',
    path,
    extension: extname(path.replace(/\.gz$/i, '')).toLowerCase(),
    size: found.size,
    isPacked,
    start: isPacked ? await unpackedStart(raw) : raw,
  };
}

/** Of a damaged file nothing; reading it says what is wrong. */
async function unpackedStart(raw: Uint8Array): Promise<Uint8Array> {
  const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 2 ** 26 };
  const bytes = await promisify(gunzip)(raw.subarray(0, 2 ** 14), options).catch(() => Buffer.alloc(0));
  return bytes.subarray(0, START);
}
