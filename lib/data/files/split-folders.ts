import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Folders that may lie beside `train` and `test`. */
const OTHERS = ['val', 'valid', 'validation'];

/**
 * Whether the path is a folder of the folders `train` and `test`, and of no others but a validation set: then these are splits
 * and no classes.
 */
export function hasSplitFolders(path: string): boolean {
  try {
    const folders = readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== '__MACOSX')
      .map(({ name }) => name);
    const rest = folders.filter((name) => name !== 'train' && name !== 'test');
    return folders.length === rest.length + 2 && rest.every((name) => OTHERS.includes(name));
  } catch {
    return false; // no folder, or none that can be read: whoever opens it says so
  }
}

/** The folder of this split, where there are such; else the path itself. */
export function splitPath(path: string, split: 'train' | 'test' = 'train'): string {
  return hasSplitFolders(path) ? join(path, split) : path;
}
