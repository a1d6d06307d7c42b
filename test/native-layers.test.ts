/**
 * native/ in layers: a folder includes headers of folders below it alone. The graph is that of the `#include` lines of every
 * file; docs/architecture.md says what the folders hold.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const native = fileURLToPath(new URL('../native', import.meta.url));

/** From the bottom to the top; folders of one row do not know each other. */
const LAYERS = [
  ['interface'],
  ['base', 'portable', 'ranks'],
  ['cpu'],
  ['random'],
  ['kernels', 'store'],
  ['ops', 'pass', 'fused'],
  ['net', 'likelihood', 'data'],
  ['posterior'],
  ['prior'],
  ['vae'],
  ['objective', 'eval'],
  ['step'],
  ['train'],
  ['model'],
  ['device'],
  ['cuda'],
];

const layerOf = new Map(LAYERS.flatMap((folders, i) => folders.map((folder) => [folder, i] as const)));

const files = readdirSync(native, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => /\.(h|cpp|cuh|cu)$/.test(file));

const folderOf = (file: string) => file.split('/')[0]!;

/** The file of native/ that `name` stands for in an `#include` of `file`. */
function included(file: string, name: string): string | undefined {
  return [dirname(file), '', 'interface']
    .map((folder) => normalize(join(folder, name)))
    .find((path) => existsSync(join(native, path)));
}

/** [file, the file that it includes] */
const includes = files.flatMap((file) =>
  [...readFileSync(join(native, file), 'utf8').matchAll(/^#include "([^"]+)"/gm)].map(
    ([, name]) => [file, name!, included(file, name!)] as const,
  ),
);

describe('native/', () => {
  test('each quoted include is of a file that is there', () => {
    expect(includes.length).toBeGreaterThan(300);
    expect(includes.filter(([, , path]) => path === undefined)).toEqual([]);
  });

  test('every folder has its layer', () => {
    expect([...new Set(files.map(folderOf))].sort()).toEqual([...layerOf.keys()].sort());
  });

  test('a folder includes headers of folders below it alone', () => {
    const wrong = includes
      .filter(([file, , path]) => {
        const [from, to] = [folderOf(file), folderOf(path!)];
        return from !== to && !(layerOf.get(from)! > layerOf.get(to)!);
      })
      .map(([file, , path]) => `${file} includes ${path}`);
    expect(wrong).toEqual([]);
  });

  test('no file includes itself by way of others', () => {
    const targets = new Map<string, string[]>(files.map((file) => [file, []]));
    for (const [file, , path] of includes) targets.get(file)!.push(path!);
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]) => {
      expect(path.includes(file), [...path, file].join(' -> ')).toBe(false);
      if (done.has(file)) return;
      for (const target of targets.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
  });
});
