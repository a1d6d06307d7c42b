import { join } from 'node:path';
import { packageRoot } from '../package.ts';

/** Where the binaries may lie: built from source beside `dist/`, or shipped prebuilt. */
export function binaryFolders(): string[] {
  const root = packageRoot();
  return [join(root, 'build', 'Release'), join(root, 'prebuilds', `${process.platform}-${process.arch}`)];
}
