import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { badData } from './source.ts';

/** The names of folders that are splits, also as `train_images`, `test-set` and `val2017`. */
const NAMES = {
  train: namesOf('train(?:ing)?'),
  validation: namesOf('val|valid|validation|dev'),
  test: namesOf('test(?:ing)?'),
} as const;
type Split = keyof typeof NAMES;

function namesOf(split: string): RegExp {
  return new RegExp(`^(?:${split})(?:[-_ ]?(?:set|images?|imgs?|data|\\d{4}))?$`, 'i');
}

/** Folders beside splits that hold no examples, such as the masks of those in `test`. */
const NO_EXAMPLES = /^(?:ground[-_ ]?truths?|gt|masks?|annotations?|segmentations?|labels?)$/i;

/**
 * Whether the path is a folder that holds a folder `train` beside `test` or one of `val`, `valid`, `validation` and `dev`, in capitals
 * or not. These folders are then splits, never classes.
 */
export function hasSplitFolders(path: string): boolean {
  const root = splitRoot(path);
  const splits = root === undefined ? undefined : splitsIn(root);
  return splits?.validation !== undefined || splits?.test !== undefined;
}

/**
 * The folder of this split if the path has split folders, or a folder `train` alone, else the path. Where there is no test set, `test` is the
 * validation set, or the only one.
 *
 * @throws TorchvaeError ERR_DATA_FORMAT for a folder beside the splits of which it is not clear what it holds
 */
export function splitPath(given: string, split: 'train' | 'test' = 'train'): string {
  const path = splitRoot(given);
  const splits = path === undefined ? undefined : splitsIn(path);
  if (path === undefined || !splits) return given;
  const { unknown } = splits;
  if (unknown.length > 0) {
    const names = [splits.train, splits.validation, splits.test]
      .filter((name) => name !== undefined)
      .join(', ');
    throw badData(
      path,
      `expected the splits ${names} alone but there is also ${unknown[0]}; name one of the folders, or move it away`,
    );
  }
  return join(path, (split === 'test' && (splits.test ?? splits.validation)) || splits.train);
}

/** The path, or the only folder in it that holds examples, such as `images` beside `labels`, whichever has split folders. */
function splitRoot(path: string): string | undefined {
  if (splitsIn(path)) return path;
  const [folder, ...more] = foldersIn(path).filter((name) => !NO_EXAMPLES.test(name));
  if (folder === undefined || more.length > 0) return undefined;
  const inner = join(path, folder);
  return splitsIn(inner) ? inner : undefined;
}

function splitsIn(
  path: string,
): (Partial<Record<Split, string>> & { train: string; unknown: string[] }) | undefined {
  const names = foldersIn(path);
  const named = (split: Split) => names.find((name) => NAMES[split].test(name));
  const [train, validation, test] = [named('train'), named('validation'), named('test')];
  if (train === undefined) return undefined;
  const isKnown = (name: string) =>
    NO_EXAMPLES.test(name) || Object.values(NAMES).some((pattern) => pattern.test(name));
  const unknown = names.filter((name) => !isKnown(name));
  // Beside other classes, `train` is a vehicle.
  if (validation === undefined && test === undefined && unknown.length > 0) return undefined;
  return {
    train,
    ...(validation !== undefined && { validation }),
    ...(test !== undefined && { test }),
    unknown,
  };
}

/** Sorted; none of what is not a readable folder, since opening it gives the error. */
function foldersIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== '__MACOSX')
      .map(({ name }) => name)
      .sort();
  } catch {
    return [];
  }
}
