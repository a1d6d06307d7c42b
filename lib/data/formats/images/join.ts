import { badData } from '../../files/source.ts';
import { inOrder } from '../../tables/learning.ts';
import type { ImageSource } from './decoder.ts';
import type { ImageFiles } from './files.ts';

/**
 * The images of several sources, one after the other, whose classes are put together by their names.
 *
 * @param name of the whole
 * @param notes for people, of the sources
 */
export function joinedImages(
  name: string,
  sources: readonly ImageSource[],
  notes: readonly string[],
): ImageSource {
  const owners = new Map<string, ImageSource>();
  return {
    name,
    find: async () => {
      const parts = [];
      for (const source of sources) {
        const part = await source.find();
        for (const path of part.paths) owners.set(path, source);
        parts.push(part);
      }
      return {
        paths: parts.flatMap(({ paths }) => paths),
        ...joinedLabels(name, parts),
        notes: [...notes, ...parts.flatMap((part) => part.notes)],
      };
    },
    read: (path) => owners.get(path)!.read(path),
  };
}

/** @throws TorchvaeError ERR_DATA_FORMAT where some have labels and others have none */
function joinedLabels(name: string, parts: readonly ImageFiles[]): Pick<ImageFiles, 'labels' | 'classes'> {
  const labeled = parts.filter(({ labels }) => labels);
  if (labeled.length === 0) return { labels: undefined, classes: undefined };
  if (labeled.length < parts.length) {
    throw badData(
      name,
      'expected labels in all of its files or in none, but some have none; name one of the files',
    );
  }
  const all = parts.map(({ classes }) => classes ?? []);
  const isSame = all.every((classes) => classes.join('\0') === all[0]!.join('\0'));
  const classes = isSame ? all[0]! : [...new Set(all.flat())].sort(inOrder);
  const places = new Map(classes.map((known, i) => [known, i]));
  const labels = parts.flatMap((part, i) =>
    Array.from(part.labels!, (label) => places.get(all[i]![label]!)!),
  );
  return { labels: Int32Array.from(labels), classes };
}
