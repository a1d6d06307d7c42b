import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { badData } from './source.ts';

/** The names of folders that are splits. */
const NAMES = {
  train: /^train(?:ing)?$/i,
  validation: /^(?:val|valid|validation|dev)$/i,
  test: /^test(?:ing)?$/i,
} as const;
type Split = keyof typeof NAMES;

/** Folders beside splits that hold no examples, such as the masks of those in `test`. */
const NO_EXAMPLES = /^(?:ground[-_ ]?truths?|gt|masks?|annotations?|segmentations?|labels?)$/i;

/**
 * Whether the path is a folder that holds a folder `train` beside `test` or one of `val`, `valid`, `validation` and `dev`, in capitals
 * or not. These folders are then splits, never classes.
 */
export function hasSplitFolders(path: string): boolean {
  return splitRoot(path) !== undefined;
}

/**
 * The folder of this split if the path has split folders, else the path. Where there is no test set, `test` is the validation set.
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
  return join(path, split === 'train' ? splits.train! : (splits.test ?? splits.validation!));
}

/** The path, or the only folder in it that holds examples, such as `images` beside `labels`, whichever has split folders. */
function splitRoot(path: string): string | undefined {
  if (splitsIn(path)) return path;
  const [folder, ...more] = foldersIn(path).filter((name) => !NO_EXAMPLES.test(name));
  if (folder === undefined || more.length > 0) return undefined;
  const inner = join(path, folder);
  return splitsIn(inner) ? inner : undefined;
}

function splitsIn(path: string): (Partial<Record<Split, string>> & { unknown: string[] }) | undefined {
  const names = foldersIn(path);
  const named = (split: Split) => names.find((name) => NAMES[split].test(name));
  const [train, validation, test] = [named('train'), named('validation'), named('test')];
  if (train === undefined || (validation === undefined && test === undefined)) return undefined;
  const isKnown = (name: string) =>
    NO_EXAMPLES.test(name) || Object.values(NAMES).some((pattern) => pattern.test(name));
  return {
    train,
    ...(validation !== undefined && { validation }),
    ...(test !== undefined && { test }),
    unknown: names.filter((name) => !isKnown(name)),
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
