import { realpath } from 'node:fs/promises';
import { relative, sep } from 'node:path';
import { ioError } from '../../files.ts';
import { badData } from './source.ts';

/**
 * @throws TorchvaeError ERR_DATA_FORMAT for a link that leads out of the folder: the user named the folder, not the
 * files that its links point to
 */
export async function checkInside(file: string, folder: string): Promise<void> {
  const [target, root] = await Promise.all([realpath(file), realpath(folder)]).catch((cause) => {
    throw ioError('read', file, cause);
  });
  const path = relative(root!, target!);
  if (path !== '..' && !path.startsWith(`..${sep}`) && !path.startsWith(sep)) return;
  throw badData(
    file,
    `expected a file within ${folder} but it is a link to ${target}; put the file itself there`,
  );
}
