import type { Dataset } from './dataset.ts';

/**
 * At most `count` examples, spread evenly over the data set: of data that are sorted, by class for instance, the first ones
 * would stand for little.
 */
export function spread(data: Dataset, count: number): Dataset {
  if (data.length <= count) return data;
  return data.subset(Array.from({ length: count }, (_, i) => Math.floor((i * data.length) / count)));
}

/** At most `count` examples, as many of each label as can be, label by label in turn; without labels as {@link spread}. */
export function spreadOverLabels(data: Dataset, count: number): Dataset {
  const { labels } = data;
  if (!labels) return spread(data, count);
  const places = new Map<number, number[]>();
  labels.forEach((label, i) => {
    const found = places.get(label);
    if (found) found.push(i);
    else places.set(label, [i]);
  });
  const ordered = [...places].sort(([a], [b]) => a - b).map(([, found]) => found);
  // Of each label, examples from all over the data.
  const rounds = Math.ceil(count / ordered.length);
  const chosen = ordered.map((found) =>
    Array.from(
      { length: Math.min(rounds, found.length) },
      (_, i, of = Math.min(rounds, found.length)) => found[Math.floor((i * found.length) / of)]!,
    ),
  );
  const turns = Array.from({ length: rounds }, (_, round) =>
    chosen.flatMap((found) => found.slice(round, round + 1)),
  );
  return data.subset(turns.flat().slice(0, count));
}
