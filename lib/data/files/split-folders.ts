import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Folders that may lie beside `train` and `test`. */
const OTHERS = ['val', 'valid', 'validation'];

/**
 * Whether the path is a folder that holds the folders `train` and `test`, and no others except a validation set. These folders
 * are then splits, not classes.
 */
export function hasSplitFolders(path: string): boolean {
  try {
    const folders = readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== '__MACOSX')
      .map(({ name }) => name);
    const rest = folders.filter((name) => name !== 'train' && name !== 'test');
    return folders.length === rest.length + 2 && rest.every((name) => OTHERS.includes(name));
  } catch {
    return false; // Not a readable folder: opening it gives the error.
  }
}

/** The folder of this split if the path has split folders, else the path. */
export function splitPath(path: string, split: 'train' | 'test' = 'train'): string {
  return hasSplitFolders(path) ? join(path, split) : path;
}
