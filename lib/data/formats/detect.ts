import { readdir, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { ioError } from '../../files.ts';
import { withFile } from '../files/source.ts';
import type { Format, Found } from './format.ts';
import { FORMATS } from './list.ts';

/** Bytes of a file that formats look at. */
const START = 8;

/**
 * The format of what is at the path: of a file by its extension, else by its first bytes; of a folder by the names in it.
 * Undefined where there is nothing.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for devices and pipes
 */
export async function formatOf(path: string): Promise<Format | undefined> {
  const found = await look(path);
  if (!found) return undefined;
  const named =
    found.type === 'file' && FORMATS.find(({ extensions }) => extensions?.includes(found.extension));
  return named || FORMATS.find((format) => format.detect?.(found));
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
  const start = await withFile(path, (file) => file.read(0, START));
  return { type: 'file', path, extension: extname(path).toLowerCase(), size: found.size, start };
}
