import { readdir, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { promisify } from 'node:util';
import { constants, gunzip } from 'node:zlib';
import { ioError } from '../../files.ts';
import { badData, withFile } from '../files/source.ts';
import type { Format, Found } from './format.ts';
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
  const format =
    formats.find(isMeant) ??
    formats.find((known) => hasExtension(known, found)) ??
    formats.find((known) => known.detect?.(found));
  if (format) return format;
  const known = FORMATS.map(({ name }) => name).join(', ');
  const begin = found.type === 'file' ? Buffer.from(found.start.subarray(0, 8)).toString('hex') : '';
  throw badData(
    path,
    `expected a known format (${known}) but it is of none; it begins with ${begin || 'nothing'}`,
  );
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
    extension: extname(isPacked ? path.replace(/\.gz$/i, '') : path).toLowerCase(),
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
