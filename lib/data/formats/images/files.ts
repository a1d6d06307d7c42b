import { opendir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { ioError } from '../../../files.ts';
import { checkInside } from '../../files/inside.ts';
import { badData } from '../../files/source.ts';
import { hasSplitFolders } from '../../files/split-folders.ts';

/** Extensions of the files that are decoded. */
const EXTENSIONS = new Set(['.png', '.jpg', '.jpeg', '.webp', '.gif', '.avif', '.tif', '.tiff']);
/** Extensions of images that are not decoded. */
const OTHERS = new Set(
  'bmp,dib,heic,heif,jxl,jp2,j2k,jfif,ppm,pgm,pbm,pnm,pfm,tga,ico,exr,hdr,svg,psd,raw,dng,cr2,nef,arw,dcm,nii,fits'
    .split(',')
    .map((extension) => `.${extension}`),
);
/** Extensions of what a folder of examples may hold instead. */
const NO_IMAGES = new Set(['.parquet', '.csv', '.tsv', '.jsonl', '.ndjson', '.npy', '.npz']);
/** Folders beside those of classes that hold no examples. */
const NO_CLASS = /^(?:ground[-_ ]?truths?|gt|masks?|annotations?|segmentations?)$/i;
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

/** Counts the files that are passed over, by their extensions, and the folders. */
interface PassedOver {
  readonly files: Map<string, number>;
  /** Files of tables and arrays, which may be what is meant. */
  readonly others: Map<string, number>;
  readonly folders: string[];
}

/**
 * Finds the images of a folder: either right in it, or in folders of it, each of which is a class, with all folders below. Files that
 * begin with a dot or do not have an image's extension are passed over, as are folders of masks beside others. Links to files within the folder are followed; those to folders
 * and to the outside are refused.
 *
 * @throws TorchvaeError ERR_IO, ERR_DATA_FORMAT for a folder without images, with images both in it and in its folders, or with a link
 * that leads out
 */
export async function findImages(folder: string): Promise<ImageFiles & { notes: string[] }> {
  const passed: PassedOver = { files: new Map(), others: new Map(), folders: [] };
  const top = await list(folder, folder, passed);
  const isClass = (name: string) => !NO_CLASS.test(name);
  const hasClasses = top.folders.some(isClass);
  const classes: string[] = [];
  const paths: string[] = [];
  const labels: number[] = [];
  for (const name of top.folders) {
    if (hasClasses && !isClass(name)) {
      passed.folders.push(name);
      continue;
    }
    const found = await walk(join(folder, name), folder, 1, passed);
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
    const [other] = countsOf(passed.others);
    const advice =
      other === undefined ? '' : `; it holds ${other}: name such a file, or the folder that they lie in`;
    const notes = notesOf(passed).map((note) => `; ${note}`);
    throw badData(folder, `expected ${what} but there are none${advice}${notes.join('')}`);
  }
  if (top.images.length > 0 && paths.length > 0) {
    const where = `${top.images[0]} in it and ${paths[0]} in a folder`;
    throw badData(
      folder,
      `expected images either in it or in a folder for each class, but there is ${where}`,
    );
  }
  const notes = [...notesOf(passed), ...tableNotes(passed)];
  if (paths.length === 0) return { paths: top.images, labels: undefined, classes: undefined, notes };
  return { paths, labels: Int32Array.from(labels), classes, notes };
}

async function walk(folder: string, root: string, depth: number, passed: PassedOver): Promise<string[]> {
  if (depth > MAX_DEPTH) throw badData(folder, `expected folders at most ${MAX_DEPTH} deep`);
  if (hasSplitFolders(folder)) {
    throw badData(
      folder,
      'expected the images of a class but it holds splits such as train and test; name this folder',
    );
  }
  const { images, folders } = await list(folder, root, passed);
  for (const name of folders)
    for (const path of await walk(join(folder, name), root, depth + 1, passed)) images.push(path);
  return images;
}

/** Sorted by the code units of the names, which gives the same order on every machine. */
async function list(
  folder: string,
  root: string,
  { files, others }: PassedOver,
): Promise<{ images: string[]; folders: string[] }> {
  const images: string[] = [];
  const folders: string[] = [];
  try {
    for await (const entry of await opendir(folder)) {
      const { name } = entry;
      if (name.startsWith('.') || name === '__MACOSX') continue;
      const extension = extname(name).toLowerCase();
      const isImage = EXTENSIONS.has(extension);
      if (OTHERS.has(extension)) files.set(extension, (files.get(extension) ?? 0) + 1);
      if (NO_IMAGES.has(extension)) others.set(extension, (others.get(extension) ?? 0) + 1);
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
  const found = await stat(path).catch((cause) => {
    if (cause.code !== 'ENOENT') throw cause;
  });
  if (!found && isImage)
    throw badData(path, 'expected a file but it is a link to one that does not exist; remove the link');
  if (!found) return false;
  if (found.isDirectory())
    throw badData(path, 'expected a folder but it is a link to one; put the folder itself there');
  if (!isImage || !found.isFile()) return false;
  await checkInside(path, root);
  return true;
}

/** `2 .bmp` for each extension. */
function countsOf(files: ReadonlyMap<string, number>): string[] {
  return [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([extension, count]) => `${count} ${extension}`);
}

/** Tables beside images often name their labels, as Hugging Face's metadata.csv does. */
function tableNotes({ others }: PassedOver): string[] {
  const counts = countsOf(others);
  return counts.length === 0
    ? []
    : [`tables beside the images were passed over (${counts.join(', ')}): folders alone are classes`];
}

function notesOf({ files, folders }: PassedOver): string[] {
  const counts = countsOf(files);
  return [
    ...(counts.length > 0
      ? [`files of other formats were passed over (${counts.join(', ')}); convert them to PNG`]
      : []),
    ...(folders.length > 0 ? [`folders that hold no examples were passed over (${folders.join(', ')})`] : []),
  ];
}
