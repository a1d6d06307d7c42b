import { basename } from 'node:path';
import type { TorchvaeError } from '../../../errors.ts';
import { badData } from '../../files/source.ts';
import { isBadImage } from './decoder.ts';
import type { ImageFiles } from './files.ts';

/** Images that are decoded at a time. */
const AT_A_TIME = 8;

/**
 * Runs the action on a few paths at a time; rejects with the error of the first path that fails.
 *
 * @returns the paths of damaged images, if these are skipped
 */
export async function eachGood(
  paths: readonly string[],
  { onBadImage }: { onBadImage?: 'refuse' | 'skip' },
  action: (path: string, index: number) => Promise<unknown>,
): Promise<ReadonlySet<number>> {
  const skipped = new Set<number>();
  await eachOf(paths, (path, i) =>
    action(path, i).catch((error) => {
      if (onBadImage !== 'skip' || !isBadImage(error)) throw error;
      skipped.add(i);
    }),
  );
  return skipped;
}

/** Runs the action on a few paths at a time; rejects with the error of the first path that fails. */
export async function eachOf(
  paths: readonly string[],
  action: (path: string, index: number) => Promise<unknown>,
): Promise<void> {
  for (let start = 0; start < paths.length; start += AT_A_TIME) {
    const some = paths.slice(start, start + AT_A_TIME);
    const outcomes = await Promise.allSettled(some.map((path, i) => action(path, start + i)));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }
}

/**
 * The files that are not skipped.
 *
 * @throws TorchvaeError ERR_DATA_FORMAT where no image is left
 */
export function without(files: ImageFiles, skipped: ReadonlySet<number>, folder: string): ImageFiles {
  if (skipped.size === 0) return files;
  const paths = files.paths.filter((_, i) => !skipped.has(i));
  if (paths.length === 0) throw noImage(folder);
  return { paths, labels: files.labels?.filter((_, i) => !skipped.has(i)), classes: files.classes };
}

/** The images that are not skipped, moved together in place. */
export function kept(data: Uint8Array, skipped: ReadonlySet<number>, size: number): Uint8Array {
  if (skipped.size === 0) return data;
  let end = 0;
  for (let i = 0; i < data.length / size; i++) {
    if (skipped.has(i)) continue;
    data.copyWithin(end, i * size, (i + 1) * size);
    end += size;
  }
  return data.subarray(0, end);
}

/** The error for a folder of damaged images. */
export function noImage(folder: string): TorchvaeError {
  return badData(folder, 'expected at least one image that can be decoded');
}

/** What people should know of the images that were skipped. */
export function notesOf(skipped: ReadonlySet<number>, folder: string): string[] {
  if (skipped.size === 0) return [];
  return [
    `${skipped.size} damaged ${skipped.size === 1 ? 'image was' : 'images were'} left out of ${basename(folder)}`,
  ];
}
