import { opendir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { ioError } from '../../../files.ts';
import { checkInside } from '../../files/inside.ts';
import { badData } from '../../files/source.ts';

/** Extensions of the files that are decoded. */
const EXTENSIONS = new Set(['.png', '.jpg', '.jpeg', '.webp', '.gif', '.avif', '.tif', '.tiff']);
const MAX_FILES = 10_000_000;
const MAX_DEPTH = 16;

/** The images of a folder in a fixed order. */
export interface ImageFiles {
  /** Sorted by class, then by path. */
  readonly paths: readonly string[];
  /** The class of each; undefined where the images lie in the folder itself. */
  readonly labels: Int32Array | undefined;
  /** The names of the folders that are classes, sorted. */
  readonly classes: readonly string[] | undefined;
}

/**
 * Finds the images of a folder: either right in it, or in folders of it, each of which is a class, with all folders below. Files that
 * begin with a dot or do not have an image's extension are passed over. Links to files within the folder are followed; those to folders
 * and to the outside are refused.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for a folder without images, with images both in it and in its folders, or with a link
 * that leads out
 */
export async function findImages(folder: string): Promise<ImageFiles> {
  const top = await list(folder, folder);
  const classes: string[] = [];
  const paths: string[] = [];
  const labels: number[] = [];
  for (const name of top.folders) {
    const found = await walk(join(folder, name), folder, 1);
    if (found.length === 0) continue;
    for (const path of found) {
      paths.push(path);
      labels.push(classes.length);
    }
    classes.push(name);
    if (paths.length > MAX_FILES) throw badData(folder, `expected at most ${MAX_FILES} images`);
  }
  if (top.images.length === 0 && paths.length === 0) {
    const what = `images (${[...EXTENSIONS].join(', ')}), in it or in a folder for each class`;
    throw badData(folder, `expected ${what} but there are none`);
  }
  if (top.images.length > 0 && paths.length > 0) {
    const where = `${top.images[0]} in it and ${paths[0]} in a folder`;
    throw badData(
      folder,
      `expected images either in it or in a folder for each class, but there is ${where}`,
    );
  }
  if (paths.length === 0) return { paths: top.images, labels: undefined, classes: undefined };
  return { paths, labels: Int32Array.from(labels), classes };
}

async function walk(folder: string, root: string, depth: number): Promise<string[]> {
  if (depth > MAX_DEPTH) throw badData(folder, `expected folders at most ${MAX_DEPTH} deep`);
  const { images, folders } = await list(folder, root);
  for (const name of folders)
    for (const path of await walk(join(folder, name), root, depth + 1)) images.push(path);
  return images;
}

/** Sorted by the code units of the names, which gives the same order on every machine. */
async function list(folder: string, root: string): Promise<{ images: string[]; folders: string[] }> {
  const images: string[] = [];
  const folders: string[] = [];
  try {
    for await (const entry of await opendir(folder)) {
      const { name } = entry;
      if (name.startsWith('.') || name === '__MACOSX') continue;
      const isImage = EXTENSIONS.has(extname(name).toLowerCase());
      if (entry.isDirectory()) folders.push(name);
      else if (entry.isFile() && isImage) images.push(name);
      else if (entry.isSymbolicLink() && (await isWanted(join(folder, name), isImage, root)))
        images.push(name);
      if (images.length > MAX_FILES) throw badData(folder, `expected at most ${MAX_FILES} images`);
    }
  } catch (cause) {
    throw (cause as NodeJS.ErrnoException).syscall ? ioError('read', folder, cause) : cause;
  }
  return { images: images.sort().map((name) => join(folder, name)), folders: folders.sort() };
}

async function isWanted(path: string, isImage: boolean, root: string): Promise<boolean> {
  const found = await stat(path);
  if (found.isDirectory())
    throw badData(path, 'expected a folder but it is a link to one; put the folder itself there');
  if (!isImage || !found.isFile()) return false;
  await checkInside(path, root);
  return true;
}
